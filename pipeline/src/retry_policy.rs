//! When a failed delivery is tried again, and when it is given up.
//!
//! What a bad policy can cost at most: [`MOST_ATTEMPTS`] calls, each [`LONGEST_DELAY`] apart,
//! and never beyond the maximum delivery age, which the consumer checks.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::ids::DeliveryId;

/// No policy makes more calls than this for one delivery.
pub const MOST_ATTEMPTS: u32 = 100;

/// No policy waits longer than this between two calls.
pub const LONGEST_DELAY: Duration = Duration::from_secs(72 * 3_600);

/// How a failed delivery is retried. In JSON `{"schedule":[5,60]}` or
/// `{"exponential":{"base_seconds":10,"factor":3,"max_delay_seconds":900,"max_attempts":7}}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "WrittenPolicy", into = "WrittenPolicy")]
pub enum RetryPolicy {
    /// One delay after each failed attempt; one attempt more than there are delays.
    Schedule { delays: Vec<Duration> },
    /// `base * factor^n`, never over `longest`, until `attempts` calls were made.
    Exponential { base: Duration, factor: f64, longest: Duration, attempts: u32 },
}

/// A policy as JSON has it: durations in seconds, a fraction allowed.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum WrittenPolicy {
    Schedule(Vec<f64>),
    Exponential { base_seconds: f64, factor: f64, max_delay_seconds: f64, max_attempts: u32 },
}

impl TryFrom<WrittenPolicy> for RetryPolicy {
    type Error = RetryPolicyError;

    fn try_from(written: WrittenPolicy) -> Result<Self, RetryPolicyError> {
        match written {
            WrittenPolicy::Schedule(delays) => Self::Schedule {
                delays: delays.into_iter().map(seconds).collect::<Result<_, _>>()?,
            },
            WrittenPolicy::Exponential {
                base_seconds,
                factor,
                max_delay_seconds,
                max_attempts: attempts,
            } => Self::Exponential {
                base: seconds(base_seconds)?,
                factor,
                longest: seconds(max_delay_seconds)?,
                attempts,
            },
        }
        .checked()
    }
}

impl From<RetryPolicy> for WrittenPolicy {
    fn from(policy: RetryPolicy) -> Self {
        match policy {
            RetryPolicy::Schedule { delays } => {
                Self::Schedule(delays.iter().map(Duration::as_secs_f64).collect())
            }
            RetryPolicy::Exponential { base, factor, longest, attempts } => Self::Exponential {
                base_seconds: base.as_secs_f64(),
                factor,
                max_delay_seconds: longest.as_secs_f64(),
                max_attempts: attempts,
            },
        }
    }
}

fn seconds(number: f64) -> Result<Duration, RetryPolicyError> {
    Duration::try_from_secs_f64(number).map_err(|_| RetryPolicyError::Seconds(number))
}

/// Why a policy cannot be used.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum RetryPolicyError {
    #[error("a delivery needs 1 to {MOST_ATTEMPTS} attempts, not {0}")]
    Attempts(usize),
    #[error("a delay is a number of seconds that is not negative, not {0}")]
    Seconds(f64),
    #[error("a delay may be at most {LONGEST_DELAY:?}, not {0:?}")]
    Delay(Duration),
    #[error("a factor must be a number of at least 1, not {0}")]
    Factor(f64),
}

impl RetryPolicy {
    /// Checks the policy's bounds.
    ///
    /// # Errors
    /// The first bound that does not hold.
    pub fn checked(self) -> Result<Self, RetryPolicyError> {
        let (attempts, longest) = match &self {
            Self::Schedule { delays } => {
                (delays.len() + 1, delays.iter().max().copied().unwrap_or_default())
            }
            Self::Exponential { base, factor, longest, attempts } => {
                if !(factor.is_finite() && *factor >= 1.0) {
                    return Err(RetryPolicyError::Factor(*factor));
                }
                (*attempts as usize, (*base).max(*longest))
            }
        };
        if attempts == 0 || attempts > MOST_ATTEMPTS as usize {
            return Err(RetryPolicyError::Attempts(attempts));
        }
        if longest > LONGEST_DELAY {
            return Err(RetryPolicyError::Delay(longest));
        }
        Ok(self)
    }

    /// The delay after attempt number `attempt` (from 1) failed; `None` when it was the last.
    ///
    /// `retry_after` raises the delay to what the receiver asked for. Jitter of 0 to 10 % is on
    /// top and derives from the delivery and the attempt, so that two copies of one hop agree.
    pub fn delay_after(
        &self,
        attempt: u32,
        retry_after: Option<Duration>,
        delivery: DeliveryId,
    ) -> Option<Duration> {
        let planned = match self {
            Self::Schedule { delays } => *delays.get(attempt.checked_sub(1)? as usize)?,
            Self::Exponential { base, factor, longest, attempts } => {
                if attempt >= *attempts {
                    return None;
                }
                let grown = base.as_secs_f64() * factor.powi(attempt.saturating_sub(1) as i32);
                Duration::from_secs_f64(grown.min(longest.as_secs_f64()))
            }
        };
        let delay = planned.max(retry_after.unwrap_or_default());
        Some(delay + delay.mul_f64(jitter(delivery, attempt) / 10.0))
    }
}

