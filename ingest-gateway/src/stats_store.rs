//! The numbers of the whole installation over a stretch of time. Reads only, and mostly the
//! counts beside the projection (`migrations/V5__views.sql`), not its rows.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use crate::health_store::{self, Health, Which};
use crate::latency_histogram::LatencyHistogram;
use crate::storage::{Reading, Storage, StorageError};

/// How long each statement may take.
const BOUND: Duration = Duration::from_secs(2);
/// Subscriptions and reasons of failures that are told.
const MOST: i64 = 10;

/// Which stretch of time, in which steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    /// A multiple of the step since 1970.
    pub from: Timestamp,
    /// Exclusive.
    pub to: Timestamp,
    pub step: Duration,
    /// How far back health and failures look.
    pub health_window: Duration,
}

/// Everything that is told.
#[derive(Debug, Default)]
pub(crate) struct Stats {
    /// By the beginning of each step in which there was something.
    pub steps: BTreeMap<Timestamp, Step>,
    /// How many of what was accepted in the span are in each state that is not `delivered`.
    pub undelivered: BTreeMap<String, i64>,
    pub backlog: Backlog,
    /// Worst first.
    pub failing: Vec<Health>,
    /// The most frequent first.
    pub reasons: Vec<FailureReason>,
}

/// What happened in one step.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Step {
    pub accepted: i64,
    pub attempts: i64,
    pub succeeded: i64,
    pub latencies: LatencyHistogram,
}

/// What waits now.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Backlog {
    pub unfinished: i64,
    pub oldest_undelivered_at: Option<Timestamp>,
    /// Due within a minute, ten minutes, an hour, a day, and later.
    pub by_due: [i64; 5],
}

/// One way in which calls have failed.
#[derive(Debug, PartialEq)]
pub(crate) struct FailureReason {
    pub reason: String,
    pub count: i64,
    pub subscriptions: i64,
    pub last_at: Timestamp,
}

const CALLS: &str = "\
    SELECT date_bin($3::text::interval, minute, 'epoch') AS at, latency_class, \
        sum(attempts)::bigint AS attempts, \
        sum(succeeded)::bigint AS succeeded \
    FROM attempt_minutes WHERE minute >= $1 AND minute < $2 GROUP BY at, latency_class";
const ACCEPTED: &str = "\
    SELECT date_bin($3::text::interval, minute, 'epoch') AS at, sum(accepted)::bigint AS accepted \
    FROM delivery_minutes WHERE minute >= $1 AND minute < $2 GROUP BY at";
const UNDELIVERED: &str = "\
    SELECT state, count(*) FROM deliveries \
    WHERE state <> 'delivered' AND accepted_at >= $1 AND accepted_at < $2 GROUP BY state";
/// What has no time for its next call is about to be called.
const BACKLOG: &str = "\
    SELECT count(*) AS unfinished, min(accepted_at) AS oldest, \
        count(*) FILTER (WHERE due <= interval '1 minute') AS in_1m, \
        count(*) FILTER (WHERE due > interval '1 minute' AND due <= interval '10 minutes') AS in_10m, \
        count(*) FILTER (WHERE due > interval '10 minutes' AND due <= interval '1 hour') AS in_1h, \
        count(*) FILTER (WHERE due > interval '1 hour' AND due <= interval '1 day') AS in_24h, \
        count(*) FILTER (WHERE due > interval '1 day') AS later \
    FROM (SELECT accepted_at, COALESCE(next_attempt_at, now()) - now() AS due \
        FROM deliveries WHERE state IN ('pending', 'retrying')) AS waiting";
const REASONS: &str = "\
    SELECT reason, failures, subscriptions, last_at FROM failure_reasons \
    ORDER BY failures DESC, reason LIMIT $1";

/// Reads them.
#[derive(Debug, Clone)]
pub(crate) struct StatsStore {
    storage: Storage,
}

impl StatsStore {
    pub(crate) fn new(storage: Storage) -> Self {
        Self { storage }
    }

    /// All of one moment.
    ///
    /// # Errors
    /// Postgres is away, or has too much to look through.
    pub(crate) async fn stats(&self, span: Span) -> Result<Stats, StorageError> {
        let reading = self.storage.reading(BOUND).await?;
        health_store::set_window(&reading, span.health_window).await?;
        let which = Which { only_failing: true, after: None };
        let stats = Stats {
            steps: steps(&reading, span).await?,
            undelivered: undelivered(&reading, span).await?,
            backlog: backlog(&reading).await?,
            failing: health_store::worst(&reading, which, MOST).await?,
            reasons: reasons(&reading).await?,
        };
        reading.end().await?;
        Ok(stats)
    }
}

async fn steps(reading: &Reading, span: Span) -> Result<BTreeMap<Timestamp, Step>, StorageError> {
    let mut steps: BTreeMap<Timestamp, Step> = BTreeMap::new();
    let width = format!("{} seconds", span.step.as_secs());
    for row in reading.query(CALLS, &[&span.from, &span.to, &width]).await? {
        let step = steps.entry(row.try_get("at")?).or_default();
        let attempts: i64 = row.try_get("attempts")?;
        step.attempts += attempts;
        step.succeeded += row.try_get::<_, i64>("succeeded")?;
        step.latencies.add(row.try_get("latency_class")?, attempts);
    }
    for row in reading.query(ACCEPTED, &[&span.from, &span.to, &width]).await? {
        steps.entry(row.try_get("at")?).or_default().accepted = row.try_get("accepted")?;
    }
    Ok(steps)
}

async fn undelivered(reading: &Reading, span: Span) -> Result<BTreeMap<String, i64>, StorageError> {
    let rows = reading.query(UNDELIVERED, &[&span.from, &span.to]).await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
}

async fn backlog(reading: &Reading) -> Result<Backlog, StorageError> {
    let rows = reading.query(BACKLOG, &[]).await?;
    let row = rows.first().ok_or(StorageError::NoRow)?;
    let mut by_due = [0; 5];
    for (count, name) in by_due.iter_mut().zip(["in_1m", "in_10m", "in_1h", "in_24h", "later"]) {
        *count = row.try_get(name)?;
    }
    Ok(Backlog {
        unfinished: row.try_get("unfinished")?,
        oldest_undelivered_at: row.try_get("oldest")?,
        by_due,
    })
}

async fn reasons(reading: &Reading) -> Result<Vec<FailureReason>, StorageError> {
    let rows = reading.query(REASONS, &[&MOST]).await?;
    let reason = |row: &tokio_postgres::Row| {
        Ok(FailureReason {
            reason: row.try_get("reason")?,
            count: row.try_get("failures")?,
            subscriptions: row.try_get("subscriptions")?,
            last_at: row.try_get("last_at")?,
        })
    };
    rows.iter().map(reason).collect()
}
