//! Keeps the counts of calls up to date, by which health and throughput are told
//! (`roll_up` in `migrations/V5__views.sql`).
//!
//! Any number of gateways may do it: PostgreSQL lets one at a time count, and each call counts
//! once whatever crashes. While nobody does, the counts are old, and nothing is lost. Counts of
//! days whose tables are gone are let go as well.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::storage::{Storage, StorageError};

const ROLL_UP: &str = "SELECT roll_up($1, $2)";
/// A day's table says which day it is by its name (`create_delivery_partitions`).
const TRIM: &str = "\
    SELECT trim_rollups(min(to_date(substring(day.relname FROM '_y(.*)$'), 'YYYY\"m\"MM\"d\"DD') \
        ::timestamp AT TIME ZONE 'UTC')) \
    FROM pg_inherits JOIN pg_class AS day ON day.oid = inhrelid \
    WHERE inhparent = 'deliveries'::regclass";
/// Offsets that one statement counts, so that each takes a fraction of its time.
const BATCH: i64 = 10_000;
/// Between two rounds once everything is counted, and after PostgreSQL failed.
const REST: Duration = Duration::from_secs(1);
/// Between two looks for days that are gone.
const TRIM_EVERY: Duration = Duration::from_hours(1);

/// The task of this process.
#[derive(Debug)]
pub(crate) struct RollUp {
    storage: Storage,
    outcomes: String,
}

impl RollUp {
    /// `outcomes` is the topic's name.
    pub(crate) fn new(storage: Storage, outcomes: String) -> Self {
        Self { storage, outcomes }
    }

    /// Counts until `stop` is cancelled, however often PostgreSQL goes away.
    ///
    /// # Errors
    /// None: the result is that of every part of the gateway.
    pub(crate) async fn run(self, stop: CancellationToken) -> anyhow::Result<()> {
        let (mut is_failing, mut trimmed_at) = (false, None);
        loop {
            let round = self.round(&mut trimmed_at);
            let Some(counted) = stop.run_until_cancelled(round).await else { return Ok(()) };
            let is_more = counted.as_ref().is_ok_and(|is_more| *is_more);
            match counted {
                Ok(_) => is_failing = false,
                Err(error) => {
                    if !is_failing {
                        let error = format!("{:#}", anyhow::Error::new(error));
                        tracing::warn!(error, "the counts of calls are not kept up to date");
                    }
                    is_failing = true;
                }
            }
            if !is_more && stop.run_until_cancelled(sleep(REST)).await.is_none() {
                return Ok(());
            }
        }
    }

    /// Counts some; true if there is more.
    async fn round(&self, trimmed_at: &mut Option<Instant>) -> Result<bool, StorageError> {
        if trimmed_at.is_none_or(|at| at.elapsed() >= TRIM_EVERY) {
            self.storage.query(TRIM, &[]).await?;
            *trimmed_at = Some(Instant::now());
        }
        let rows = self.storage.query(ROLL_UP, &[&self.outcomes, &BATCH]).await?;
        Ok(rows.first().ok_or(StorageError::NoRow)?.try_get(0)?)
    }
}
