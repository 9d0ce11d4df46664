//! What of the delivery consumer can be set.

use std::sync::Arc;
use std::time::Duration;

use egress::EgressPolicy;
use kafka_loop::KafkaSettings;
use pipeline::retry_policy::RetryPolicy;
use settings::{Environment, SettingError};

use crate::lanes::{Bounds, BreakerRules};

/// The delivery consumer's settings.
#[derive(Clone)]
pub struct Config {
    pub kafka: KafkaSettings,
    /// What may be called: the `HOOKLOG_EGRESS_` settings.
    pub egress: Arc<EgressPolicy>,
    /// Retries of subscriptions that have no policy of their own: `CELERY_MAX_RETRIES`,
    /// `CELERY_BASE_RETRY_DELAY_SECONDS`, `RETRY_FACTOR`, `MAX_RETRY_DELAY_SECONDS`.
    pub retry_policy: RetryPolicy,
    /// `WEBHOOK_DELIVERY_TIMEOUT_SECONDS`: one call, connect to last byte.
    pub call_timeout: Duration,
    /// `HOOKLOG_MAX_DELIVERY_AGE`.
    pub max_delivery_age: Duration,
    /// How much the lanes may hold: `HOOKLOG_MAX_IN_FLIGHT`, `HOOKLOG_LANE_IN_FLIGHT`,
    /// `HOOKLOG_MAX_QUEUED`, `HOOKLOG_LANE_QUEUED` (bytes), `HOOKLOG_MAX_HOLD`, and the
    /// `HOOKLOG_BREAKER_` settings.
    pub lanes: Bounds,
    /// `HOOKLOG_DRAIN_TIMEOUT`.
    pub drain_timeout: Duration,
}

impl Config {
    /// Reads the settings.
    ///
    /// # Errors
    /// The first one that cannot be used.
    pub fn from_environment(env: &Environment) -> Result<Self, SettingError> {
        let listen = env.parsed("HOOKLOG_LISTEN", "a socket address such as 127.0.0.1:8000")?;
        let ops = env.parsed("HOOKLOG_OPS_LISTEN", "a socket address such as 127.0.0.1:8001")?;
        let call_timeout = env.seconds("WEBHOOK_DELIVERY_TIMEOUT_SECONDS")?;
        if call_timeout.is_zero() {
            return Err(env.invalid("WEBHOOK_DELIVERY_TIMEOUT_SECONDS", "more than 0 seconds"));
        }
        Ok(Self {
            kafka: KafkaSettings::from_environment(env)?,
            egress: Arc::new(EgressPolicy::from_settings(env, vec![listen, ops])?),
            retry_policy: retry_policy(env)?,
            call_timeout,
            max_delivery_age: env.duration("HOOKLOG_MAX_DELIVERY_AGE")?,
            lanes: lane_bounds(env)?,
            drain_timeout: env.duration("HOOKLOG_DRAIN_TIMEOUT")?,
        })
    }
}

/// Pieces of work that the lanes of one process queue at most, whatever their size. Measured, a
/// small one costs about 5 KB of the process's memory (`./dev bench waiting`).
const MOST_QUEUED: usize = 30_000;

fn lane_bounds(env: &Environment) -> Result<Bounds, SettingError> {
    Ok(Bounds {
        in_flight: env.count("HOOKLOG_MAX_IN_FLIGHT")?,
        lane_in_flight: env.count("HOOKLOG_LANE_IN_FLIGHT")?,
        bytes: env.bytes("HOOKLOG_MAX_QUEUED")?,
        lane_bytes: env.bytes("HOOKLOG_LANE_QUEUED")?,
        queued: MOST_QUEUED,
        max_hold: env.duration("HOOKLOG_MAX_HOLD")?,
        breaker: BreakerRules {
            attempts: env.count("HOOKLOG_BREAKER_ATTEMPTS")? as u32,
            window: env.duration("HOOKLOG_BREAKER_WINDOW")?,
            unanswered: env.count("HOOKLOG_BREAKER_UNANSWERED")? as u32,
        },
    })
}

fn retry_policy(env: &Environment) -> Result<RetryPolicy, SettingError> {
    let policy = RetryPolicy::Exponential {
        base: env.seconds("CELERY_BASE_RETRY_DELAY_SECONDS")?,
        factor: env.parsed("RETRY_FACTOR", "a number of at least 1")?,
        longest: env.seconds("MAX_RETRY_DELAY_SECONDS")?,
        attempts: env.parsed("CELERY_MAX_RETRIES", "a whole number from 1 to 100")?,
    };
    policy.checked().map_err(|error| {
        use pipeline::retry_policy::RetryPolicyError;
        match error {
            RetryPolicyError::Attempts(_) => {
                env.invalid("CELERY_MAX_RETRIES", "a whole number from 1 to 100")
            }
            RetryPolicyError::Seconds(_) | RetryPolicyError::Delay(_) => {
                env.invalid("MAX_RETRY_DELAY_SECONDS", "at most 259200 seconds (72 h)")
            }
            RetryPolicyError::Factor(_) => env.invalid("RETRY_FACTOR", "a number of at least 1"),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Config, SettingError> {
        let pairs = pairs.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned()));
        Config::from_environment(&Environment::from_pairs(pairs).unwrap())
    }

    #[test]
    fn the_older_services_variables_make_the_retry_policy() {
        let config = read(&[("MAX_RETRIES", "3"), ("RETRY_BASE_DELAY_SECONDS", "0.5")]).unwrap();
        let expected = RetryPolicy::Exponential {
            base: Duration::from_millis(500),
            factor: 3.0,
            longest: Duration::from_secs(900),
            attempts: 3,
        };
        assert_eq!(config.retry_policy, expected);
    }

    #[test]
    fn a_policy_without_bounds_is_refused_by_name() {
        for (name, value) in [
            ("CELERY_MAX_RETRIES", "0"),
            ("RETRY_FACTOR", "0.5"),
            ("MAX_RETRY_DELAY_SECONDS", "300000"),
            ("WEBHOOK_DELIVERY_TIMEOUT_SECONDS", "0"),
        ] {
            let Err(error) = read(&[(name, value)]) else { panic!("{name}={value} was taken") };
            assert!(error.to_string().starts_with(name), "{error}");
        }
    }
}
