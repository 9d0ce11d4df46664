//! The health of subscriptions, as the view `subscription_health` tells it. Reads only.

use std::time::Duration;

use jiff::Timestamp;
use pipeline::ids::SubscriptionId;
use tokio_postgres::Row;
use uuid::Uuid;

use crate::storage::{Reading, Storage, StorageError};

/// How long one read may take.
const BOUND: Duration = Duration::from_secs(2);

/// How well a subscription's receiver does.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Health {
    pub subscription_id: Uuid,
    pub target_url: String,
    pub description: Option<String>,
    pub paused_reason: Option<String>,
    pub attempts: i64,
    pub succeeded: i64,
    pub success_rate: Option<f64>,
    pub latency_p50_ms: Option<f64>,
    pub latency_p95_ms: Option<f64>,
    pub latency_p99_ms: Option<f64>,
    pub failing: bool,
    pub consecutive_failures: i64,
    pub failing_since: Option<Timestamp>,
    pub last_attempt_at: Option<Timestamp>,
    pub last_success_at: Option<Timestamp>,
    pub last_http_status: Option<i32>,
    pub last_error: Option<String>,
    pub breaker: String,
    pub backlog: i64,
    pub oldest_undelivered_at: Option<Timestamp>,
    pub dead_lettered: i64,
    /// By which the worst come first: a higher one is worse.
    pub severity: i64,
}

/// Which subscriptions, worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Which {
    pub only_failing: bool,
    /// Only what comes behind this severity and id.
    pub after: Option<(i64, Uuid)>,
}

/// Failing ones first, then those whose work has waited for five minutes or more, and among
/// each the one with the larger share of failed calls.
macro_rules! rated {
    () => {
        "SELECT health.*, \
             CASE WHEN failing THEN 4000000 \
                 WHEN oldest_undelivered_at < now() - interval '5 minutes' THEN 2000000 \
                 ELSE 0 END \
             + round(1000000 * (1 - COALESCE(success_rate, 1)))::bigint AS severity \
         FROM subscription_health AS health"
    };
}

const PAGE: &str = concat!(
    "SELECT * FROM (",
    rated!(),
    ") AS rated WHERE (failing OR NOT $1) AND ($2::bigint IS NULL \
         OR severity < $2 OR severity = $2 AND subscription_id > $3) \
     ORDER BY severity DESC, subscription_id LIMIT $4"
);
const ONE: &str = concat!(rated!(), " WHERE subscription_id = $1");
const SET_WINDOW: &str = "SELECT set_config('hooklog.health_window', $1, true)";

/// Reads health.
#[derive(Debug, Clone)]
pub(crate) struct HealthStore {
    storage: Storage,
}

impl HealthStore {
    pub(crate) fn new(storage: Storage) -> Self {
        Self { storage }
    }

    /// The worst ones in the window, at most `limit`.
    ///
    /// # Errors
    /// Postgres is away, or has too much to look through.
    pub(crate) async fn worst(
        &self,
        window: Duration,
        which: Which,
        limit: i64,
    ) -> Result<Vec<Health>, StorageError> {
        let reading = self.storage.reading(BOUND).await?;
        set_window(&reading, window).await?;
        let found = worst(&reading, which, limit).await?;
        reading.end().await?;
        Ok(found)
    }

    /// One that is not deleted.
    ///
    /// # Errors
    /// Postgres is away.
    pub(crate) async fn of(
        &self,
        id: SubscriptionId,
        window: Duration,
    ) -> Result<Option<Health>, StorageError> {
        let reading = self.storage.reading(BOUND).await?;
        set_window(&reading, window).await?;
        let rows = reading.query(ONE, &[&id.uuid()]).await?;
        reading.end().await?;
        Ok(rows.first().map(health).transpose()?)
    }
}

/// How far back `subscription_health` and `failure_reasons` look for the rest of the transaction.
pub(crate) async fn set_window(reading: &Reading, window: Duration) -> Result<(), StorageError> {
    let text = format!("{} seconds", window.as_secs());
    reading.query(SET_WINDOW, &[&text]).await?;
    Ok(())
}

/// The worst ones in the transaction's window.
pub(crate) async fn worst(
    reading: &Reading,
    which: Which,
    limit: i64,
) -> Result<Vec<Health>, StorageError> {
    let (severity, id) = which.after.unzip();
    let rows = reading.query(PAGE, &[&which.only_failing, &severity, &id, &limit]).await?;
    Ok(rows.iter().map(health).collect::<Result<_, _>>()?)
}

fn health(row: &Row) -> Result<Health, tokio_postgres::Error> {
    Ok(Health {
        subscription_id: row.try_get("subscription_id")?,
        target_url: row.try_get("target_url")?,
        description: row.try_get("description")?,
        paused_reason: row.try_get("paused_reason")?,
        attempts: row.try_get("attempts")?,
        succeeded: row.try_get("succeeded")?,
        success_rate: row.try_get("success_rate")?,
        latency_p50_ms: row.try_get("latency_p50_ms")?,
        latency_p95_ms: row.try_get("latency_p95_ms")?,
        latency_p99_ms: row.try_get("latency_p99_ms")?,
        failing: row.try_get("failing")?,
        consecutive_failures: row.try_get("consecutive_failures")?,
        failing_since: row.try_get("failing_since")?,
        last_attempt_at: row.try_get("last_attempt_at")?,
        last_success_at: row.try_get("last_success_at")?,
        last_http_status: row.try_get("last_http_status")?,
        last_error: row.try_get("last_error")?,
        breaker: row.try_get("breaker")?,
        backlog: row.try_get("backlog")?,
        oldest_undelivered_at: row.try_get("oldest_undelivered_at")?,
        dead_lettered: row.try_get("dead_lettered")?,
        severity: row.try_get("severity")?,
    })
}
