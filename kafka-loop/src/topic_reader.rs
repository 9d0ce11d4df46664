//! Reads a topic from its beginning to the end that it has now, without being in a group.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::{Offset, TopicPartitionList};

use crate::record::Record;
use crate::settings::BROKER_TIMEOUT;
use crate::{KafkaSettings, client};

/// The longest silence of the broker in the middle of a topic.
const SILENCE: Duration = Duration::from_secs(15);

/// Hands every record of `topic` to `each`, partition by partition in order of offsets. Blocks.
///
/// # Errors
/// A topic that is not there, or a broker that falls silent.
pub fn read_to_end(
    kafka: &KafkaSettings,
    topic: &str,
    mut each: impl FnMut(Record),
) -> anyhow::Result<()> {
    // Assigning needs a group's name, but nothing is ever committed under it.
    let consumer: BaseConsumer<client::Calm> =
        client::consumer(kafka, &kafka.topics.group("reader"))
            .set("enable.partition.eof", "true")
            .set("auto.offset.reset", "earliest")
            .create_with_context(client::Calm)
            .context("create reader")?;
    let metadata = consumer
        .fetch_metadata(Some(topic), BROKER_TIMEOUT)
        .with_context(|| format!("ask for the partitions of {topic}"))?;
    let count = metadata.topics().first().map_or(0, |topic| topic.partitions().len());
    if count == 0 {
        bail!("there is no topic {topic}");
    }
    let mut places = TopicPartitionList::new();
    for partition in 0..count as i32 {
        places.add_partition_offset(topic, partition, Offset::Beginning)?;
    }
    consumer.assign(&places).with_context(|| format!("read {topic}"))?;
    let name: Arc<str> = topic.into();
    let mut left = count;
    let mut heard_at = Instant::now();
    while left > 0 {
        match consumer.poll(Duration::from_millis(200)) {
            Some(Ok(message)) => each(Record::copied(Arc::clone(&name), &message)),
            Some(Err(KafkaError::PartitionEOF(_))) => left -= 1,
            Some(Err(error)) => tracing::debug!(%error, "the reader goes on by itself"),
            None if heard_at.elapsed() > SILENCE => bail!("the broker is silent about {topic}"),
            None => continue,
        }
        heard_at = Instant::now();
    }
    Ok(())
}
