//! Makes the projection anew from the log, beside the one that is there, and puts it in its place.
//!
//! The new rows are made in a schema of their own by the projector's own reading, folding and
//! writing, from the beginning of the log on, and offsets move in it with the rows: a rebuild that
//! dies goes on where it was. What is older than the log is kept as it was ([`kept`]). Once the
//! log's end is near, one transaction exchanges the *days*: the tables `deliveries` and
//! `delivery_attempts` themselves stay what they are, and so does whatever looks at them, views,
//! grants and triggers; only their partitions are others ([`swap`]).
//!
//! Reads go on all the time, and wait only for that transaction. The live projector goes on too.
//! In the swap it waits for the offsets, which then are the rebuilt projection's: its
//! compare-and-set fails, and it reads on from there. They are never lower than its own were, so
//! nobody sees the past.

mod feed;
mod kept;
mod schema;
mod swap;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use deadpool_postgres::{ClientWrapper, Object};
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use self::feed::Feed;
pub use self::kept::Kept;
use crate::Config;
use crate::days;
use crate::fold::PartitionName;
use crate::watched::Tally;
use crate::writer::{Unwritten, Writer};

/// Where the new projection is made.
pub const NEXT: &str = "projection_next";
/// Where the days go that were exchanged, until they are dropped.
const OLD: &str = "projection_old";
/// The advisory lock of the one rebuild that runs.
const REBUILD_LOCK: i64 = 0x686f_6f6b_6c6f_6712;
/// So near to the end of the log, in records, the rest is read while the live projector waits.
const NEAR: i64 = 20_000;
/// How often a swap is tried, while others hold what it needs.
const SWAPS: usize = 60;
const SWAP_AGAIN: Duration = Duration::from_secs(1);
/// For the rest, while the live projector waits.
const REST_TIMEOUT: Duration = Duration::from_secs(20);

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Forget what an earlier rebuild has made, instead of going on with it.
    pub restart: bool,
    /// Put it in the place of the live projection; otherwise it is left where it is, to be looked
    /// at, and the next rebuild goes on with it.
    pub swap: bool,
}

/// What a rebuild tells while it runs.
#[derive(Debug, Clone)]
pub enum Told {
    /// It begins, or goes on with what an earlier one has left.
    Begun {
        resumed: bool,
        kept: Kept,
    },
    Progress(Progress),
    /// The live projection could not be exchanged yet, and why.
    SwapFailed(String),
}

/// How far a rebuild is. In records of the log, since it was started.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Progress {
    pub done: i64,
    /// Up to the log's end as it was when last asked for.
    pub total: i64,
    pub took: Duration,
}

impl Progress {
    /// Records per second, from the start on.
    pub fn rate(&self) -> f64 {
        self.done as f64 / self.took.as_secs_f64().max(f64::MIN_POSITIVE)
    }

    /// From 0 to 1.
    pub fn share(&self) -> f64 {
        if self.total == 0 { 1.0 } else { self.done as f64 / self.total as f64 }
    }

    /// How long it will take to the end that is known, if it goes on like that.
    pub fn left(&self) -> Option<Duration> {
        let seconds = (self.total - self.done) as f64 / self.rate();
        Duration::try_from_secs_f64(seconds).ok()
    }
}

/// What has come of a rebuild.
#[derive(Debug, Clone)]
pub struct Rebuilt {
    pub kept: Kept,
    pub progress: Progress,
    /// Records that were set aside.
    pub rejected: u64,
    /// Records of deliveries whose day is not kept.
    pub of_dropped_days: u64,
    /// How long reads could not begin; `None` if it was not asked to swap.
    pub swapped_in: Option<Duration>,
}

