//! What the projection knows of deliveries and their attempts. Reads only.

use bytes::Bytes;
use jiff::Timestamp;
use pipeline::ids::{DeliveryId, SubscriptionId};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::standing::{Standing, Verdict, error_details};
use crate::storage::{Storage, StorageError};

/// A delivery with all of its attempts, oldest first.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct DeliveryStatus {
    pub id: DeliveryId,
    pub subscription_id: SubscriptionId,
    pub accepted_at: Timestamp,
    /// A word of [`pipeline::outcome::State`].
    pub state: String,
    /// The highest number of an attempt that was made.
    pub attempts_made: i32,
    pub last_attempt_at: Option<Timestamp>,
    pub last_http_status: Option<i32>,
    pub last_error: Option<String>,
    pub next_attempt_at: Option<Timestamp>,
    pub attempts: Vec<Attempt>,
}

/// One call to a receiver.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Attempt {
    /// Always the same for the same call: made of the place of its outcome record.
    pub id: Uuid,
    pub delivery_id: DeliveryId,
    pub subscription_id: SubscriptionId,
    pub number: i32,
    pub succeeded: bool,
    /// The delivery's state after it; a word of [`pipeline::outcome::State`].
    pub state: String,
    pub target_url: String,
    pub http_status: Option<i32>,
    pub error: Option<String>,
    pub attempted_at: Timestamp,
    pub next_attempt_at: Option<Timestamp>,
}

impl DeliveryStatus {
    pub(crate) fn standing(&self) -> Standing {
        Standing::of(&self.state)
    }

    /// What went wrong with the last attempt, if the delivery has not succeeded since.
    pub(crate) fn last_error(&self) -> Option<String> {
        let succeeded = self.standing() == Standing::Succeeded;
        error_details(succeeded, self.last_error.as_deref(), self.last_http_status)
    }
}

impl Attempt {
    pub(crate) fn verdict(&self) -> Verdict {
        Verdict::of(self.succeeded, &self.state)
    }

    pub(crate) fn error_details(&self) -> Option<String> {
        error_details(self.succeeded, self.error.as_deref(), self.http_status)
    }
}

macro_rules! attempt_columns {
    () => {
        "attempt.outcome_partition, attempt.outcome_offset, attempt.delivery_id, \
         attempt.subscription_id, attempt.attempt, attempt.succeeded, \
         attempt.state AS attempt_state, attempt.target_url, attempt.http_status, \
         attempt.error, attempt.attempted_at, attempt.next_attempt_at"
    };
}

/// One statement, so that the state and the attempts are of the same moment.
const DELIVERY: &str = concat!(
    "SELECT delivery.id, delivery.subscription_id AS owner_id, delivery.accepted_at, \
     delivery.state, delivery.attempts AS attempts_made, delivery.last_attempt_at, \
     delivery.last_http_status, delivery.last_error, \
     delivery.next_attempt_at AS next_due_at, ",
    attempt_columns!(),
    " FROM deliveries AS delivery LEFT JOIN delivery_attempts AS attempt \
     ON attempt.delivery_id = delivery.id AND attempt.accepted_at = delivery.accepted_at \
     WHERE delivery.id = $1 \
     ORDER BY attempt.attempted_at, attempt.outcome_partition, attempt.outcome_offset"
);
/// Apart from the rest: a join would repeat it for each attempt.
const PAYLOAD: &str = "SELECT payload FROM deliveries WHERE id = $1 AND payload IS NOT NULL";
const OF_SUBSCRIPTION: &str = concat!(
    "SELECT ",
    attempt_columns!(),
    " FROM delivery_attempts AS attempt WHERE attempt.subscription_id = $1 \
     ORDER BY attempt.attempted_at DESC, attempt.outcome_partition, attempt.outcome_offset DESC \
     LIMIT $2"
);
const ALL: &str = concat!(
    "SELECT ",
    attempt_columns!(),
    " FROM delivery_attempts AS attempt \
     ORDER BY attempt.attempted_at DESC, attempt.outcome_partition, attempt.outcome_offset DESC \
     OFFSET $1 LIMIT $2"
);

