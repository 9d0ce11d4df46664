//! Deliveries with everything that hooklog's own API shows of them. Reads only.
//!
//! A search is a statement of its own for the filters that it has, so that each of them can be
//! answered by the index that is there for it (`docs/dashboards.md`); whatever a client says
//! goes in as a parameter. PostgreSQL ends a search that takes longer than [`BOUND`].

use std::time::Duration;

use jiff::Timestamp;
use pipeline::ids::{DeliveryId, SubscriptionId};
use pipeline::outcome::State;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use crate::storage::{Storage, StorageError};

/// How long one search may take.
const BOUND: Duration = Duration::from_secs(2);

/// A delivery as a list shows it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct OwnDelivery {
    pub id: DeliveryId,
    pub subscription_id: SubscriptionId,
    pub message_id: Uuid,
    pub event_type: Option<String>,
    /// A word of [`State`].
    pub state: String,
    pub reason: Option<String>,
    pub attempts: i32,
    pub accepted_at: Timestamp,
    pub last_attempt_at: Option<Timestamp>,
    pub next_attempt_at: Option<Timestamp>,
    pub last_http_status: Option<i32>,
    pub last_error_kind: Option<String>,
    pub last_error: Option<String>,
    pub replay_of: Option<Uuid>,
    /// `None` until the delivery's own record is projected.
    pub content_type: Option<String>,
    /// `None` if it is not stored.
    pub payload_bytes: Option<i32>,
}

/// A delivery, the beginning of its payload, and its calls, oldest first.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct OwnDeliveryStory {
    pub delivery: OwnDelivery,
    /// As much of it as was asked for; `None` if it is not stored.
    pub payload: Option<Vec<u8>>,
    pub calls: Vec<OwnAttempt>,
}

/// One call to a receiver.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct OwnAttempt {
    pub number: i32,
    /// The delivery's state after it.
    pub state: String,
    pub succeeded: bool,
    pub target_url: String,
    pub http_status: Option<i32>,
    pub error_kind: Option<String>,
    pub error: Option<String>,
    pub latency_micros: i64,
    pub response_excerpt: String,
    pub response_truncated: bool,
    pub attempted_at: Timestamp,
    pub next_attempt_at: Option<Timestamp>,
}

/// What a search looks for; everything that is set has to be so.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Search {
    /// Any of them; all if there are none.
    pub states: Vec<State>,
    pub subscription_id: Option<Uuid>,
    pub event_type: Option<String>,
    /// Inclusive.
    pub accepted_from: Option<Timestamp>,
    /// Exclusive.
    pub accepted_to: Option<Timestamp>,
    /// The first and the last status that the last call may have had.
    pub http_status: Option<(i32, i32)>,
    /// How at least one of its calls has failed.
    pub error_kind: Option<String>,
    /// Only what comes behind this one: its acceptance and its id.
    pub after: Option<(Timestamp, Uuid)>,
}

/// The longest event type that is in an index as a whole, in characters.
const INDEXED_TYPE: usize = 200;

macro_rules! delivery_columns {
    () => {
        "delivery.id, delivery.subscription_id, delivery.message_id, delivery.event_type, \
         delivery.state, delivery.reason, delivery.attempts, delivery.accepted_at, \
         delivery.last_attempt_at, delivery.next_attempt_at, delivery.last_http_status, \
         delivery.last_error, delivery.replay_of, delivery.content_type, \
         octet_length(delivery.payload) AS payload_bytes, \
         (SELECT attempt.error_kind FROM delivery_attempts AS attempt \
          WHERE attempt.delivery_id = delivery.id \
              AND attempt.accepted_at = delivery.accepted_at \
              AND attempt.attempted_at = delivery.last_attempt_at \
          LIMIT 1) AS last_error_kind"
    };
}

const ONE: &str = concat!(
    "SELECT ",
    delivery_columns!(),
    ", substring(delivery.payload FROM 1 FOR $2) AS payload \
     FROM deliveries AS delivery WHERE delivery.id = $1 \
     ORDER BY delivery.accepted_at LIMIT 1"
);

const CALLS: &str = "\
    SELECT attempt, state, succeeded, target_url, http_status, error_kind, error, \
        latency_micros, response_excerpt, response_truncated, attempted_at, next_attempt_at \
    FROM delivery_attempts WHERE delivery_id = $1 AND accepted_at = $2 \
    ORDER BY attempted_at, outcome_partition, outcome_offset";

/// Reads deliveries.
#[derive(Debug, Clone)]
pub(crate) struct OwnDeliveryStore {
    storage: Storage,
}

impl OwnDeliveryStore {
    pub(crate) fn new(storage: Storage) -> Self {
        Self { storage }
    }

    /// The newest deliveries that are searched for, at most `limit`.
    ///
    /// # Errors
    /// Postgres is away, or has too much to look through.
    pub(crate) async fn search(
        &self,
        search: &Search,
        limit: i64,
    ) -> Result<Vec<OwnDelivery>, StorageError> {
        let (sql, parameters) = statement(search, &limit);
        let reading = self.storage.reading(BOUND).await?;
        let rows = reading.query_once(&sql, &parameters).await?;
        reading.end().await?;
        Ok(rows.iter().map(delivery).collect::<Result<_, _>>()?)
    }

    /// A delivery with at most so many bytes of its payload, if the projection has it already.
    ///
    /// # Errors
    /// Postgres is away.
    pub(crate) async fn story(
        &self,
        id: DeliveryId,
        payload_bytes: i32,
    ) -> Result<Option<OwnDeliveryStory>, StorageError> {
        let reading = self.storage.reading(BOUND).await?;
        let found = reading.query(ONE, &[&id.uuid(), &payload_bytes]).await?;
        let Some(row) = found.first() else {
            reading.end().await?;
            return Ok(None);
        };
        let delivery = delivery(row)?;
        let calls = reading.query(CALLS, &[&id.uuid(), &delivery.accepted_at]).await?;
        reading.end().await?;
        Ok(Some(OwnDeliveryStory {
            delivery,
            payload: row.try_get("payload")?,
            calls: calls.iter().map(call).collect::<Result<_, _>>()?,
        }))
    }
}

