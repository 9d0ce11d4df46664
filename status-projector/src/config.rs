//! What of the projector can be set.

use std::time::Duration;

use database::DatabaseSettings;
use kafka_loop::KafkaSettings;
use settings::{Environment, SettingError};

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
        })
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
            ("DATABASE_URL", "nowhere"),
        ] {
            let said = read(name, value).unwrap_err().to_string();
            assert!(said.starts_with(name), "{said}");
        }
    }
}
