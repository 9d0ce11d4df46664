//! What a producer tells of itself.

use metrics::registry as r;
use metrics::{Counter, Gauge, Histogram, Page};

use super::ProduceError;

pub(super) struct Figures {
    pub seconds: Histogram,
    queue_bytes: Gauge,
    queue_records: Gauge,
    queue_full: Counter,
    no_topic: Counter,
    unacknowledged: Counter,
    refused: Counter,
}

impl Figures {
    pub fn new(page: &Page, name: &str) -> Self {
        let failures = |reason| page.counter(&r::PRODUCE_FAILURES, &[name, reason]);
        Self {
            seconds: page.histogram(&r::PRODUCE_SECONDS, &[name]),
            queue_bytes: page.gauge(&r::PRODUCE_QUEUE_BYTES, &[name]),
            queue_records: page.gauge(&r::PRODUCE_QUEUE_RECORDS, &[name]),
            queue_full: failures("queue_full"),
            no_topic: failures("no_topic"),
            unacknowledged: failures("unacknowledged"),
            refused: failures("refused"),
        }
    }

    /// A record of `bytes` waits for its acknowledgement.
    pub fn entered(&self, bytes: usize) {
        self.queue_records.inc();
        self.queue_bytes.add(bytes as i64);
    }

    /// It waits no more.
    pub fn left(&self, bytes: usize) {
        self.queue_records.dec();
        self.queue_bytes.sub(bytes as i64);
    }

    pub fn failed(&self, error: &ProduceError) {
        let counter = match error {
            ProduceError::QueueFull => &self.queue_full,
            ProduceError::NoTopic(_) => &self.no_topic,
            ProduceError::Unacknowledged(_) => &self.unacknowledged,
            ProduceError::Refused(_) => &self.refused,
        };
        counter.inc();
    }
}