/// Rebuilds the projection. What `shutdown` interrupts, the next call goes on with.
///
/// # Errors
/// A store that is away, another rebuild that runs, a log that has been trimmed beyond what an
/// earlier rebuild had read, or a live projection that others do not let go for a minute.
pub async fn rebuild(
    config: &Config,
    options: Options,
    shutdown: &CancellationToken,
    told: &mut (dyn FnMut(Told) + Send),
) -> anyhow::Result<Rebuilt> {
    let pool = database::pool(&config.database)?;
    let mut live = Object::take(pool.get().await.context("connect to PostgreSQL")?);
    take_lock(&live).await?;
    let schema = schema::Schemas::of(&live).await?;
    swap::sweep(&live).await.context("drop what an earlier rebuild has left")?;

    let topics = [config.kafka.topics.deliveries(), config.kafka.topics.outcomes()];
    let mut feed = Feed::open(&config.kafka, topics.clone()).await?;
    let log = feed.bounds().await?;
    if options.restart || !schema::is_begun(&live).await? {
        let heads = feed.heads(&log).await?;
        let first_kept = days::first_kept(Timestamp::now(), config.retention);
        let known = schema::Log { bounds: &log, heads: &heads, outcomes: &topics[1] };
        schema::begin(&mut live, &schema, &known, first_kept).await?;
        told(Told::Begun { resumed: false, kept: schema::kept(&live).await? });
    } else {
        told(Told::Begun { resumed: true, kept: schema::kept(&live).await? });
    }
    let kept = schema::kept(&live).await?;
    let next = database::pool(&config.database.in_schema(NEXT))?;
    let positions = schema::positions(&live).await?;
    check_log(&log, &positions)?;
    let tally = Arc::new(Tally::default());
    let [_, outcomes] = topics;
    let mut run = Run {
        writer: Writer::new(next, outcomes, config.retention, Arc::clone(&tally)),
        started_at: Instant::now(),
        started_from: positions.clone(),
        ends: ends(&log),
        positions,
        shutdown,
        told,
    };
    feed.start(&run.positions, config.batch_records)?;
    loop {
        run.read_to(&mut feed, &ends(&log)).await?;
        run.ends = ends(&feed.bounds().await?);
        let missing = missing(&run.positions, &run.ends);
        if missing <= NEAR {
            break;
        }
        let ends = run.ends.clone();
        run.read_to(&mut feed, &ends).await?;
    }
    let swapped_in = match options.swap {
        true => Some(exchange(&mut live, &schema, &mut feed, &mut run).await?),
        false => {
            let ends = run.ends.clone();
            run.read_to(&mut feed, &ends).await?;
            None
        }
    };
    let progress = run.progress();
    Ok(Rebuilt {
        kept,
        progress,
        rejected: tally.rejected(),
        of_dropped_days: tally.of_dropped_days(),
        swapped_in,
    })
}

/// Swaps, as soon as others let it.
async fn exchange(
    live: &mut ClientWrapper,
    schema: &schema::Schemas,
    feed: &mut Feed,
    run: &mut Run<'_>,
) -> anyhow::Result<Duration> {
    for _ in 0..SWAPS {
        schema::make_live_days(live, schema).await?;
        match try_exchange(live, schema, feed, run).await {
            Ok(took) => {
                swap::recount(live, schema).await.context("count acceptances anew")?;
                swap::sweep(live).await.context("drop the days that were exchanged")?;
                return Ok(took);
            }
            Err(error) if run.shutdown.is_cancelled() => return Err(error),
            Err(error) => (run.told)(Told::SwapFailed(format!("{error:#}"))),
        }
        let paused = run.shutdown.run_until_cancelled(tokio::time::sleep(SWAP_AGAIN)).await;
        ensure!(paused.is_some(), INTERRUPTED);
        run.ends = ends(&feed.bounds().await?);
        let ends = run.ends.clone();
        run.read_to(feed, &ends).await?;
    }
    bail!("the live projection could not be exchanged; the same command tries again")
}

async fn try_exchange(
    live: &mut ClientWrapper,
    schema: &schema::Schemas,
    feed: &mut Feed,
    run: &mut Run<'_>,
) -> anyhow::Result<Duration> {
    let transaction = live.transaction().await.context("begin the swap")?;
    let projected = swap::hold_offsets(&transaction, schema).await?;
    let behind = missing(&run.positions, &projected);
    ensure!(behind <= NEAR, "the live projection is {behind} records ahead");
    let rest = tokio::time::timeout(REST_TIMEOUT, run.read_to(feed, &projected)).await;
    rest.context("the rest of the log did not come in time")??;
    let took = swap::swap(&transaction, schema).await?;
    transaction.commit().await.context("commit the swap")?;
    Ok(took)
}

const INTERRUPTED: &str = "interrupted; the same command goes on from here";

/// The reading and writing, with how far it is.
struct Run<'a> {
    writer: Writer,
    started_at: Instant,
    started_from: BTreeMap<PartitionName, i64>,
    positions: BTreeMap<PartitionName, i64>,
    ends: BTreeMap<PartitionName, i64>,
    shutdown: &'a CancellationToken,
    told: &'a mut (dyn FnMut(Told) + Send),
}

