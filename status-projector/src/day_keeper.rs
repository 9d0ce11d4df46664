//! Days come and go: the tables of the next days are made, those of days beyond retention are
//! dropped. One keeper in the installation, a round at a time.
//!
//! A day is detached `CONCURRENTLY` and then dropped: nobody deletes a row, and nobody who reads
//! waits. That takes no lock which reads would meet, but PostgreSQL waits in it for transactions
//! that had read the table before; a lock timeout ends the wait, since what asks for the same
//! lock (a new day) waits behind it, and the next try ends what was begun. It cannot run in a
//! transaction, so a process may die between any two steps: [`crate::days::steps`] goes on from
//! wherever that was.

use std::convert::Infallible;
use std::time::Duration;

use anyhow::Context;
use deadpool_postgres::{ClientWrapper, Object, Pool};
use jiff::Timestamp;
use jiff::civil::Date;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::day_partitions;
use crate::days::{self, DayTable, Step};

/// The advisory lock of the one keeper that works.
const KEEPER_LOCK: i64 = 0x686f_6f6b_6c6f_6711;
/// Between two tries to take over from another process's keeper, and after a failure.
const TRY_AGAIN: Duration = Duration::from_secs(2);
/// On a whole statement as this process sees it; those of the session below are shorter.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(60);
/// How long a step may wait for others, and take.
const BOUNDS_SQL: &str = "SET lock_timeout = '2s'; SET statement_timeout = '50s'";

/// The schema of the live projection.
const LIVE: &str = "(SELECT relnamespace FROM pg_class WHERE oid = 'deliveries'::regclass)";

/// Which days have tables, as the last round left them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DaysKept {
    /// When the round ended; `None` before the first one, and in a process whose keeper waits
    /// for another one's lock.
    pub looked_at: Option<Timestamp>,
    pub oldest: Option<Date>,
    pub newest: Option<Date>,
    /// Tables that this process has dropped since it started.
    pub dropped: u64,
}

/// The keeper of this process.
pub(crate) struct DayKeeper {
    pub pool: Pool,
    pub retention: Duration,
    /// Between two rounds.
    pub every: Duration,
    pub kept: watch::Sender<DaysKept>,
}

impl DayKeeper {
    /// Keeps days until `shutdown` is cancelled, however often PostgreSQL goes away.
    pub async fn run(self, shutdown: &CancellationToken) {
        let mut failing = false;
        loop {
            let session = self.session(&mut failing);
            let Some(Err(error)) = shutdown.run_until_cancelled(session).await else { return };
            if !std::mem::replace(&mut failing, true) {
                let error = format!("{error:#}");
                tracing::warn!(error, "days are not made and dropped until this passes");
            }
            if shutdown.run_until_cancelled(sleep(TRY_AGAIN)).await.is_none() {
                return;
            }
        }
    }

    /// Works on one connection until something goes wrong. The lock ends with it.
    async fn session(&self, failing: &mut bool) -> anyhow::Result<Infallible> {
        let client = Object::take(self.pool.get().await.context("connect to PostgreSQL")?);
        client.batch_execute(BOUNDS_SQL).await.context("bound the keeper's waits")?;
        while !take_lock(&client).await? {
            sleep(TRY_AGAIN).await;
        }
        let mut rounds = interval(self.every);
        rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            rounds.tick().await;
            self.round(&client, Timestamp::now()).await?;
            if std::mem::take(failing) {
                tracing::info!("days are made and dropped again");
            }
        }
    }

    /// What is to come is made first: nothing that is old may keep it from being there.
    async fn round(&self, client: &ClientWrapper, now: Timestamp) -> anyhow::Result<()> {
        for day in days::ahead(now) {
            make(client, day).await?;
        }
        let first_kept = days::first_kept(now, self.retention);
        for step in days::steps(&tables(client).await?, first_kept) {
            self.take(client, step).await?;
        }
        let left = tables(client).await?;
        let days = || left.iter().map(|table| table.day);
        self.kept.send_modify(|kept| {
            kept.looked_at = Some(now);
            (kept.oldest, kept.newest) = (days().min(), days().max());
        });
        Ok(())
    }

    async fn take(&self, client: &ClientWrapper, step: Step) -> anyhow::Result<()> {
        let parent = |table: DayTable| table.parent.name();
        let sql = match step {
            Step::Finalize(table) => {
                format!("ALTER TABLE {} DETACH PARTITION {table} FINALIZE", parent(table))
            }
            Step::Detach(table) => {
                format!("ALTER TABLE {} DETACH PARTITION {table} CONCURRENTLY", parent(table))
            }
            Step::Drop(table) => format!("DROP TABLE {table}"),
            Step::Attach(day) => return make(client, day).await,
        };
        let done = timeout(STATEMENT_TIMEOUT, client.batch_execute(&sql)).await;
        done.context("let a day go")?.with_context(|| sql.clone())?;
        if let Step::Drop(table) = step {
            tracing::info!(%table, "dropped a day that is beyond retention");
            self.kept.send_modify(|kept| kept.dropped += 1);
        }
        Ok(())
    }
}

async fn make(client: &ClientWrapper, day: Date) -> anyhow::Result<()> {
    let sql = "SELECT create_delivery_partitions($1)";
    let made = timeout(STATEMENT_TIMEOUT, client.execute(sql, &[&day])).await;
    made.context("make the tables of a day")?.context("make the tables of a day")?;
    Ok(())
}

async fn tables(client: &ClientWrapper) -> anyhow::Result<Vec<DayTable>> {
    let asked = timeout(STATEMENT_TIMEOUT, day_partitions::tables(&**client, LIVE)).await;
    asked.context("ask which days there are")?.context("ask which days there are")
}

async fn take_lock(client: &ClientWrapper) -> anyhow::Result<bool> {
    let sql = "SELECT pg_try_advisory_lock($1)";
    let taken = timeout(STATEMENT_TIMEOUT, client.query_one(sql, &[&KEEPER_LOCK])).await;
    taken.context("ask for the keeper's lock")??.try_get(0).context("ask for the keeper's lock")
}
