//! The transaction: rows and offsets change together, or not at all.
//!
//! The offsets move by compare-and-set, before anything else: of two projectors that write the
//! same records the second waits for the first, finds the offset moved, and rolls back
//! (`of_two_writes_from_the_same_offset_one_wins` in `tests/projection.rs`). Which rows are there
//! already is asked after that: whoever had the partitions before has written its own.
//!
//! `synchronous_commit` is off: a crash of PostgreSQL may lose the last transactions, each with
//! its offsets and all that follow it too, and they are read again from Kafka. Nobody is told
//! that a row is durable, so nothing is promised that could be broken.

mod attempts;
mod deliveries;
mod offsets;
mod rejects;

use std::collections::{BTreeMap, BTreeSet};

use deadpool_postgres::{Client, Pool, PoolError};
use fault_point::{CrashPoint, Defect};
use tokio_postgres::error::SqlState;

pub use self::offsets::{Conflict, positions};
use crate::fold::{PartitionName, Told};

/// The bounds: on each statement with its waits for locks, and on what a client that has
/// vanished in the middle can hold up others.
const BEGIN_SQL: &str = "SET LOCAL synchronous_commit = off; \
     SET LOCAL statement_timeout = '30s'; \
     SET LOCAL idle_in_transaction_session_timeout = '30s'";

/// Why rows were not written; in no case was any of them.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// Others have written these records.
    #[error(transparent)]
    Conflict(#[from] Conflict),
    /// A row is not acceptable, and will not be later.
    #[error("PostgreSQL refuses a row")]
    Refused(#[source] tokio_postgres::Error),
    /// It may pass.
    #[error("connect to PostgreSQL")]
    Connect(#[source] PoolError),
    /// It may pass.
    #[error("write rows")]
    Failed(#[source] tokio_postgres::Error),
}

impl WriteError {
    /// For the log: without the details that PostgreSQL adds, which may repeat a row.
    pub(crate) fn in_words(&self) -> String {
        match self {
            Self::Refused(error) | Self::Failed(error) => match error.as_db_error() {
                Some(said) => format!("{self}: {} ({})", said.message(), said.code().code()),
                None => format!("{self}: {error}"),
            },
            Self::Connect(error) => format!("{self}: {error}"),
            Self::Conflict(_) => self.to_string(),
        }
    }
}

impl From<tokio_postgres::Error> for WriteError {
    fn from(error: tokio_postgres::Error) -> Self {
        if error.code().is_some_and(is_about_data) {
            Self::Refused(error)
        } else {
            Self::Failed(error)
        }
    }
}

/// The classes that say something about a row and not about the server (PostgreSQL's manual,
/// appendix A): data exceptions, violated constraints, and limits that a row exceeds.
fn is_about_data(code: &SqlState) -> bool {
    ["22", "23", "54"].contains(&code.code().get(..2).unwrap_or_default())
}

/// Writes the rows of what was `told`, and moves the offsets of its partitions from where they
/// are expected to be.
///
/// The tables of its days must be there. Dropping the future rolls back, unless the
/// commit was already sent; the offsets tell which.
///
/// # Errors
/// See [`WriteError`]; a commit whose answer was lost is [`WriteError::Failed`], and the next
/// try of the same records then [`WriteError::Conflict`].
pub async fn write(
    client: &mut Client,
    told: Told,
    expected: &BTreeMap<PartitionName, i64>,
) -> Result<(), WriteError> {
    let mut transaction = client.transaction().await?;
    transaction.batch_execute(BEGIN_SQL).await?;
    offsets::advance(&transaction, expected, &told.ends).await?;
    if fault_point::defect(Defect::OffsetOutsideTransaction) {
        transaction.commit().await?;
        transaction = client.transaction().await?;
    }
    let known = match told.derived() {
        Some(derived) => deliveries::known(&transaction, &derived).await?,
        None => BTreeSet::new(),
    };
    let rows = told.into_rows(known);
    attempts::insert(&mut transaction, &rows.attempts).await?;
    deliveries::upsert(&transaction, &rows.deliveries).await?;
    rejects::insert(&transaction, &rows.rejects).await?;
    fault_point::crash(CrashPoint::ProjectorBeforeCommit);
    transaction.commit().await?;
    fault_point::crash(CrashPoint::ProjectorAfterCommit);
    Ok(())
}

/// Asks for something that needs the schema.
///
/// # Errors
/// PostgreSQL is away, or was not migrated.
pub async fn probe(pool: &Pool) -> anyhow::Result<()> {
    use anyhow::Context;
    let client = pool.get().await.context("connect to PostgreSQL")?;
    client
        .execute("SELECT FROM projector_offsets LIMIT 1", &[])
        .await
        .context("read the schema")?;
    Ok(())
}
