//! What a loop tells of itself: its lag, and what is under way. Looked at once a second on the
//! loop's thread.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use metrics::registry as r;
use metrics::{Counter, Gauge, Page, SecondsGauge};

use crate::assignment::Assignment;
use crate::rebalance::Callbacks;
use crate::role::LoopConfig;

/// How often librdkafka tells where logs end. Of a partition that it does not fetch at that time it
/// asks a broker, every ten seconds.
pub(super) const LOG_ENDS_EVERY_MS: &str = "5000";
const EVERY: Duration = Duration::from_secs(1);

pub(super) struct Figures {
    pub commit_failures: Counter,
    pub assigned: Counter,
    pub revoked: Counter,
    topics: Vec<OfTopic>,
    unfinished_records: Gauge,
    unfinished_bytes: Gauge,
    next_look_at: Instant,
}

struct OfTopic {
    name: String,
    lag: Gauge,
    partitions: Gauge,
    oldest: SecondsGauge,
}

impl OfTopic {
    fn new(page: &Page, reader: &str, topic: &str) -> Self {
        let labels = &[reader, topic];
        Self {
            name: topic.to_owned(),
            lag: page.gauge(&r::LAG, labels),
            partitions: page.gauge(&r::PARTITIONS, labels),
            oldest: page.seconds_gauge(&r::OLDEST_UNFINISHED, labels),
        }
    }
}

impl Figures {
    pub fn new(config: &LoopConfig) -> Self {
        let (page, name) = (&config.page, config.name);
        let topics = config.topics.iter().map(|topic| OfTopic::new(page, name, topic));
        Self {
            topics: topics.collect(),
            commit_failures: page.counter(&r::COMMIT_FAILURES, &[name]),
            assigned: page.counter(&r::REBALANCES, &[name, "assigned"]),
            revoked: page.counter(&r::REBALANCES, &[name, "revoked"]),
            unfinished_records: page.gauge(&r::UNFINISHED_RECORDS, &[name]),
            unfinished_bytes: page.gauge(&r::UNFINISHED_BYTES, &[name]),
            next_look_at: Instant::now(),
        }
    }

    pub fn look_if_due(&mut self, assignment: &mut Assignment, callbacks: &Callbacks) {
        let now = Instant::now();
        if now < self.next_look_at {
            return;
        }
        self.next_look_at = now + EVERY;
        if let Some(ends) = callbacks.take_ends() {
            for assigned in assignment.iter_mut() {
                let told = ends.get(&*assigned.topic).and_then(|t| t.get(&assigned.partition));
                assigned.end = told.copied().or(assigned.end);
            }
        }
        self.unfinished_records.set(whole(assignment.unfinished));
        self.unfinished_bytes.set(whole(assignment.unfinished_bytes));
        let millis = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        for topic in &self.topics {
            topic.look(assignment, i64::try_from(millis).unwrap_or(i64::MAX));
        }
    }
}

impl OfTopic {
    fn look(&self, assignment: &mut Assignment, now_millis: i64) {
        let (mut lag, mut partitions, mut oldest) = (0, 0, None::<i64>);
        for assigned in assignment.iter_mut().filter(|a| *a.topic == *self.name) {
            partitions += 1;
            lag += assigned.end.map_or(0, |end| (end - assigned.commits.committed()).max(0));
            let is_unfinished = assigned.tracker.unfinished() > assigned.forgotten;
            if let Some(since) = assigned.ages.oldest(assigned.tracker.frontier(), is_unfinished) {
                oldest = Some(oldest.map_or(since, |known| known.min(since)));
            }
        }
        self.lag.set(lag);
        self.partitions.set(partitions);
        let age = oldest.map_or(0, |since| (now_millis - since).max(0));
        self.oldest.set(age as f64 / 1_000.0);
    }
}

fn whole(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
