//! The rows of deliveries: the rules of [`crate::delivery_row`], as PostgreSQL applies them to
//! the row that it has; and which rows it has.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use deadpool_postgres::Transaction;
use jiff::Timestamp;
use pipeline::ids::DeliveryId;
use pipeline::outcome::Reason;
use serde_json::Value;
use tokio_postgres::Row;
use uuid::Uuid;

use crate::delivery_row::{Content, DeliveryKey, DeliveryRow, LastCall};
use crate::fold::Derived;

/// Goes down the primary keys of the days that the span touches.
const KNOWN_SQL: &str = "\
    SELECT id, accepted_at FROM deliveries \
    WHERE id = ANY($1) AND accepted_at BETWEEN $2 AND $3";

/// `later` is what the batch tells, `known` the row that is there.
const CONTENT_WINS: &str = "known.content_type IS NULL AND later.content_type IS NOT NULL";

const STANDING_WINS: &str = "\
    CASE WHEN later.state = 'delivered' THEN known.state <> 'delivered' \
        WHEN later.state IN ('dead_lettered', 'cancelled') \
            THEN known.state IN ('pending', 'retrying') \
        ELSE known.state IN ('pending', 'retrying') \
            AND (later.release, later.state_attempt) > (known.release, known.state_attempt) \
    END";

const CALL_WINS: &str = "\
    later.last_attempt_at IS NOT NULL AND (known.last_attempt_at IS NULL \
        OR (later.state = 'delivered', later.last_attempt_at) \
            > (known.state = 'delivered', known.last_attempt_at))";

const CONTENT: [&str; 7] = [
    "subscription_id",
    "message_id",
    "event_type",
    "content_type",
    "payload",
    "replay_of",
    "attributes",
];
const STANDING: [&str; 5] = ["state", "reason", "release", "state_attempt", "next_attempt_at"];
const CALL: [&str; 3] = ["last_attempt_at", "last_http_status", "last_error"];

/// A row that would not change is not written again.
static UPSERT_SQL: LazyLock<String> = LazyLock::new(|| {
    let rule = |wins: &'static str, columns: &'static [&'static str]| {
        columns.iter().map(move |column| {
            format!("{column} = CASE WHEN {wins} THEN later.{column} ELSE known.{column} END")
        })
    };
    let sets: Vec<String> = rule(CONTENT_WINS, &CONTENT)
        .chain(rule(STANDING_WINS, &STANDING))
        .chain(rule(CALL_WINS, &CALL))
        .chain(["attempts = GREATEST(known.attempts, later.attempts)".to_owned()])
        .collect();
    format!(
        "INSERT INTO deliveries AS known ( \
            id, accepted_at, subscription_id, message_id, event_type, content_type, payload, \
            replay_of, state, reason, release, state_attempt, next_attempt_at, attempts, \
            last_attempt_at, last_http_status, last_error, attributes) \
        SELECT * FROM UNNEST( \
            $1::uuid[], $2::timestamptz[], $3::uuid[], $4::uuid[], $5::text[], $6::text[], \
            $7::bytea[], $8::uuid[], $9::text[], $10::text[], $11::int[], $12::int[], \
            $13::timestamptz[], $14::int[], $15::timestamptz[], $16::int[], $17::text[], \
            $18::jsonb[]) \
        ON CONFLICT (id, accepted_at) DO UPDATE SET {} \
        WHERE ({CONTENT_WINS}) OR ({STANDING_WINS}) OR ({CALL_WINS}) \
            OR later.attempts > known.attempts",
        sets.join(", "),
    )
    // The name that PostgreSQL gives the row that was to be inserted.
    .replace("later.", "excluded.")
});

/// The rows of derived ids that are there.
pub(super) async fn known(
    transaction: &Transaction<'_>,
    derived: &Derived,
) -> Result<BTreeSet<DeliveryKey>, tokio_postgres::Error> {
    let ids: Vec<Uuid> = derived.ids.iter().map(|id| id.uuid()).collect();
    let statement = transaction.prepare_cached(KNOWN_SQL).await?;
    let rows = transaction.query(&statement, &[&ids, &derived.earliest, &derived.latest]).await?;
    let key =
        |row: &Row| DeliveryKey { id: DeliveryId::from_uuid(row.get(0)), accepted_at: row.get(1) };
    Ok(rows.iter().map(key).collect())
}

/// The rows are in the order of their keys: whoever writes some of the same waits, and no two
/// wait for each other.
///
/// As arrays and not by COPY into a table of this session: with batches of 4,000 records the two
/// were equally fast (`examples/copy_ratio.rs`).
pub(super) async fn upsert(
    transaction: &Transaction<'_>,
    rows: &BTreeMap<DeliveryKey, DeliveryRow>,
) -> Result<(), tokio_postgres::Error> {
    if rows.is_empty() {
        return Ok(());
    }
    fn column<'a, T>(
        rows: &'a BTreeMap<DeliveryKey, DeliveryRow>,
        of: impl Fn(&'a DeliveryRow) -> T,
    ) -> Vec<T> {
        rows.values().map(of).collect()
    }
    fn content<'a, T: 'a>(of: impl Fn(&'a Content) -> T) -> impl Fn(&'a DeliveryRow) -> Option<T> {
        move |row| row.content.as_ref().map(&of)
    }
    fn call<'a, T: 'a>(of: impl Fn(&'a LastCall) -> T) -> impl Fn(&'a DeliveryRow) -> Option<T> {
        move |row| row.last_call.as_ref().map(&of)
    }
    let statement = transaction.prepare_cached(&UPSERT_SQL).await?;
    transaction
        .execute(
            &statement,
            &[
                &column::<Uuid>(rows, |row| row.key.id.uuid()),
                &column::<Timestamp>(rows, |row| row.key.accepted_at),
                &column::<Uuid>(rows, |row| row.origin.subscription_id.uuid()),
                &column::<Uuid>(rows, |row| row.origin.message_id.uuid()),
                &column::<Option<&str>>(rows, |row| row.origin.event_type.as_deref()),
                &column::<Option<&str>>(rows, content(|content| content.content_type.as_str())),
                &column::<Option<&[u8]>>(rows, content(|content| &*content.payload)),
                &column::<Option<Uuid>>(rows, |row| {
                    row.content.as_ref().and_then(|content| content.replay_of).map(|id| id.uuid())
                }),
                &column::<&str>(rows, |row| row.standing.state.as_str()),
                &column::<Option<&str>>(rows, |row| row.standing.reason.map(Reason::as_str)),
                &column::<i32>(rows, |row| row.standing.release),
                &column::<i32>(rows, |row| row.standing.attempt),
                &column::<Option<Timestamp>>(rows, |row| row.standing.next_attempt_at),
                &column::<i32>(rows, |row| row.attempts),
                &column::<Option<Timestamp>>(rows, call(|call| call.attempted_at)),
                &column::<Option<i32>>(rows, |row| {
                    row.last_call.as_ref().and_then(|call| call.http_status)
                }),
                &column::<Option<&str>>(rows, |row| {
                    row.last_call.as_ref().and_then(|call| call.error.as_deref())
                }),
                &column::<Option<&Value>>(rows, |row| {
                    row.content.as_ref().and_then(|content| content.attributes.as_ref())
                }),
            ],
        )
        .await?;
    Ok(())
}
