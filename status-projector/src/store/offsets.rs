//! How far the projection has come in each partition.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context, ensure};
use deadpool_postgres::{Pool, Transaction};

use super::WriteError;
use crate::fold::PartitionName;

const BEGIN_SQL: &str = "\
    INSERT INTO projector_offsets (topic, partition, next_offset) \
    SELECT topic, partition, 0 FROM UNNEST($1::text[], $2::int[]) AS assigned (topic, partition) \
    ON CONFLICT DO NOTHING";

const READ_SQL: &str = "\
    SELECT topic, partition, next_offset FROM projector_offsets \
    JOIN UNNEST($1::text[], $2::int[]) AS assigned (topic, partition) USING (topic, partition)";

const ADVANCE_SQL: &str = "\
    UPDATE projector_offsets AS known SET next_offset = moved.next_offset \
    FROM UNNEST($1::text[], $2::int[], $3::bigint[], $4::bigint[]) \
        AS moved (topic, partition, expected, next_offset) \
    WHERE known.topic = moved.topic AND known.partition = moved.partition \
        AND known.next_offset = moved.expected";

/// The offsets in PostgreSQL are not where this projector left them.
#[derive(Debug, thiserror::Error)]
#[error("{moved} of {partitions} partitions of the batch are where this projector left them")]
pub struct Conflict {
    moved: u64,
    partitions: usize,
}

/// The offset of the next record of each partition; 0 for one that was never projected, which
/// is noted.
///
/// # Errors
/// PostgreSQL is away.
pub async fn positions(
    pool: &Pool,
    names: &[PartitionName],
) -> anyhow::Result<BTreeMap<PartitionName, i64>> {
    let topics: Vec<&str> = names.iter().map(|(topic, _)| &**topic).collect();
    let partitions: Vec<i32> = names.iter().map(|(_, partition)| *partition).collect();
    let client = pool.get().await.context("connect to PostgreSQL")?;
    client
        .execute(BEGIN_SQL, &[&topics, &partitions])
        .await
        .context("note partitions that were never projected")?;
    let rows = client
        .query(READ_SQL, &[&topics, &partitions])
        .await
        .context("read how far the projection has come")?;
    let positions: BTreeMap<PartitionName, i64> = rows
        .iter()
        .map(|row| ((Arc::from(row.get::<_, &str>(0)), row.get(1)), row.get(2)))
        .collect();
    ensure!(positions.len() == names.len(), "an offset has gone while it was read");
    Ok(positions)
}

/// Moves the offsets to `ends`, if each is where it is expected to be.
pub(super) async fn advance(
    transaction: &Transaction<'_>,
    expected: &BTreeMap<PartitionName, i64>,
    ends: &BTreeMap<PartitionName, i64>,
) -> Result<(), WriteError> {
    let topics: Vec<&str> = ends.keys().map(|(topic, _)| &**topic).collect();
    let partitions: Vec<i32> = ends.keys().map(|(_, partition)| *partition).collect();
    let from: Vec<i64> =
        ends.keys().map(|name| expected.get(name).copied().unwrap_or_default()).collect();
    let to: Vec<i64> = ends.values().copied().collect();
    let statement = transaction.prepare_cached(ADVANCE_SQL).await?;
    let moved = transaction.execute(&statement, &[&topics, &partitions, &from, &to]).await?;
    if moved == ends.len() as u64 {
        return Ok(());
    }
    Err(Conflict { moved, partitions: ends.len() }.into())
}