type Parameter<'a> = &'a (dyn ToSql + Sync);

/// The statement of a search, and its parameters in their order.
fn statement<'a>(search: &'a Search, limit: &'a i64) -> (String, Vec<Parameter<'a>>) {
    let mut parameters: Vec<Parameter<'a>> = Vec::new();
    let mut next = |value: Parameter<'a>| {
        parameters.push(value);
        format!("${}", parameters.len())
    };
    // What a place in the list means is said of the columns that the list is ordered by.
    let by_calls = search.error_kind.is_some();
    let (at, id) = if by_calls {
        ("accepted_at", "delivery_id")
    } else {
        ("delivery.accepted_at", "delivery.id")
    };
    let mut place = Vec::new();
    if let Some((after_at, after_id)) = &search.after {
        let (after_at, after_id) = (next(after_at), next(after_id));
        // The first part alone says which days need not be looked at.
        place.push(format!("{at} <= {after_at} AND ({at}, {id}) < ({after_at}, {after_id})"));
    }
    if let Some(from) = &search.accepted_from {
        place.push(format!("{at} >= {}", next(from)));
    }
    if let Some(to) = &search.accepted_to {
        place.push(format!("{at} < {}", next(to)));
    }

    let mut rules = Vec::new();
    if !search.states.is_empty() {
        // Words of hooklog's own, and no parameters: only so is it known beforehand that an
        // index of some states has all that are asked for.
        let words: Vec<_> =
            search.states.iter().map(|state| format!("'{}'", state.as_str())).collect();
        rules.push(format!("delivery.state IN ({})", words.join(", ")));
    }
    if let Some(subscription) = &search.subscription_id {
        rules.push(format!("delivery.subscription_id = {}", next(subscription)));
    }
    if let Some(event_type) = &search.event_type {
        let event_type = next(event_type);
        rules.push(format!(
            "left(delivery.event_type, {INDEXED_TYPE}) = left({event_type}, {INDEXED_TYPE})"
        ));
        rules.push(format!("delivery.event_type = {event_type}"));
    }
    if let Some((first, last)) = &search.http_status {
        let (first_at, last_at) = (next(first), next(last));
        rules.push(format!("delivery.last_http_status BETWEEN {first_at} AND {last_at}"));
        // Whoever has been answered with a 2xx is delivered; there is an index of the others.
        if *first >= 300 {
            rules.push("delivery.state <> 'delivered'".to_owned());
        }
    }
    let columns = delivery_columns!();
    let sql = match &search.error_kind {
        None => {
            rules.extend(place);
            let rules = if rules.is_empty() { "true".to_owned() } else { rules.join(" AND ") };
            format!(
                "SELECT {columns} FROM deliveries AS delivery WHERE {rules} \
                 ORDER BY delivery.accepted_at DESC, delivery.id DESC LIMIT {}",
                next(limit)
            )
        }
        Some(kind) => {
            place.push(format!("error_kind = {}", next(kind)));
            rules.push("delivery.id = failed.delivery_id".to_owned());
            rules.push("delivery.accepted_at = failed.accepted_at".to_owned());
            format!(
                "SELECT {columns} FROM ( \
                     SELECT DISTINCT accepted_at, delivery_id FROM delivery_attempts \
                     WHERE NOT succeeded AND {} \
                     ORDER BY accepted_at DESC, delivery_id DESC) AS failed, \
                     deliveries AS delivery WHERE {} \
                 ORDER BY failed.accepted_at DESC, failed.delivery_id DESC LIMIT {}",
                place.join(" AND "),
                rules.join(" AND "),
                next(limit)
            )
        }
    };
    (sql, parameters)
}

fn delivery(row: &Row) -> Result<OwnDelivery, tokio_postgres::Error> {
    Ok(OwnDelivery {
        id: DeliveryId::from_uuid(row.try_get("id")?),
        subscription_id: SubscriptionId::from_uuid(row.try_get("subscription_id")?),
        message_id: row.try_get("message_id")?,
        event_type: row.try_get("event_type")?,
        state: row.try_get("state")?,
        reason: row.try_get("reason")?,
        attempts: row.try_get("attempts")?,
        accepted_at: row.try_get("accepted_at")?,
        last_attempt_at: row.try_get("last_attempt_at")?,
        next_attempt_at: row.try_get("next_attempt_at")?,
        last_http_status: row.try_get("last_http_status")?,
        last_error_kind: row.try_get("last_error_kind")?,
        last_error: row.try_get("last_error")?,
        replay_of: row.try_get("replay_of")?,
        content_type: row.try_get("content_type")?,
        payload_bytes: row.try_get("payload_bytes")?,
    })
}

fn call(row: &Row) -> Result<OwnAttempt, tokio_postgres::Error> {
    Ok(OwnAttempt {
        number: row.try_get("attempt")?,
        state: row.try_get("state")?,
        succeeded: row.try_get("succeeded")?,
        target_url: row.try_get("target_url")?,
        http_status: row.try_get("http_status")?,
        error_kind: row.try_get("error_kind")?,
        error: row.try_get("error")?,
        latency_micros: row.try_get("latency_micros")?,
        response_excerpt: row.try_get("response_excerpt")?,
        response_truncated: row.try_get("response_truncated")?,
        attempted_at: row.try_get("attempted_at")?,
        next_attempt_at: row.try_get("next_attempt_at")?,
    })
}