/// Reads the projection.
#[derive(Debug, Clone)]
pub(crate) struct StatusStore {
    storage: Storage,
}

impl StatusStore {
    pub(crate) fn new(storage: Storage) -> Self {
        Self { storage }
    }

    /// A delivery, if the projection has it already.
    ///
    /// # Errors
    /// Postgres is away.
    pub(crate) async fn delivery(
        &self,
        id: DeliveryId,
    ) -> Result<Option<DeliveryStatus>, StorageError> {
        let rows = self.storage.query(DELIVERY, &[&id.uuid()]).await?;
        let Some(first) = rows.first() else { return Ok(None) };
        // The outer join's one row without an attempt has no such offset.
        let made = |row: &&Row| row.try_get::<_, i64>("outcome_offset").is_ok();
        Ok(Some(DeliveryStatus {
            id,
            subscription_id: SubscriptionId::from_uuid(first.try_get("owner_id")?),
            accepted_at: first.try_get("accepted_at")?,
            state: first.try_get("state")?,
            attempts_made: first.try_get("attempts_made")?,
            last_attempt_at: first.try_get("last_attempt_at")?,
            last_http_status: first.try_get("last_http_status")?,
            last_error: first.try_get("last_error")?,
            next_attempt_at: first.try_get("next_due_at")?,
            attempts: rows.iter().filter(made).map(attempt).collect::<Result<_, _>>()?,
        }))
    }

    /// What a delivery delivers, if the projection has its own record already.
    ///
    /// # Errors
    /// Postgres is away.
    pub(crate) async fn payload(&self, id: DeliveryId) -> Result<Option<Bytes>, StorageError> {
        let rows = self.storage.query(PAYLOAD, &[&id.uuid()]).await?;
        let bytes: Option<Vec<u8>> = rows.first().map(|row| row.try_get(0)).transpose()?;
        Ok(bytes.map(Bytes::from))
    }

    /// The latest attempts of one subscription, newest first.
    ///
    /// # Errors
    /// Postgres is away.
    pub(crate) async fn attempts_of(
        &self,
        id: SubscriptionId,
        limit: i64,
    ) -> Result<Vec<Attempt>, StorageError> {
        let rows = self.storage.query(OF_SUBSCRIPTION, &[&id.uuid(), &limit]).await?;
        Ok(rows.iter().map(attempt).collect::<Result<_, _>>()?)
    }

    /// The latest attempts of all subscriptions, newest first.
    ///
    /// # Errors
    /// Postgres is away.
    pub(crate) async fn attempts(
        &self,
        skip: i64,
        limit: i64,
    ) -> Result<Vec<Attempt>, StorageError> {
        let rows = self.storage.query(ALL, &[&skip, &limit]).await?;
        Ok(rows.iter().map(attempt).collect::<Result<_, _>>()?)
    }
}

fn attempt(row: &Row) -> Result<Attempt, tokio_postgres::Error> {
    let delivery_id: Uuid = row.try_get("delivery_id")?;
    let partition: i32 = row.try_get("outcome_partition")?;
    let offset: i64 = row.try_get("outcome_offset")?;
    Ok(Attempt {
        id: Uuid::new_v5(&delivery_id, format!("{partition}/{offset}").as_bytes()),
        delivery_id: DeliveryId::from_uuid(delivery_id),
        subscription_id: SubscriptionId::from_uuid(row.try_get("subscription_id")?),
        number: row.try_get("attempt")?,
        succeeded: row.try_get("succeeded")?,
        state: row.try_get("attempt_state")?,
        target_url: row.try_get("target_url")?,
        http_status: row.try_get("http_status")?,
        error: row.try_get("error")?,
        attempted_at: row.try_get("attempted_at")?,
        next_attempt_at: row.try_get("next_attempt_at")?,
    })
}
