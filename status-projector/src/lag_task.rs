//! How far the projection is behind, looked at every few seconds.
//!
//! The whole installation's, whoever has the partitions: the offsets are PostgreSQL's, the ends
//! are the broker's.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Context;
use deadpool_postgres::Pool;
use jiff::Timestamp;
use kafka_loop::log_end::LogEnds;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

use crate::watched::ProjectionLag;

const EVERY: Duration = Duration::from_secs(5);
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(5);
const POSITIONS_SQL: &str = "SELECT topic, partition, next_offset FROM projector_offsets";

pub(crate) struct LagTask {
    pub pool: Pool,
    pub ends: LogEnds,
    /// The topics that are projected.
    pub topics: Vec<String>,
    pub lag: watch::Sender<ProjectionLag>,
}

type Offsets = BTreeMap<(String, i32), i64>;

impl LagTask {
    /// Looks until `shutdown` is cancelled. A look that fails changes nothing.
    pub async fn run(self, shutdown: &CancellationToken) {
        let mut looks = interval(EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while shutdown.run_until_cancelled(looks.tick()).await.is_some() {
            match shutdown.run_until_cancelled(self.look()).await {
                None => return,
                Some(Ok(lag)) => drop(self.lag.send_replace(lag)),
                Some(Err(error)) => {
                    tracing::debug!(error = format!("{error:#}"), "the lag is not known");
                }
            }
        }
    }

    async fn look(&self) -> anyhow::Result<ProjectionLag> {
        let positions = self.positions().await.context("read how far the projection is")?;
        let (ends, topics) = (self.ends.clone(), self.topics.clone());
        let ends = tokio::task::spawn_blocking(move || -> anyhow::Result<Offsets> {
            let mut all = Offsets::new();
            for topic in topics {
                let ends = ends.of(&topic)?;
                all.extend(
                    (0..).zip(ends).map(|(partition, end)| ((topic.clone(), partition), end)),
                );
            }
            Ok(all)
        });
        let ends = ends.await.context("ask where the log ends")??;
        Ok(ProjectionLag { looked_at: Some(Timestamp::now()), records: behind(&positions, ends) })
    }

    async fn positions(&self) -> anyhow::Result<Offsets> {
        let client = self.pool.get().await?;
        let rows = timeout(STATEMENT_TIMEOUT, client.query(POSITIONS_SQL, &[])).await??;
        let position =
            |row: &tokio_postgres::Row| Ok(((row.try_get(0)?, row.try_get(1)?), row.try_get(2)?));
        Ok(rows.iter().map(position).collect::<Result<_, tokio_postgres::Error>>()?)
    }
}

/// Nothing of a partition without an offset is projected.
fn behind(positions: &Offsets, ends: Offsets) -> Offsets {
    let behind = |(place, end): ((String, i32), i64)| {
        let position = positions.get(&place).copied().unwrap_or_default();
        (place, (end - position).max(0))
    };
    ends.into_iter().map(behind).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lag_is_from_the_offset_to_the_end_and_never_negative() {
        let at = |offsets: &[i64]| -> Offsets {
            (0..).zip(offsets).map(|(partition, at)| (("t".to_owned(), partition), *at)).collect()
        };
        // The ends were asked for after the offsets, but of another broker's copy.
        assert_eq!(behind(&at(&[3, 9]), at(&[10, 8, 5])), at(&[7, 0, 5]));
    }
}
