//! What of the retry scheduler can be set.

use std::time::Duration;

use kafka_loop::KafkaSettings;
use settings::{Environment, SettingError};

/// The retry scheduler's settings.
#[derive(Debug, Clone)]
pub struct Config {
    pub kafka: KafkaSettings,
    /// `HOOKLOG_RELEASE_RATE`: records per second and partition.
    pub release_rate: usize,
    /// `HOOKLOG_DRAIN_TIMEOUT`.
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
            release_rate: env.count("HOOKLOG_RELEASE_RATE")?,
            drain_timeout: env.duration("HOOKLOG_DRAIN_TIMEOUT")?,
        })
    }
}
