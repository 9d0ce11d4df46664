//! Follows a topic from where it ends, without being in a group: what is shown live and kept by
//! nobody.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::{Offset, TopicPartitionList};
use tokio_util::sync::CancellationToken;

use crate::KafkaSettings;
use crate::client::{self, Calm};
use crate::record::Record;
use crate::settings::BROKER_TIMEOUT;

/// The longest time between two looks at whether it is to stop.
const POLL: Duration = Duration::from_millis(100);

/// A reader that stands at the end of a topic.
pub struct TopicTail {
    consumer: BaseConsumer<Calm>,
    topic: Arc<str>,
}

impl TopicTail {
    /// Goes to where the topic ends now: every record that is written from now on is read.
    /// Blocks, five seconds per partition at most.
    ///
    /// # Errors
    /// A broker that does not answer, or a topic that is not there.
    pub fn at_end(kafka: &KafkaSettings, topic: &str) -> anyhow::Result<Self> {
        // Assigning needs a group's name, but nothing is ever committed under it.
        let consumer: BaseConsumer<Calm> = client::consumer(kafka, &kafka.topics.group("tail"))
            .set("auto.offset.reset", "earliest")
            .create_with_context(Calm)
            .context("create tail reader")?;
        let mut places = TopicPartitionList::new();
        for partition in 0..kafka.partitions {
            let (_, end) = consumer
                .fetch_watermarks(topic, partition, BROKER_TIMEOUT)
                .with_context(|| format!("ask where {topic}/{partition} ends"))?;
            places.add_partition_offset(topic, partition, Offset::Offset(end))?;
        }
        consumer.assign(&places).with_context(|| format!("read {topic}"))?;
        Ok(Self { consumer, topic: topic.into() })
    }

    /// Hands every record to `each` until `stop` is cancelled. Blocks.
    ///
    /// # Errors
    /// Whatever the reader cannot go on from.
    pub fn follow(
        self,
        stop: &CancellationToken,
        mut each: impl FnMut(Record),
    ) -> anyhow::Result<()> {
        while !stop.is_cancelled() {
            match self.consumer.poll(POLL) {
                None => {}
                Some(Ok(message)) => each(Record::copied(Arc::clone(&self.topic), &message)),
                Some(Err(error)) if is_fatal(&error) => {
                    return Err(error).with_context(|| format!("follow {}", self.topic));
                }
                Some(Err(error)) => tracing::debug!(%error, "the tail reader goes on by itself"),
            }
        }
        Ok(())
    }
}

fn is_fatal(error: &KafkaError) -> bool {
    matches!(error, KafkaError::MessageConsumptionFatal(_))
        || error.rdkafka_error_code() == Some(RDKafkaErrorCode::Fatal)
}
