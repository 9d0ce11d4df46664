//! Writes one batch after the other, and each until it is written.
//!
//! PostgreSQL may be away: the writer tries again, with growing pauses, until it is back or the
//! projector stops. It may refuse a row: the batch is halved until the record that is to blame
//! stands alone, and that one is set aside. Each part is a transaction of its own that moves
//! the offsets just past its records, so a crash between two parts repeats nothing.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use deadpool_postgres::Pool;
use jiff::Timestamp;
use kafka_loop::record::Record;
use tokio::sync::mpsc::Receiver;
use tokio_postgres::error::SqlState;
use tokio_util::sync::CancellationToken;

use crate::day_partitions::DayPartitions;
use crate::days;
use crate::fold::{PartitionName, Told};
use crate::gatherer::Batch;
use crate::reading::Source;
use crate::store::{self, Conflict, WriteError};
use crate::watched::Tally;

/// The first pause after a try that failed; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// For one try with everything in it. The statements have shorter bounds; this one is for a
/// server that no longer answers at all.
const TRY_TIMEOUT: Duration = Duration::from_secs(60);

/// The one that writes.
pub(crate) struct Writer {
    pool: Pool,
    outcomes_topic: String,
    retention: Duration,
    days: DayPartitions,
    tally: Arc<Tally>,
}

/// Why a batch is not written, or not all of it.
pub(crate) enum Unwritten {
    /// The projector stops.
    GivenUp,
    Conflict(Conflict),
}

impl Writer {
    pub fn new(pool: Pool, outcomes_topic: String, retention: Duration, tally: Arc<Tally>) -> Self {
        Self { pool, outcomes_topic, retention, days: DayPartitions::default(), tally }
    }

    /// Writes what comes until nobody sends any more. After `stop` no failed try is repeated.
    ///
    /// # Errors
    /// The offsets in PostgreSQL are not where this projector left them.
    pub async fn run(
        mut self,
        mut batches: Receiver<Batch>,
        stop: &CancellationToken,
    ) -> Result<(), Conflict> {
        while let Some(mut batch) = batches.recv().await {
            let mut expected = std::mem::take(&mut batch.expected);
            let began_at = Instant::now();
            let written = self.write(&batch.records, &mut expected, stop).await;
            self.tally.end_of_write();
            match written {
                Ok(()) => {
                    self.tally.batch_written(batch.records.len(), began_at.elapsed());
                    batch.finish();
                }
                Err(Unwritten::GivenUp) => batch.forget(),
                Err(Unwritten::Conflict(conflict)) => {
                    // The end of this batch lets the loop hand over the next one, which would
                    // be dropped with the channel, and its tickets with it.
                    batches.close();
                    batch.forget();
                    while let Some(unread) = batches.recv().await {
                        unread.forget();
                    }
                    return Err(conflict);
                }
            }
        }
        Ok(())
    }

    /// Writes records, and moves `positions` on as PostgreSQL does.
    ///
    /// # Errors
    /// See [`Unwritten`]; what was written before counts in `positions`.
    pub async fn write(
        &mut self,
        records: &[Record],
        positions: &mut BTreeMap<PartitionName, i64>,
        stop: &CancellationToken,
    ) -> Result<(), Unwritten> {
        // Parts still to be written, the next one last.
        let mut parts = vec![Part::Records(records)];
        while let Some(part) = parts.pop() {
            match (self.write_part(&part, positions, stop).await?, part) {
                (Ok(ends), _) => positions.extend(ends),
                (Err(refusal), Part::Records([record]) | Part::SetAside(record, _)) => {
                    parts.push(set_aside(record, refusal));
                }
                (Err(_), Part::Records(records)) => {
                    let (first, second) = records.split_at(records.len() / 2);
                    parts.extend([Part::Records(second), Part::Records(first)]);
                }
            }
        }
        Ok(())
    }

    /// One transaction, tried until PostgreSQL has taken it, and then where the partitions are;
    /// or until it has refused a row. What only sets a record aside is never refused.
    async fn write_part(
        &mut self,
        part: &Part<'_>,
        expected: &BTreeMap<PartitionName, i64>,
        stop: &CancellationToken,
    ) -> Result<Result<BTreeMap<PartitionName, i64>, RefusedRows>, Unwritten> {
        let mut pause = FIRST_PAUSE;
        let mut doubted = false;
        loop {
            let tried = tokio::time::timeout(TRY_TIMEOUT, self.try_part(part, expected)).await;
            let error = match tried {
                Ok(Ok(ends)) => return Ok(Ok(ends)),
                Ok(Err(WriteError::Conflict(conflict))) => {
                    return Err(Unwritten::Conflict(conflict));
                }
                Ok(Err(WriteError::Refused(error))) if matches!(part, Part::Records(_)) => {
                    // A row without a partition is also refused by this code.
                    if error.code() == Some(&SqlState::CHECK_VIOLATION) && !doubted {
                        doubted = true;
                        self.days.doubt();
                        continue;
                    }
                    return Ok(Err(RefusedRows::new(&error)));
                }
                Ok(Err(error)) => error.in_words(),
                Err(_) => "no answer in time".to_owned(),
            };
            tracing::warn!(error, "PostgreSQL did not take a batch; trying again");
            let paused = stop.run_until_cancelled(tokio::time::sleep(pause)).await;
            if paused.is_none() {
                return Err(Unwritten::GivenUp);
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn try_part(
        &mut self,
        part: &Part<'_>,
        expected: &BTreeMap<PartitionName, i64>,
    ) -> Result<BTreeMap<PartitionName, i64>, WriteError> {
        let mut client = self.pool.get().await.map_err(WriteError::Connect)?;
        let told = part.read(&self.outcomes_topic, self.retention);
        let ends = told.ends.clone();
        let (rejected, of_dropped_days) = told.left_out();
        // Whatever goes wrong here says nothing about a row.
        self.days.ensure(&mut client, told.days()).await.map_err(WriteError::Failed)?;
        store::write(&mut client, told, expected).await?;
        self.tally.count(rejected, of_dropped_days);
        Ok(ends)
    }
}

/// What one transaction is to write.
enum Part<'a> {
    Records(&'a [Record]),
    /// A record whose rows PostgreSQL refuses, and what it said.
    SetAside(&'a Record, String),
}

impl Part<'_> {
    fn read(&self, outcomes_topic: &str, retention: Duration) -> Told {
        match self {
            Self::Records(records) => {
                let now = Timestamp::now();
                let first_kept = days::first_kept(now, retention);
                Told::by(*records, source(outcomes_topic), now, first_kept)
            }
            Self::SetAside(record, reason) => Told::of_refused(record, reason.clone()),
        }
    }
}

/// What PostgreSQL said to rows that it does not take.
struct RefusedRows {
    code: String,
    /// May repeat parts of the rows.
    said: String,
}

impl RefusedRows {
    fn new(error: &tokio_postgres::Error) -> Self {
        let code = error.code().map_or("", SqlState::code).to_owned();
        let said = error.as_db_error().map_or_else(|| error.to_string(), ToString::to_string);
        Self { code, said }
    }
}

fn set_aside(record: &Record, refusal: RefusedRows) -> Part<'_> {
    tracing::warn!(
        topic = %record.topic,
        partition = record.partition,
        offset = record.offset,
        code = refusal.code,
        "PostgreSQL refuses a record's rows; it is set aside"
    );
    Part::SetAside(record, refusal.said)
}

fn source(outcomes_topic: &str) -> impl Fn(&Record) -> Source {
    move |record| {
        if *record.topic == *outcomes_topic { Source::Outcomes } else { Source::Deliveries }
    }
}
