//! How to reach Kafka, and what its topics are like.

use std::time::Duration;

use ::settings::{Environment, SettingError};
use pipeline::tier::Tiers;
use pipeline::topics::Topics;

/// How strictly topics are judged at start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// One broker will do; what production would refuse is said in the log.
    Development,
    /// Refuses whatever could lose an accepted event.
    Strict,
}

/// What every role needs to know of Kafka.
#[derive(Debug, Clone)]
pub struct KafkaSettings {
    /// `HOOKLOG_KAFKA_BROKERS`.
    pub brokers: String,
    /// `HOOKLOG_TOPIC_PREFIX` and `HOOKLOG_RETRY_TIERS`.
    pub topics: Topics,
    /// `HOOKLOG_PARTITIONS`.
    pub partitions: i32,
    /// `HOOKLOG_REPLICATION_FACTOR`.
    pub replication_factor: i32,
    /// `HOOKLOG_PROFILE`.
    pub profile: Profile,
    /// `HOOKLOG_MAX_BODY`, in bytes: what a record must be able to carry.
    pub max_body: usize,
    /// `HOOKLOG_PRODUCE_BUFFER`, in bytes.
    pub produce_buffer: usize,
}

/// The longest that a single request to a broker may take.
pub(crate) const BROKER_TIMEOUT: Duration = Duration::from_secs(5);

impl KafkaSettings {
    /// Reads the settings.
    ///
    /// # Errors
    /// The first one that cannot be used.
    pub fn from_environment(env: &Environment) -> Result<Self, SettingError> {
        let brokers = env.list("HOOKLOG_KAFKA_BROKERS").join(",");
        if brokers.is_empty() || !env.list("HOOKLOG_KAFKA_BROKERS").iter().all(|b| has_port(b)) {
            return Err(env.invalid("HOOKLOG_KAFKA_BROKERS", "host:port, comma separated"));
        }
        let prefix = env.text("HOOKLOG_TOPIC_PREFIX");
        if !is_topic_name(prefix) {
            return Err(
                env.invalid("HOOKLOG_TOPIC_PREFIX", "1 to 100 of the characters a-z A-Z 0-9 . _ -")
            );
        }
        let tiers = Tiers::new(env.durations("HOOKLOG_RETRY_TIERS")?).map_err(|_| {
            env.invalid("HOOKLOG_RETRY_TIERS", "durations of at least 250ms in whole milliseconds")
        })?;
        let profile = match env.text("HOOKLOG_PROFILE") {
            "development" => Profile::Development,
            "strict" => Profile::Strict,
            _ => return Err(env.invalid("HOOKLOG_PROFILE", "development or strict")),
        };
        Ok(Self {
            brokers,
            topics: Topics::new(prefix, tiers),
            partitions: small(env, "HOOKLOG_PARTITIONS", "a number from 1 to 10000")?,
            replication_factor: small(
                env,
                "HOOKLOG_REPLICATION_FACTOR",
                "a number from 1 to 10000",
            )?,
            profile,
            max_body: env.bytes("HOOKLOG_MAX_BODY")?,
            produce_buffer: env.bytes("HOOKLOG_PRODUCE_BUFFER")?,
        })
    }
}

fn has_port(broker: &str) -> bool {
    broker
        .rsplit_once(':')
        .is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok())
}

/// What Kafka takes in a topic's name, with room for the longest name of ours.
fn is_topic_name(prefix: &str) -> bool {
    (1..=100).contains(&prefix.len())
        && prefix.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
}

fn small(
    env: &Environment,
    name: &'static str,
    expected: &'static str,
) -> Result<i32, SettingError> {
    let number: i32 = env.parsed(name, expected)?;
    if (1..=10_000).contains(&number) { Ok(number) } else { Err(env.invalid(name, expected)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str, value: &str) -> Result<KafkaSettings, SettingError> {
        KafkaSettings::from_environment(
            &Environment::from_pairs([(name.to_owned(), value.to_owned())]).unwrap(),
        )
    }

    #[test]
    fn the_defaults_are_usable_and_bad_values_are_named() {
        assert!(read("PATH", "").is_ok());
        for (name, value) in [
            ("HOOKLOG_KAFKA_BROKERS", ""),
            ("HOOKLOG_KAFKA_BROKERS", "localhost"),
            ("HOOKLOG_TOPIC_PREFIX", "a b"),
            ("HOOKLOG_RETRY_TIERS", "1ms"),
            ("HOOKLOG_PROFILE", "prod"),
            ("HOOKLOG_PARTITIONS", "0"),
            ("HOOKLOG_REPLICATION_FACTOR", "-1"),
        ] {
            let said = read(name, value).unwrap_err().to_string();
            assert!(said.starts_with(name), "{said}");
        }
    }
}
