//! librdkafka's settings. Its defaults lose data in several ways; what matters is set here and
//! asserted by the test below.

use std::time::Duration;

use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::KafkaError;
use rdkafka::{ClientConfig, ClientContext};

use crate::KafkaSettings;

/// A client whose errors are noted and not shouted: librdkafka recovers from them by itself, and
/// counts the end of a partition among them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Calm;

impl ClientContext for Calm {
    fn error(&self, error: KafkaError, reason: &str) {
        note(&error, reason);
    }

    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log(level, facility, message);
    }
}

impl ConsumerContext for Calm {}

/// librdkafka's own log lines. What it calls an error is a broker that is away; nobody has to act
/// for it to go on.
pub(crate) fn log(level: RDKafkaLogLevel, facility: &str, message: &str) {
    match level {
        RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical => {
            tracing::error!(facility, "librdkafka: {message}");
        }
        RDKafkaLogLevel::Error | RDKafkaLogLevel::Warning => {
            tracing::warn!(facility, "librdkafka: {message}");
        }
        _ => tracing::debug!(facility, "librdkafka: {message}"),
    }
}

pub(crate) fn note(error: &KafkaError, reason: &str) {
    tracing::debug!(%error, reason, "the client reports an error and goes on by itself");
}

/// Fetched ahead and not yet taken in, per partition, in KiB.
const PREFETCH_KIB: &str = "1024";

pub(crate) fn base(kafka: &KafkaSettings) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", &kafka.brokers)
        .set("client.id", "hooklog")
        .set("reconnect.backoff.max.ms", "1000")
        .set("topic.metadata.refresh.interval.ms", "30000")
        .set("allow.auto.create.topics", "false");
    config
}

/// A member of consumer group `group`. Offsets are committed by the loop and by nobody else,
/// and a position that the log no longer has is an error, never a skip.
pub(crate) fn consumer(kafka: &KafkaSettings, group: &str) -> ClientConfig {
    let mut config = base(kafka);
    config
        .set("group.id", group)
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("auto.offset.reset", "error")
        .set("partition.assignment.strategy", "cooperative-sticky")
        .set("session.timeout.ms", "10000")
        .set("heartbeat.interval.ms", "1000")
        .set("max.poll.interval.ms", "300000")
        .set("fetch.wait.max.ms", "100")
        .set("fetch.error.backoff.ms", "100")
        .set("fetch.queue.backoff.ms", "20")
        .set("queued.min.messages", "2000")
        .set("queued.max.messages.kbytes", PREFETCH_KIB);
    config
}

/// An idempotent producer that reports a record as written only when all in-sync replicas have
/// it. `timeout` is how long a record may wait for that; `None` is without end.
pub(crate) fn producer(kafka: &KafkaSettings, timeout: Option<Duration>) -> ClientConfig {
    let mut config = base(kafka);
    let timeout_ms = timeout.map_or(0, |timeout| timeout.as_millis());
    config
        .set("acks", "all")
        .set("enable.idempotence", "true")
        .set("partitioner", "murmur2_random")
        .set("linger.ms", "2")
        .set("message.timeout.ms", timeout_ms.to_string())
        // A topic's `max.message.bytes` judges whole batches. A batch takes records until this
        // size is passed, and its first one whatever its size; every topic has room for more.
        .set("batch.size", kafka.max_body.clamp(16 << 10, 1_000_000).to_string())
        .set("message.max.bytes", (kafka.max_body + (256 << 10)).to_string())
        .set("queue.buffering.max.messages", "0")
        .set("queue.buffering.max.kbytes", (kafka.produce_buffer >> 10).max(1_024).to_string());
    config
}

#[cfg(test)]
mod tests {
    use settings::Environment;

    use super::*;

    #[test]
    fn the_defaults_that_lose_data_are_all_turned_off() {
        let kafka = KafkaSettings::from_environment(&Environment::from_pairs([]).unwrap()).unwrap();
        let consumer = consumer(&kafka, "g");
        assert_eq!(consumer.get("enable.auto.commit"), Some("false"));
        assert_eq!(consumer.get("enable.auto.offset.store"), Some("false"));
        assert_eq!(consumer.get("auto.offset.reset"), Some("error"));
        let producer = producer(&kafka, None);
        assert_eq!(producer.get("acks"), Some("all"));
        assert_eq!(producer.get("enable.idempotence"), Some("true"));
        assert_eq!(producer.get("partitioner"), Some("murmur2_random"));
        assert_eq!(producer.get("message.timeout.ms"), Some("0"));
    }
}