/// A number in 0..1 that is fixed for a delivery and an attempt (SplitMix64's finalizer over
/// the id and the attempt).
fn jitter(delivery: DeliveryId, attempt: u32) -> f64 {
    let (high, low) = delivery.uuid().as_u64_pair();
    let mut x = high ^ low.rotate_left(32) ^ u64::from(attempt).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((x ^ (x >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    fn seeds() -> RetryPolicy {
        RetryPolicy::Exponential {
            base: Duration::from_secs(10),
            factor: 3.0,
            longest: Duration::from_secs(900),
            attempts: 7,
        }
    }

    #[test]
    fn the_default_delays_are_those_of_the_older_services_plus_at_most_a_tenth() {
        let delivery = DeliveryId::from_uuid(Uuid::from_u128(7));
        for (attempt, seconds) in [(1, 10), (2, 30), (3, 90), (4, 270), (5, 810), (6, 900)] {
            let planned = Duration::from_secs(seconds);
            let delay = seeds().delay_after(attempt, None, delivery).unwrap();
            assert!(delay >= planned && delay <= planned.mul_f64(1.1), "{attempt}: {delay:?}");
        }
        assert_eq!(seeds().delay_after(7, None, delivery), None);
        assert_eq!(seeds().delay_after(8, None, delivery), None);
    }

    #[test]
    fn a_policy_is_written_in_seconds_and_checked_when_it_is_read() {
        for (text, policy) in [
            (
                r#"{"schedule":[0.5,60.0]}"#,
                RetryPolicy::Schedule {
                    delays: vec![Duration::from_millis(500), Duration::from_secs(60)],
                },
            ),
            (
                r#"{"exponential":{"base_seconds":10.0,"factor":3.0,"max_delay_seconds":900.0,"max_attempts":7}}"#,
                seeds(),
            ),
        ] {
            assert_eq!(serde_json::to_string(&policy).unwrap(), text);
            assert_eq!(serde_json::from_str::<RetryPolicy>(text).unwrap(), policy);
        }
        for (text, said) in [
            (r#"{"schedule":[-1]}"#, "not negative"),
            (r#"{"schedule":[1e300]}"#, "not negative"),
            (r#"{"schedule":[259201]}"#, "at most"),
            (r#"{"linear":[1]}"#, "unknown variant"),
            (
                r#"{"exponential":{"base_seconds":1,"factor":0.5,"max_delay_seconds":1,"max_attempts":2}}"#,
                "factor",
            ),
        ] {
            let error = serde_json::from_str::<RetryPolicy>(text).unwrap_err().to_string();
            assert!(error.contains(said), "{text}: {error}");
        }
    }

    #[test]
    fn a_schedule_gives_up_after_its_last_delay() {
        let policy = RetryPolicy::Schedule { delays: vec![Duration::from_secs(1)] };
        let delivery = DeliveryId::from_uuid(Uuid::nil());
        assert!(policy.delay_after(1, None, delivery).is_some());
        assert_eq!(policy.delay_after(2, None, delivery), None);
    }

    #[test]
    fn unbounded_policies_are_refused() {
        let exponential = |factor, attempts| RetryPolicy::Exponential {
            base: Duration::from_secs(1),
            factor,
            longest: Duration::from_secs(2),
            attempts,
        };
        assert!(exponential(2.0, 100).checked().is_ok());
        assert_eq!(exponential(2.0, 0).checked(), Err(RetryPolicyError::Attempts(0)));
        assert_eq!(exponential(2.0, 101).checked(), Err(RetryPolicyError::Attempts(101)));
        assert_eq!(exponential(0.5, 2).checked(), Err(RetryPolicyError::Factor(0.5)));
        let week = Duration::from_secs(7 * 86_400);
        let schedule = RetryPolicy::Schedule { delays: vec![week] };
        assert_eq!(schedule.checked(), Err(RetryPolicyError::Delay(week)));
    }

    proptest! {
        #[test]
        fn two_copies_of_a_hop_agree_and_retry_after_is_never_undercut(
            id in any::<u128>(), attempt in 1_u32..7, asked in 0_u64..100_000,
        ) {
            let delivery = DeliveryId::from_uuid(Uuid::from_u128(id));
            let asked = Duration::from_secs(asked);
            let delay = seeds().delay_after(attempt, Some(asked), delivery);
            prop_assert_eq!(delay, seeds().delay_after(attempt, Some(asked), delivery));
            prop_assert!(delay.unwrap() >= asked);
        }
    }
}
