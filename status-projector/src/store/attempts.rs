//! The rows of calls: a log, to which rows are copied.

use std::pin::pin;

use deadpool_postgres::Transaction;
use pipeline::outcome::Reason;
use tokio_postgres::Statement;
use tokio_postgres::binary_copy::BinaryCopyInWriter;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;

use crate::attempt_row::AttemptRow;

const COLUMNS: &str = "\
    outcome_partition, outcome_offset, accepted_at, delivery_id, subscription_id, attempt, \
    succeeded, state, reason, target_url, http_status, error_kind, error, latency_micros, \
    response_excerpt, response_truncated, attempted_at, next_attempt_at";

const TYPES: [Type; 18] = [
    Type::INT4,
    Type::INT8,
    Type::TIMESTAMPTZ,
    Type::UUID,
    Type::UUID,
    Type::INT4,
    Type::BOOL,
    Type::TEXT,
    Type::TEXT,
    Type::TEXT,
    Type::INT4,
    Type::TEXT,
    Type::TEXT,
    Type::INT8,
    Type::TEXT,
    Type::BOOL,
    Type::TIMESTAMPTZ,
    Type::TIMESTAMPTZ,
];

/// Where rows go of which some are there already.
const STAGING: &str = "attempts_told";

/// Adds the rows that are not there yet.
///
/// None is, unless PostgreSQL has lost its last offsets and not the rows, or somebody has set
/// the offsets back. COPY knows no exception for that case, so it is tried first, and given up
/// to a savepoint if a row is there.
pub(super) async fn insert(
    transaction: &mut Transaction<'_>,
    rows: &[AttemptRow],
) -> Result<(), tokio_postgres::Error> {
    if rows.is_empty() {
        return Ok(());
    }
    let attempt = transaction.transaction().await?;
    let statement = attempt.prepare_cached(&copy_sql("delivery_attempts")).await?;
    match copy(&attempt, &statement, rows).await {
        Ok(()) => attempt.commit().await,
        Err(error) if error.code() == Some(&SqlState::UNIQUE_VIOLATION) => {
            attempt.rollback().await?;
            insert_missing(transaction, rows).await
        }
        Err(error) => Err(error),
    }
}

async fn insert_missing(
    transaction: &Transaction<'_>,
    rows: &[AttemptRow],
) -> Result<(), tokio_postgres::Error> {
    let stage = format!(
        "CREATE TEMPORARY TABLE {STAGING} ON COMMIT DROP \
         AS SELECT {COLUMNS} FROM delivery_attempts WITH NO DATA"
    );
    transaction.batch_execute(&stage).await?;
    let statement = transaction.prepare(&copy_sql(STAGING)).await?;
    copy(transaction, &statement, rows).await?;
    let insert = format!(
        "INSERT INTO delivery_attempts ({COLUMNS}) SELECT {COLUMNS} FROM {STAGING} \
         ON CONFLICT DO NOTHING"
    );
    transaction.execute(&insert, &[]).await?;
    Ok(())
}

fn copy_sql(table: &str) -> String {
    format!("COPY {table} ({COLUMNS}) FROM STDIN (FORMAT binary)")
}

async fn copy(
    transaction: &Transaction<'_>,
    statement: &Statement,
    rows: &[AttemptRow],
) -> Result<(), tokio_postgres::Error> {
    let sink = transaction.copy_in(statement).await?;
    let mut writer = pin!(BinaryCopyInWriter::new(sink, &TYPES));
    for row in rows {
        writer
            .as_mut()
            .write(&[
                &row.outcome_partition,
                &row.outcome_offset,
                &row.accepted_at,
                &row.delivery_id.uuid(),
                &row.subscription_id.uuid(),
                &row.attempt,
                &row.succeeded,
                &row.state.as_str(),
                &row.reason.map(Reason::as_str),
                &row.target_url,
                &row.http_status,
                &row.error_kind,
                &row.error,
                &row.latency_micros,
                &row.response_excerpt,
                &row.response_truncated,
                &row.attempted_at,
                &row.next_attempt_at,
            ])
            .await?;
    }
    writer.finish().await?;
    Ok(())
}
