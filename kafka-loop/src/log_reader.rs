//! Reads partitions from any offset on, without being in a group and without an end.

use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::{Message, Offset, TopicPartitionList};

use crate::KafkaSettings;
use crate::client::{self, Calm};
use crate::record::Record;
use crate::settings::BROKER_TIMEOUT;

/// A place in the log: topic, partition, and the offset of the next record.
pub type Place = (Arc<str>, i32, i64);

/// One reader; its calls block.
pub struct LogReader {
    consumer: BaseConsumer<Calm>,
    topics: Vec<Arc<str>>,
}

impl LogReader {
    /// # Errors
    /// Settings that librdkafka refuses.
    pub fn new(kafka: &KafkaSettings) -> anyhow::Result<Self> {
        // Assigning needs a group's name, but nothing is ever committed under it.
        let consumer = client::consumer(kafka, &kafka.topics.group("reader"))
            .create_with_context(Calm)
            .context("create reader")?;
        Ok(Self { consumer, topics: Vec::new() })
    }

    /// The offsets that each partition of a topic has, from partition 0 on: from its first record
    /// to after its last. Five seconds per partition at most.
    ///
    /// # Errors
    /// A topic that is not there, or a broker that does not answer.
    pub fn bounds(&self, topic: &str) -> anyhow::Result<Vec<Range<i64>>> {
        let metadata = self.consumer.fetch_metadata(Some(topic), BROKER_TIMEOUT);
        let metadata = metadata.with_context(|| format!("ask for the partitions of {topic}"))?;
        let count = metadata.topics().first().map_or(0, |topic| topic.partitions().len());
        if count == 0 {
            bail!("there is no topic {topic}");
        }
        let bounds = |partition| {
            let asked = self.consumer.fetch_watermarks(topic, partition, BROKER_TIMEOUT);
            let (low, high) =
                asked.with_context(|| format!("ask for the bounds of {topic}/{partition}"))?;
            Ok(low..high)
        };
        (0..count as i32).map(bounds).collect()
    }

    /// Reads on from these places, and from no others.
    ///
    /// # Errors
    /// What librdkafka refuses at once.
    pub fn start(&mut self, places: &[Place]) -> anyhow::Result<()> {
        let mut list = TopicPartitionList::new();
        for (topic, partition, offset) in places {
            list.add_partition_offset(topic, *partition, Offset::Offset(*offset))?;
            if !self.topics.contains(topic) {
                self.topics.push(Arc::clone(topic));
            }
        }
        self.consumer.assign(&list).context("read the log")
    }

    /// What comes next, in order of offsets within each partition: at most `most` records, and
    /// bytes until `most_bytes` are passed. Waits `wait` at most, then gives what has come, which
    /// may be nothing.
    ///
    /// # Errors
    /// A place that the log does not have any more. A broker that is away is no error.
    pub fn read(
        &self,
        most: usize,
        most_bytes: usize,
        wait: Duration,
    ) -> anyhow::Result<Vec<Record>> {
        let until = Instant::now() + wait;
        let (mut records, mut bytes) = (Vec::new(), 0);
        while records.len() < most && bytes < most_bytes {
            let left = until.saturating_duration_since(Instant::now());
            let message = match self.consumer.poll(left) {
                Some(Ok(message)) => message,
                Some(Err(error)) if is_about_the_place(&error) => {
                    return Err(error).context("the log no longer has what is to be read next");
                }
                Some(Err(error)) => {
                    client::note(&error, "reading goes on");
                    continue;
                }
                None => break,
            };
            let Some(topic) = self.topics.iter().find(|it| &***it == message.topic()) else {
                continue;
            };
            let record = Record::copied(Arc::clone(topic), &message);
            bytes += record.weight();
            records.push(record);
        }
        Ok(records)
    }
}

fn is_about_the_place(error: &KafkaError) -> bool {
    use RDKafkaErrorCode::{AutoOffsetReset, OffsetOutOfRange};
    matches!(error.rdkafka_error_code(), Some(AutoOffsetReset | OffsetOutOfRange))
}