impl Run<'_> {
    /// Reads until every partition is at its target, or beyond.
    async fn read_to(
        &mut self,
        feed: &mut Feed,
        targets: &BTreeMap<PartitionName, i64>,
    ) -> anyhow::Result<()> {
        while missing(&self.positions, targets) > 0 {
            let batch = self.shutdown.run_until_cancelled(feed.next()).await;
            let batch = batch.context(INTERRUPTED)??;
            match self.writer.write(&batch, &mut self.positions, self.shutdown).await {
                Ok(()) => {}
                Err(Unwritten::GivenUp) => bail!(INTERRUPTED),
                Err(Unwritten::Conflict(conflict)) => {
                    return Err(conflict).context("somebody else writes to the new projection");
                }
            }
            let progress = self.progress();
            (self.told)(Told::Progress(progress));
        }
        Ok(())
    }

    fn progress(&self) -> Progress {
        let sum = |offsets: &BTreeMap<PartitionName, i64>| -> i64 {
            let of = |(name, from): (&PartitionName, &i64)| {
                offsets.get(name).map_or(0, |offset| (offset - from).max(0))
            };
            self.started_from.iter().map(of).sum()
        };
        let done = sum(&self.positions);
        Progress { done, total: sum(&self.ends).max(done), took: self.started_at.elapsed() }
    }
}

/// Records between the positions and the targets.
fn missing(
    positions: &BTreeMap<PartitionName, i64>,
    targets: &BTreeMap<PartitionName, i64>,
) -> i64 {
    let missing = |(name, target): (&PartitionName, &i64)| {
        // A partition that is not read, such as one of another topic, is nobody's target.
        positions.get(name).map_or(0, |position| (target - position).max(0))
    };
    targets.iter().map(missing).sum()
}

fn ends(log: &BTreeMap<PartitionName, Range<i64>>) -> BTreeMap<PartitionName, i64> {
    log.iter().map(|(name, bounds)| (name.clone(), bounds.end)).collect()
}

/// What an earlier rebuild has not read must still be there.
fn check_log(
    log: &BTreeMap<PartitionName, Range<i64>>,
    positions: &BTreeMap<PartitionName, i64>,
) -> anyhow::Result<()> {
    for (name, bounds) in log {
        let (topic, partition) = name;
        let position = positions.get(name);
        let position = position.with_context(|| {
            format!("{topic}/{partition} is new since the rebuild began; begin again: --restart")
        })?;
        ensure!(
            *position >= bounds.start,
            "the log of {topic}/{partition} begins at {} now, and the rebuild had come to \
             {position}; begin again: --restart",
            bounds.start
        );
    }
    Ok(())
}

async fn take_lock(client: &ClientWrapper) -> anyhow::Result<()> {
    let sql = "SELECT pg_try_advisory_lock($1)";
    let row = client.query_one(sql, &[&REBUILD_LOCK]).await.context("ask for the lock")?;
    ensure!(row.get::<_, bool>(0), "another rebuild is running");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offsets(offsets: &[i64]) -> BTreeMap<PartitionName, i64> {
        (0..).zip(offsets).map(|(partition, at)| ((Arc::from("t"), partition), *at)).collect()
    }

    #[test]
    fn what_is_missing_is_counted_by_partition() {
        assert_eq!(missing(&offsets(&[5, 9]), &offsets(&[7, 3])), 2);
        let other = BTreeMap::from([((Arc::from("other"), 0), 10)]);
        assert_eq!(missing(&offsets(&[5]), &other), 0);
    }

    #[test]
    fn a_log_that_begins_beyond_what_was_read_is_refused() {
        let log = BTreeMap::from([((Arc::from("t"), 0), 5..9)]);
        assert!(check_log(&log, &offsets(&[5])).is_ok());
        let said = check_log(&log, &offsets(&[4])).unwrap_err().to_string();
        assert!(said.contains("t/0 begins at 5") && said.contains("--restart"), "{said}");
        assert!(check_log(&log, &offsets(&[])).is_err());
    }

    #[test]
    fn progress_tells_rate_share_and_what_is_left() {
        let progress = Progress { done: 250, total: 1_000, took: Duration::from_secs(5) };
        assert_eq!((progress.rate(), progress.share()), (50.0, 0.25));
        assert_eq!(progress.left(), Some(Duration::from_secs(15)));
        let begun = Progress { done: 0, total: 9, took: Duration::ZERO };
        assert_eq!((begun.share(), begun.left()), (0.0, None));
        assert_eq!(Progress { done: 0, total: 0, ..begun }.share(), 1.0);
    }
}
