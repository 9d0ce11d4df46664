//! How the health of a subscription looks in an answer. Every field is there, in this order.

use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::health_store::Health;
use crate::latency_histogram::Quantiles;
use crate::v1::timestamp::optional_micros;

/// How well a subscription's receiver does.
// The fields stand in the contract's order.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = v1::Health)]
pub(crate) struct HealthShape {
    subscription_id: Uuid,
    target_url: String,
    #[schema(required)]
    description: Option<String>,
    /// `active` or `paused`.
    status: &'static str,
    #[schema(required)]
    paused_reason: Option<String>,
    /// Back to the beginning of the five minutes in which the window begins.
    window_seconds: u64,
    /// Calls in the window.
    attempts: i64,
    succeeded: i64,
    /// From 0 to 1; null without a call.
    #[schema(required)]
    success_rate: Option<f64>,
    /// Of the latest 1,000 calls in the window; null without a call.
    #[schema(required)]
    latency_ms: Option<LatencyShape>,
    /// Whether the last three calls have failed, or all calls in the window.
    failing: bool,
    /// Since the last success, also before the window.
    consecutive_failures: i64,
    #[serde(serialize_with = "optional_micros")]
    #[schema(required)]
    failing_since: Option<Timestamp>,
    #[serde(serialize_with = "optional_micros")]
    #[schema(required)]
    last_attempt_at: Option<Timestamp>,
    #[serde(serialize_with = "optional_micros")]
    #[schema(required)]
    last_success_at: Option<Timestamp>,
    /// Of the last call; null if it has succeeded.
    #[schema(required)]
    last_error: Option<String>,
    #[schema(required)]
    last_http_status: Option<i32>,
    /// `closed` or `open`, as far as the latest outcomes tell, or else `unknown`.
    breaker: String,
    /// Deliveries that have not ended.
    backlog: i64,
    #[serde(serialize_with = "optional_micros")]
    #[schema(required)]
    oldest_undelivered_at: Option<Timestamp>,
    /// Given up with a call in the window.
    dead_lettered: i64,
}

/// How long calls took.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, ToSchema)]
#[schema(as = v1::Latency)]
pub(crate) struct LatencyShape {
    p50: f64,
    p95: f64,
    p99: f64,
}

impl From<Quantiles> for LatencyShape {
    fn from(Quantiles { p50, p95, p99 }: Quantiles) -> Self {
        Self { p50: rounded(p50), p95: rounded(p95), p99: rounded(p99) }
    }
}

/// To whole microseconds.
pub(crate) fn rounded(millis: f64) -> f64 {
    (millis * 1_000.0).round() / 1_000.0
}

impl HealthShape {
    pub(crate) fn new(health: Health, window: Duration) -> Self {
        let quantiles = (health.latency_p50_ms, health.latency_p95_ms, health.latency_p99_ms);
        let latency_ms = match quantiles {
            (Some(p50), Some(p95), Some(p99)) => Some(Quantiles { p50, p95, p99 }.into()),
            _ => None,
        };
        let status = if health.paused_reason.is_some() { "paused" } else { "active" };
        Self {
            subscription_id: health.subscription_id,
            target_url: health.target_url,
            description: health.description,
            status,
            paused_reason: health.paused_reason,
            window_seconds: window.as_secs(),
            attempts: health.attempts,
            succeeded: health.succeeded,
            success_rate: health.success_rate,
            latency_ms,
            failing: health.failing,
            consecutive_failures: health.consecutive_failures,
            failing_since: health.failing_since,
            last_attempt_at: health.last_attempt_at,
            last_success_at: health.last_success_at,
            last_error: health.last_error,
            last_http_status: health.last_http_status,
            breaker: health.breaker,
            backlog: health.backlog,
            oldest_undelivered_at: health.oldest_undelivered_at,
            dead_lettered: health.dead_lettered,
        }
    }
}
