//! Where a topic ends at this moment.

use std::sync::Arc;

use anyhow::Context;
use rdkafka::consumer::{BaseConsumer, Consumer};

use crate::KafkaSettings;
use crate::client::{self, Calm};
use crate::settings::BROKER_TIMEOUT;

/// Asks the broker for the ends of partitions.
#[derive(Clone)]
pub struct LogEnds {
    client: Arc<BaseConsumer<Calm>>,
    partitions: i32,
}

impl LogEnds {
    /// Creates a client for it; it is a member of no group.
    ///
    /// # Errors
    /// Settings that librdkafka refuses.
    pub fn new(kafka: &KafkaSettings) -> anyhow::Result<Self> {
        let client =
            client::base(kafka).create_with_context(Calm).context("create client for log ends")?;
        Ok(Self { client: Arc::new(client), partitions: kafka.partitions })
    }

    /// The offset after the last record of each partition, from partition 0 on. Blocks, five
    /// seconds per partition at most.
    ///
    /// # Errors
    /// A broker that does not answer.
    pub fn of(&self, topic: &str) -> anyhow::Result<Vec<i64>> {
        (0..self.partitions)
            .map(|partition| {
                let (_, end) = self
                    .client
                    .fetch_watermarks(topic, partition, BROKER_TIMEOUT)
                    .with_context(|| format!("ask where {topic}/{partition} ends"))?;
                Ok(end)
            })
            .collect()
    }
}
