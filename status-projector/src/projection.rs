//! The role itself: the consumer loop on its thread, the writer here, and what happens when
//! one of them ends.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::Pool;
use kafka_loop::consumer_loop::{self, LoopConfig};
use kafka_loop::log_end::LogEnds;
use kafka_loop::topic_setup;
use metrics::Page;
use role_runtime::ReadyFlag;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::Config;
use crate::day_keeper::DayKeeper;
use crate::gatherer::{BATCH_BYTES, Gatherer};
use crate::janitor_task::Janitor;
use crate::lag_task::LagTask;
use crate::store::{self, Conflict};
use crate::watched::{Tally, Watching, watched_on};
use crate::writer::Writer;

/// The role's name in groups and log lines.
const ROLE: &str = "status-projector";
/// After a conflict, before the loop is started again: whoever won may be about to leave.
const CONFLICT_PAUSE: Duration = Duration::from_millis(500);
/// Between two tries to reach PostgreSQL at the start.
const TRY_AGAIN: Duration = Duration::from_millis(500);
/// Between two looks at which days have tables.
const DAYS_EVERY: Duration = Duration::from_secs(3_600);
/// Batches that may be in memory: one gathered, one being written, and a margin for the
/// record that exceeds a batch's bytes.
const BATCHES_IN_MEMORY: usize = 3;

/// Projects until `shutdown` is cancelled. Is ready once the topics are and PostgreSQL has
/// answered; later it waits for either as long as that takes.
///
/// Dropping the future ends it at any point without loss: a transaction that was under way is
/// either wholly there or not at all.
///
/// # Errors
/// Whatever the consumer loop cannot go on from, such as an offset that the log no longer has.
pub async fn run(
    config: Config,
    ready: ReadyFlag,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let (watching, ends) = watched_on(ready.page());
    ends.show(ready.page(), &config.kafka.topics);
    run_watched(config, watching, ready, shutdown).await
}

/// The same, told to whoever has the other ends of `watching`.
///
/// # Errors
/// As [`run`].
pub async fn run_watched(
    config: Config,
    watching: Watching,
    ready: ReadyFlag,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let Watching { work, days, lag, tally } = watching;
    let pool = database::pool(&config.database)?;
    if !topic_setup::prepare(&config.kafka, &shutdown).await?
        || !postgres_answers(&pool, &shutdown).await
    {
        return Ok(());
    }
    ready.raise();
    let page = ready.page();
    let janitor = Janitor::new(&config.kafka, config.janitor.clone(), pool.clone(), work)?;
    let keeper = DayKeeper {
        pool: pool.clone(),
        retention: config.retention,
        every: DAYS_EVERY,
        kept: days,
    };
    let topics = &config.kafka.topics;
    let lag = LagTask {
        pool: pool.clone(),
        ends: LogEnds::new(&config.kafka)?,
        topics: vec![topics.deliveries(), topics.outcomes()],
        lag,
    };
    let mut projecting = pin!(project_on(&config, &pool, &tally, page, &shutdown));
    let beside = Box::pin(async {
        tokio::join!(janitor.run(&shutdown), keeper.run(&shutdown), lag.run(&shutdown))
    });
    tokio::select! {
        ended = &mut projecting => return ended,
        ((), (), ()) = beside => {}
    }
    projecting.await
}

/// Projects until the shutdown, through all conflicts.
async fn project_on(
    config: &Config,
    pool: &Pool,
    tally: &Arc<Tally>,
    page: &Page,
    shutdown: &CancellationToken,
) -> anyhow::Result<()> {
    while let Some(conflict) = project(config, pool, tally, page, shutdown).await? {
        // Another projector has these partitions now, or PostgreSQL has lost its last
        // transactions in a crash: its offsets are the truth.
        tracing::warn!(%conflict, "starting again from the offsets in PostgreSQL");
        if pause(CONFLICT_PAUSE, shutdown).await {
            break;
        }
    }
    Ok(())
}

/// Waits for PostgreSQL and the schema; false if a shutdown came first.
async fn postgres_answers(pool: &Pool, shutdown: &CancellationToken) -> bool {
    loop {
        let answered = tokio::select! {
            () = shutdown.cancelled() => return false,
            answered = store::probe(pool) => answered,
        };
        match answered {
            Ok(()) => return true,
            Err(error) => {
                tracing::warn!(error = format!("{error:#}"), "waiting for PostgreSQL");
            }
        }
        if pause(TRY_AGAIN, shutdown).await {
            return false;
        }
    }
}

/// True if a shutdown came first.
async fn pause(length: Duration, shutdown: &CancellationToken) -> bool {
    shutdown.run_until_cancelled(tokio::time::sleep(length)).await.is_none()
}

/// One run of the loop; ends with the shutdown or a conflict.
async fn project(
    config: &Config,
    pool: &Pool,
    tally: &Arc<Tally>,
    page: &Page,
    shutdown: &CancellationToken,
) -> anyhow::Result<Option<Conflict>> {
    let topics = &config.kafka.topics;
    let stop = shutdown.child_token();
    // The loop has a thread of its own: it is to end also when this future is dropped.
    let _stop_when_dropped = stop.clone().drop_guard();
    let (to_writer, batches) = mpsc::channel(1);
    let gatherer = Gatherer::new(
        config.batch_records,
        config.linger,
        pool.clone(),
        Handle::current(),
        to_writer,
        Arc::clone(tally),
    );
    let loop_config = LoopConfig {
        name: "projector",
        group: topics.group(ROLE),
        topics: vec![topics.deliveries(), topics.outcomes()],
        max_unfinished: config.batch_records.saturating_mul(BATCHES_IN_MEMORY),
        max_unfinished_bytes: BATCH_BYTES * BATCHES_IN_MEMORY,
        recall: 0,
        drain_timeout: config.drain_timeout,
        page: page.clone(),
    };
    let mut looping = pin!(consumer_loop::run(&config.kafka, loop_config, gatherer, stop.clone()));
    let writer = Writer::new(pool.clone(), topics.outcomes(), config.retention, Arc::clone(tally));
    let written = tokio::select! {
        // It has drained: what is still being written is left, and read again.
        ended = &mut looping => return ended.map(|()| None),
        written = writer.run(batches, &stop) => written,
    };
    stop.cancel();
    looping.await?;
    Ok(written.err())
}
