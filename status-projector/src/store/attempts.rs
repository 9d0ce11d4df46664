//! The rows of calls.

use deadpool_postgres::Transaction;
use jiff::Timestamp;
use pipeline::outcome::Reason;
use uuid::Uuid;

use crate::attempt_row::AttemptRow;

/// Nothing here ever conflicts, unless somebody has set the offsets back by hand.
const INSERT_SQL: &str = "\
    INSERT INTO delivery_attempts ( \
        outcome_partition, outcome_offset, accepted_at, delivery_id, subscription_id, attempt, \
        succeeded, state, reason, target_url, http_status, error_kind, error, latency_micros, \
        response_excerpt, response_truncated, attempted_at, next_attempt_at) \
    SELECT * FROM UNNEST( \
        $1::int[], $2::bigint[], $3::timestamptz[], $4::uuid[], $5::uuid[], $6::int[], \
        $7::boolean[], $8::text[], $9::text[], $10::text[], $11::int[], $12::text[], \
        $13::text[], $14::bigint[], $15::text[], $16::boolean[], $17::timestamptz[], \
        $18::timestamptz[]) \
    ON CONFLICT DO NOTHING";

pub(super) async fn insert(
    transaction: &Transaction<'_>,
    rows: &[AttemptRow],
) -> Result<(), tokio_postgres::Error> {
    if rows.is_empty() {
        return Ok(());
    }
    fn column<'a, T>(rows: &'a [AttemptRow], of: impl Fn(&'a AttemptRow) -> T) -> Vec<T> {
        rows.iter().map(of).collect()
    }
    let statement = transaction.prepare_cached(INSERT_SQL).await?;
    transaction
        .execute(
            &statement,
            &[
                &column::<i32>(rows, |row| row.outcome_partition),
                &column::<i64>(rows, |row| row.outcome_offset),
                &column::<Timestamp>(rows, |row| row.accepted_at),
                &column::<Uuid>(rows, |row| row.delivery_id.uuid()),
                &column::<Uuid>(rows, |row| row.subscription_id.uuid()),
                &column::<i32>(rows, |row| row.attempt),
                &column::<bool>(rows, |row| row.succeeded),
                &column::<&str>(rows, |row| row.state.as_str()),
                &column::<Option<&str>>(rows, |row| row.reason.map(Reason::as_str)),
                &column::<&str>(rows, |row| &row.target_url),
                &column::<Option<i32>>(rows, |row| row.http_status),
                &column::<Option<&str>>(rows, |row| row.error_kind.as_deref()),
                &column::<Option<&str>>(rows, |row| row.error.as_deref()),
                &column::<i64>(rows, |row| row.latency_micros),
                &column::<&str>(rows, |row| &row.response_excerpt),
                &column::<bool>(rows, |row| row.response_truncated),
                &column::<Timestamp>(rows, |row| row.attempted_at),
                &column::<Option<Timestamp>>(rows, |row| row.next_attempt_at),
            ],
        )
        .await?;
    Ok(())
}
