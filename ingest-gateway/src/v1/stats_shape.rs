//! How the numbers of the installation look in an answer. Every field is there, in this order.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

use crate::latency_histogram::LatencyHistogram;
use crate::stats_store::{FailureReason, Span, Stats, Step};
use crate::v1::health_shape::{HealthShape, LatencyShape, rounded};
use crate::v1::timestamp::{micros, optional_micros};

/// The numbers of the whole installation over a stretch of time.
// The fields stand in the contract's order.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = v1::Stats)]
pub(crate) struct StatsShape {
    window_seconds: u64,
    /// The beginning of the first step.
    #[serde(serialize_with = "micros")]
    from: Timestamp,
    /// Now.
    #[serde(serialize_with = "micros")]
    to: Timestamp,
    totals: TotalsShape,
    /// Null without a call.
    #[schema(required)]
    latency_ms: Option<LatencyShape>,
    backlog: BacklogShape,
    /// Every step, oldest first.
    series: Vec<StepShape>,
    /// Failing subscriptions, worst first, at most 10.
    failing: Vec<HealthShape>,
    /// The most frequent first, at most 10.
    failure_reasons: Vec<ReasonShape>,
    projection: ProjectionShape,
}

/// Of the deliveries that were accepted since `from`, how many stand where now; and the calls
/// that were made.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = v1::StatsTotals)]
struct TotalsShape {
    accepted: i64,
    delivered: i64,
    retrying: i64,
    pending: i64,
    dead_lettered: i64,
    cancelled: i64,
    attempts: i64,
    succeeded_attempts: i64,
    /// Of the calls, from 0 to 1; null without a call.
    #[schema(required)]
    success_rate: Option<f64>,
}

/// What waits now.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = v1::StatsBacklog)]
struct BacklogShape {
    unfinished: i64,
    #[serde(serialize_with = "optional_micros")]
    #[schema(required)]
    oldest_undelivered_at: Option<Timestamp>,
    /// When it is due; each counts once.
    by_due: Vec<DueShape>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = v1::StatsDue)]
struct DueShape {
    /// `1m`, `10m`, `1h`, `24h` or `later`.
    within: &'static str,
    count: i64,
}

/// What happened in one step.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = v1::StatsStep)]
struct StepShape {
    /// Its beginning.
    #[serde(serialize_with = "micros")]
    at: Timestamp,
    accepted: i64,
    /// Calls that succeeded.
    delivered: i64,
    attempts: i64,
    failed_attempts: i64,
    #[schema(required)]
    p95_ms: Option<f64>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = v1::FailureReason)]
struct ReasonShape {
    /// An error kind, or `http_` and the status.
    reason: String,
    count: i64,
    subscriptions: i64,
    #[serde(serialize_with = "micros")]
    last_at: Timestamp,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = v1::StatsProjection)]
struct ProjectionShape {
    /// So far, at least, are these numbers behind; null if that is not known.
    #[schema(required)]
    lag_seconds: Option<f64>,
}

impl StatsShape {
    pub(crate) fn new(
        stats: &Stats,
        window: Duration,
        span: Span,
        lag: Option<Duration>,
        now: Timestamp,
    ) -> Self {
        let mut all = Step::default();
        let mut latencies = LatencyHistogram::default();
        for step in stats.steps.values() {
            all.accepted += step.accepted;
            all.attempts += step.attempts;
            all.succeeded += step.succeeded;
            latencies.merge(&step.latencies);
        }
        let failing = stats.failing.iter().cloned();
        Self {
            window_seconds: window.as_secs(),
            from: span.from,
            to: now,
            totals: totals(stats, &all),
            latency_ms: latencies.quantiles().map(LatencyShape::from),
            backlog: BacklogShape {
                unfinished: stats.backlog.unfinished,
                oldest_undelivered_at: stats.backlog.oldest_undelivered_at,
                by_due: ["1m", "10m", "1h", "24h", "later"]
                    .into_iter()
                    .zip(stats.backlog.by_due)
                    .map(|(within, count)| DueShape { within, count })
                    .collect(),
            },
            series: series(stats, span),
            failing: failing.map(|health| HealthShape::new(health, span.health_window)).collect(),
            failure_reasons: stats.reasons.iter().map(ReasonShape::from).collect(),
            projection: ProjectionShape { lag_seconds: lag.map(|lag| lag.as_secs_f64()) },
        }
    }
}

