//! What of the projector can be set.

use std::time::Duration;

use database::DatabaseSettings;
use kafka_loop::KafkaSettings;
use settings::{Environment, SettingError};

/// Days further back have no tables, see [`crate::reading`].
const MOST_RETENTION_HOURS: u32 = 9_600;

/// The status projector's settings.
#[derive(Debug, Clone)]
pub struct Config {
    pub kafka: KafkaSettings,
    pub database: DatabaseSettings,
    /// `HOOKLOG_PROJECTION_BATCH`: records that one transaction takes at most.
    pub batch_records: usize,
    /// `HOOKLOG_PROJECTION_LINGER`: how long a batch is gathered.
    pub linger: Duration,
    /// `HOOKLOG_DRAIN_TIMEOUT`: what a write under way gets after a shutdown was asked for.
    pub drain_timeout: Duration,
    /// `LOG_RETENTION_HOURS`: days that are wholly older are dropped.
    pub retention: Duration,
    pub janitor: JanitorConfig,
}

/// How the work topics are trimmed.
#[derive(Debug, Clone)]
pub struct JanitorConfig {
    /// `HOOKLOG_JANITOR_INTERVAL`: between two rounds. A record goes at the second round that
    /// finds it read at the earliest.
    pub interval: Duration,
    /// `HOOKLOG_WORK_RETENTION`: how long records stay that everybody has read, except those of
    /// retries and spills.
    pub retention: Duration,
    /// `HOOKLOG_WORK_LIMIT`: records of one topic that stay for their age at most.
    pub limit: Option<i64>,
}

impl JanitorConfig {
    fn from_environment(env: &Environment) -> Result<Self, SettingError> {
        let limit = match env.text("HOOKLOG_WORK_LIMIT") {
            "" => None,
            _ => Some(i64::try_from(env.count("HOOKLOG_WORK_LIMIT")?).unwrap_or(i64::MAX)),
        };
        let interval = env.duration("HOOKLOG_JANITOR_INTERVAL")?;
        if interval < Duration::from_millis(100) {
            return Err(env.invalid("HOOKLOG_JANITOR_INTERVAL", "a duration of at least 100ms"));
        }
        Ok(Self { interval, retention: env.duration("HOOKLOG_WORK_RETENTION")?, limit })
    }
}

impl Config {
    /// Reads the settings.
    ///
    /// # Errors
    /// The first one that cannot be used.
    pub fn from_environment(env: &Environment) -> Result<Self, SettingError> {
        Ok(Self {
            kafka: KafkaSettings::from_environment(env)?,
            database: DatabaseSettings::from_environment(env)?,
            batch_records: env.count("HOOKLOG_PROJECTION_BATCH")?,
            linger: env.duration("HOOKLOG_PROJECTION_LINGER")?,
            drain_timeout: env.duration("HOOKLOG_DRAIN_TIMEOUT")?,
            retention: retention(env)?,
            janitor: JanitorConfig::from_environment(env)?,
        })
    }
}

/// No longer than days are made for.
fn retention(env: &Environment) -> Result<Duration, SettingError> {
    let hours = u32::try_from(env.count("LOG_RETENTION_HOURS")?).ok();
    match hours.filter(|hours| *hours <= MOST_RETENTION_HOURS) {
        Some(hours) => Ok(Duration::from_secs(u64::from(hours) * 3_600)),
        None => Err(env.invalid("LOG_RETENTION_HOURS", "hours from 1 to 9600")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_usable_and_a_bad_value_is_named() {
        let read = |name: &str, value: &str| {
            let env = Environment::from_pairs([(name.to_owned(), value.to_owned())]).unwrap();
            Config::from_environment(&env)
        };
        assert!(read("PATH", "").is_ok());
        for (name, value) in [
            ("HOOKLOG_PROJECTION_BATCH", "0"),
            ("HOOKLOG_PROJECTION_LINGER", "100"),
            ("LOG_RETENTION_HOURS", "0"),
            ("LOG_RETENTION_HOURS", "9601"),
            ("HOOKLOG_JANITOR_INTERVAL", "0s"),
            ("HOOKLOG_WORK_RETENTION", "7"),
            ("HOOKLOG_WORK_LIMIT", "0"),
            ("HOOKLOG_WORK_LIMIT", "10GiB"),
            ("DATABASE_URL", "nowhere"),
        ] {
            let said = read(name, value).unwrap_err().to_string();
            assert!(said.starts_with(name), "{said}");
        }
    }
}
