//! The janitor at work: one in the whole installation, a round at a time.
//!
//! It holds an advisory lock on a connection of its own. A second janitor, in the moments after
//! a lost connection, would do no harm: each deletes only what nobody needs.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use deadpool_postgres::{ClientWrapper, Object, Pool};
use jiff::Timestamp;
use kafka_loop::KafkaSettings;
use kafka_loop::log_trimmer::{LogTrimmer, Trim};
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::config::JanitorConfig;
use crate::janitor::{
    Known, Position, Reader, Retention, WorkTopic, overtaken, trim_to, work_topics,
};

/// The advisory lock of the one janitor that works: the next number after the outbox relay's.
const JANITOR_LOCK: i64 = 0x686f_6f6b_6c6f_6703;
/// Between two tries to take over from another process's janitor, and after a failure.
const TRY_AGAIN: Duration = Duration::from_secs(1);
/// On each statement.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(30);

/// What is kept of the work topics, as the last round left it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WorkKept {
    /// When the round ended; `None` before the first one, and in a process whose janitor waits
    /// for another one's lock.
    pub looked_at: Option<Timestamp>,
    pub topics: BTreeMap<String, TopicKept>,
}

/// What is kept of one topic, over its partitions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TopicKept {
    /// Offsets from the start of the log to its end.
    pub records: i64,
    /// Offsets that the round has deleted.
    pub trimmed: i64,
    /// Partitions with a reader below the start of the log.
    pub overtaken: usize,
}

/// The janitor of this process.
pub(crate) struct Janitor {
    config: JanitorConfig,
    pool: Pool,
    topics: Arc<Vec<WorkTopic>>,
    trimmer: Arc<LogTrimmer>,
    kept: watch::Sender<WorkKept>,
}

/// The offsets of readers in partitions.
type Positions = BTreeMap<(Reader, String, i32), i64>;

impl Janitor {
    /// # Errors
    /// Settings that librdkafka refuses.
    pub fn new(
        kafka: &KafkaSettings,
        config: JanitorConfig,
        pool: Pool,
        kept: watch::Sender<WorkKept>,
    ) -> anyhow::Result<Self> {
        let topics = work_topics(&kafka.topics);
        let readers = topics.iter().flat_map(|topic| &topic.readers);
        let groups = readers.filter_map(|reader| match reader {
            Reader::Group(group) => Some(group.clone()),
            Reader::Projection => None,
        });
        let trimmer = Arc::new(LogTrimmer::new(kafka, groups)?);
        Ok(Self { config, pool, topics: Arc::new(topics), trimmer, kept })
    }

    /// Trims until `shutdown` is cancelled, however often Postgres or the broker go away.
    pub async fn run(self, shutdown: &CancellationToken) {
        let mut failing = false;
        loop {
            let session = self.session(&mut failing);
            let Some(Err(error)) = shutdown.run_until_cancelled(session).await else { return };
            if !std::mem::replace(&mut failing, true) {
                let error = format!("{error:#}");
                tracing::warn!(error, "work topics are not trimmed until this passes");
            }
            self.kept.send_replace(WorkKept::default());
            if shutdown.run_until_cancelled(sleep(TRY_AGAIN)).await.is_none() {
                return;
            }
        }
    }

    /// Works on one connection for as long as it lasts.
    async fn session(&self, failing: &mut bool) -> anyhow::Result<Infallible> {
        let client = Object::take(self.pool.get().await.context("connect to PostgreSQL")?);
        while !take_lock(&client).await? {
            sleep(TRY_AGAIN).await;
        }
        let mut rounds = interval(self.config.interval);
        rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut before = Positions::new();
        loop {
            rounds.tick().await;
            before = self.round(&client, before).await?;
            if std::mem::take(failing) {
                tracing::info!("work topics are trimmed again");
            }
        }
    }

