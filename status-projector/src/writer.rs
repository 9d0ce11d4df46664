//! Writes one batch after the other, and each until it is written.
//!
//! PostgreSQL may be away: the writer tries again, with growing pauses, until it is back or the
//! projector stops. It may refuse a row: the batch is halved until the record that is to blame
//! stands alone, and that one is set aside. Each part is a transaction of its own that moves
//! the offsets just past its records, so a crash between two parts repeats nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use deadpool_postgres::Pool;
use jiff::Timestamp;
use kafka_loop::record::Record;
use tokio::sync::mpsc::Receiver;
use tokio_postgres::error::SqlState;
use tokio_util::sync::CancellationToken;

use crate::day_partitions::DayPartitions;
use crate::fold::{PartitionName, Rows};
use crate::gatherer::Batch;
use crate::reading::Source;
use crate::store::{self, Conflict, WriteError};

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
    days: DayPartitions,
}

/// Why a batch is not written.
enum Unwritten {
    /// The projector stops.
    GivenUp,
    Conflict(Conflict),
}

impl Writer {
    pub fn new(pool: Pool, outcomes_topic: String) -> Self {
        Self { pool, outcomes_topic, days: DayPartitions::default() }
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
            let expected = std::mem::take(&mut batch.expected);
            match self.write(&batch.records, expected, stop).await {
                Ok(()) => batch.finish(),
                Err(Unwritten::GivenUp) => batch.forget(),
                Err(Unwritten::Conflict(conflict)) => {
                    batch.forget();
                    return Err(conflict);
                }
            }
        }
        Ok(())
    }

    async fn write(
        &mut self,
        records: &[Record],
        mut expected: BTreeMap<PartitionName, i64>,
        stop: &CancellationToken,
    ) -> Result<(), Unwritten> {
        // Parts still to be written, the next one last.
        let mut parts = vec![records];
        while let Some(part) = parts.pop() {
            let rows = Rows::of(part, source(&self.outcomes_topic), Timestamp::now());
            match (self.write_rows(&rows, &expected, stop).await?, part) {
                (None, _) => expected.extend(rows.ends),
                (Some(refusal), [record]) => {
                    let rows = set_aside(record, refusal);
                    self.write_rows(&rows, &expected, stop).await?;
                    expected.extend(rows.ends);
                }
                (Some(_), _) => {
                    let (first, second) = part.split_at(part.len() / 2);
                    parts.extend([second, first]);
                }
            }
        }
        Ok(())
    }

    /// One transaction, tried until PostgreSQL has taken it, or has refused one of its rows.
    /// What only sets records aside is never refused.
    async fn write_rows(
        &mut self,
        rows: &Rows,
        expected: &BTreeMap<PartitionName, i64>,
        stop: &CancellationToken,
    ) -> Result<Option<RefusedRows>, Unwritten> {
        let mut pause = FIRST_PAUSE;
        let mut doubted = false;
        loop {
            let tried = tokio::time::timeout(TRY_TIMEOUT, self.try_rows(rows, expected)).await;
            let error = match tried {
                Ok(Ok(())) => return Ok(None),
                Ok(Err(WriteError::Conflict(conflict))) => {
                    return Err(Unwritten::Conflict(conflict));
                }
                Ok(Err(WriteError::Refused(error))) if !rows.deliveries.is_empty() => {
                    // A row without a partition is also refused by this code.
                    if error.code() == Some(&SqlState::CHECK_VIOLATION) && !doubted {
                        doubted = true;
                        self.days.doubt();
                        continue;
                    }
                    return Ok(Some(RefusedRows::new(&error)));
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

    async fn try_rows(
        &mut self,
        rows: &Rows,
        expected: &BTreeMap<PartitionName, i64>,
    ) -> Result<(), WriteError> {
        let mut client = self.pool.get().await.map_err(WriteError::Connect)?;
        // Whatever goes wrong here says nothing about a row.
        self.days.ensure(&mut client, rows.days()).await.map_err(WriteError::Failed)?;
        store::write(&mut client, rows, expected).await
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

fn set_aside(record: &Record, refusal: RefusedRows) -> Rows {
    tracing::warn!(
        topic = %record.topic,
        partition = record.partition,
        offset = record.offset,
        code = refusal.code,
        "PostgreSQL refuses a record's rows; it is set aside"
    );
    Rows::of_refused(record, refusal.said)
}

fn source(outcomes_topic: &str) -> impl Fn(&Record) -> Source {
    move |record| {
        if *record.topic == *outcomes_topic { Source::Outcomes } else { Source::Deliveries }
    }
}