impl From<&FailureReason> for ReasonShape {
    fn from(reason: &FailureReason) -> Self {
        Self {
            reason: reason.reason.clone(),
            count: reason.count,
            subscriptions: reason.subscriptions,
            last_at: reason.last_at,
        }
    }
}

fn totals(stats: &Stats, all: &Step) -> TotalsShape {
    let of = |state: &str| stats.undelivered.get(state).copied().unwrap_or_default();
    let undelivered: i64 = stats.undelivered.values().sum();
    let rate = all.succeeded as f64 / all.attempts as f64;
    TotalsShape {
        accepted: all.accepted,
        delivered: (all.accepted - undelivered).max(0),
        retrying: of("retrying"),
        pending: of("pending"),
        dead_lettered: of("dead_lettered"),
        cancelled: of("cancelled"),
        attempts: all.attempts,
        succeeded_attempts: all.succeeded,
        success_rate: (all.attempts > 0).then_some(rate),
    }
}

/// Every step, also those in which nothing happened.
fn series(stats: &Stats, span: Span) -> Vec<StepShape> {
    let (nothing, mut series, mut at) = (Step::default(), Vec::new(), span.from);
    while at < span.to {
        let step = stats.steps.get(&at).unwrap_or(&nothing);
        series.push(StepShape {
            at,
            accepted: step.accepted,
            delivered: step.succeeded,
            attempts: step.attempts,
            failed_attempts: step.attempts - step.succeeded,
            p95_ms: step.latencies.quantile(0.95).map(rounded),
        });
        let next =
            SignedDuration::try_from(span.step).ok().and_then(|step| at.checked_add(step).ok());
        let Some(next) = next else { break };
        at = next;
    }
    series
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn every_step_is_there_and_the_totals_are_their_sum() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let span = Span {
            from: at("2026-03-04T05:00:00Z"),
            to: at("2026-03-04T05:03:00Z"),
            step: Duration::from_mins(1),
            health_window: Duration::from_mins(3),
        };
        let mut step = Step { accepted: 7, attempts: 4, succeeded: 3, ..Step::default() };
        step.latencies.add(20, 4);
        let mut stats = Stats::default();
        stats.steps.insert(at("2026-03-04T05:01:00Z"), step);
        stats.undelivered.insert("retrying".to_owned(), 2);
        stats.backlog.by_due = [1, 0, 1, 0, 0];
        let lag = Some(Duration::from_millis(250));
        let shape = StatsShape::new(&stats, Duration::from_mins(3), span, lag, span.to);
        let shown = serde_json::to_value(shape).unwrap();
        assert_eq!(
            shown["totals"],
            json!({
                "accepted": 7, "delivered": 5, "retrying": 2, "pending": 0, "dead_lettered": 0,
                "cancelled": 0, "attempts": 4, "succeeded_attempts": 3, "success_rate": 0.75,
            })
        );
        let series = shown["series"].as_array().unwrap();
        assert_eq!(series.len(), 3);
        assert_eq!(series[0]["p95_ms"], Value::Null);
        assert_eq!(
            series[1],
            json!({
                "at": "2026-03-04T05:01:00.000000Z", "accepted": 7, "delivered": 3, "attempts": 4,
                "failed_attempts": 1, "p95_ms": 1.423,
            })
        );
        assert_eq!(shown["backlog"]["by_due"][2], json!({"within": "1h", "count": 1}));
        assert_eq!(shown["projection"], json!({"lag_seconds": 0.25}));
    }
}