    /// One look at every work topic. Returns the positions that it found.
    async fn round(&self, client: &ClientWrapper, before: Positions) -> anyhow::Result<Positions> {
        let projected = durable_offsets(client).await?;
        let (topics, trimmer) = (Arc::clone(&self.topics), Arc::clone(&self.trimmer));
        let config = self.config.clone();
        let look = move || look(&topics, &trimmer, &config, &before, projected);
        let (looks, now) = tokio::task::spawn_blocking(look).await.context("look at topics")??;
        let mut kept: BTreeMap<String, TopicKept> = BTreeMap::new();
        let mut trims = Vec::new();
        for Look { topic, partition, known } in &looks {
            let kept = kept.entry(topic.clone()).or_default();
            kept.records += known.log.end - known.log.start;
            if let Some(position) = overtaken(known) {
                kept.overtaken += 1;
                let log_start = known.log.start;
                tracing::error!(
                    topic,
                    partition,
                    position,
                    log_start,
                    "a reader is below the start of the log: records are gone that it has not read"
                );
            }
            trims.extend(trim_to(known).map(|below| Trim {
                topic: topic.clone(),
                partition: *partition,
                below,
            }));
        }
        for Trim { topic, partition, below } in self.trimmer.delete(trims).await? {
            let look = looks.iter().find(|l| l.topic == topic && l.partition == partition);
            let deleted = look.map_or(0, |look| below - look.known.log.start);
            let kept = kept.entry(topic).or_default();
            kept.records -= deleted;
            kept.trimmed += deleted;
        }
        let records: i64 = kept.values().map(|topic| topic.records).sum();
        let trimmed: i64 = kept.values().map(|topic| topic.trimmed).sum();
        tracing::info!(records, trimmed, "looked after the work topics");
        for (topic, TopicKept { records, trimmed, .. }) in &kept {
            tracing::debug!(topic, records, trimmed, "kept of a work topic");
        }
        self.kept.send_replace(WorkKept { looked_at: Some(Timestamp::now()), topics: kept });
        Ok(now)
    }
}

/// What a round has found of one partition.
struct Look {
    topic: String,
    partition: i32,
    known: Known,
}

/// Asks for everything that the decisions need. Blocks, five seconds per question at most, and
/// ends with the first one that is not answered.
fn look(
    topics: &[WorkTopic],
    trimmer: &LogTrimmer,
    config: &JanitorConfig,
    before: &Positions,
    projected: Positions,
) -> anyhow::Result<(Vec<Look>, Positions)> {
    let counts = trimmer.partition_counts()?;
    let retention = i64::try_from(config.retention.as_millis()).unwrap_or(i64::MAX);
    let young_since = Timestamp::now().as_millisecond().saturating_sub(retention).max(0);
    let mut now = projected;
    let mut looks = Vec::new();
    for WorkTopic { name, readers, retained } in topics {
        let count = *counts.get(name).with_context(|| format!("there is no topic {name}"))?;
        for reader in readers {
            let Reader::Group(group) = reader else { continue };
            for (partition, offset) in (0..).zip(trimmer.committed(group, name, count)?) {
                if let Some(offset) = offset {
                    now.insert((reader.clone(), name.clone(), partition), offset);
                }
            }
        }
        let young = match retained {
            true => Some(trimmer.first_since(name, count, young_since)?),
            false => None,
        };
        for partition in 0..count {
            let log = trimmer.bounds(name, partition)?;
            let retention = match &young {
                None => Retention::None,
                Some(young) => Retention::Young {
                    young_from: young[partition as usize].unwrap_or(log.end),
                    at_most: config.limit.map(|limit| limit / i64::from(count)),
                },
            };
            let position = |reader: &Reader| {
                let place = (reader.clone(), name.clone(), partition);
                Position { before: before.get(&place).copied(), now: now.get(&place).copied() }
            };
            let positions = readers.iter().map(position).collect();
            let known = Known { log, positions, retention };
            looks.push(Look { topic: name.clone(), partition, known });
        }
    }
    Ok((looks, now))
}

async fn take_lock(client: &ClientWrapper) -> anyhow::Result<bool> {
    let sql = "SELECT pg_try_advisory_lock($1)";
    let taken = timeout(STATEMENT_TIMEOUT, client.query_one(sql, &[&JANITOR_LOCK])).await;
    taken.context("ask for the janitor's lock")??.try_get(0).context("ask for the janitor's lock")
}

/// How far the projection has come, as a crash of PostgreSQL cannot take back.
///
/// The projector commits asynchronously, so what a plain read shows may still be lost, and its
/// records are then needed again. Taking locks writes to the log, and so this commit, which is
/// synchronous, makes everything durable that came before it. The locks are such that no
/// projector waits for them.
async fn durable_offsets(client: &ClientWrapper) -> anyhow::Result<Positions> {
    let read = async {
        client.batch_execute("BEGIN; SET LOCAL synchronous_commit = on").await?;
        let sql = "SELECT topic, partition, next_offset FROM projector_offsets FOR KEY SHARE";
        let rows = client.query(sql, &[]).await?;
        client.batch_execute("COMMIT").await?;
        rows.iter()
            .map(|row| {
                let place = (Reader::Projection, row.try_get(0)?, row.try_get(1)?);
                Ok((place, row.try_get(2)?))
            })
            .collect::<Result<Positions, tokio_postgres::Error>>()
    };
    let read = timeout(STATEMENT_TIMEOUT, read).await.context("read how far the projection is")?;
    read.context("read how far the projection is")
}
