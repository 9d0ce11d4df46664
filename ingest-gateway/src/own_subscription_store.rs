//! Subscriptions in Postgres with every column, for hooklog's own API.
//!
//! Writes as [`crate::subscription_store`] does: one statement, and so one transaction, for the
//! row, its next version and the outbox. A change names the version that it was made from, and
//! finds no row once there is another; the older contracts' `secret` is never touched here.

use std::collections::BTreeMap;

use jiff::Timestamp;
use pipeline::gone::Gone;
use pipeline::ids::SubscriptionId;
use pipeline::subscription::PauseReason;
use tokio_postgres::Row;
use tokio_postgres::types::Json;
use uuid::Uuid;

use crate::own_subscription::OwnSubscription;
use crate::storage::{Storage, StorageError};
use crate::subscription_store::{columns, noted, subscription};

const CREATE: &str = noted!(
    "INSERT INTO subscriptions \
     (id, version, target_url, event_types, options, verification, signing, paused, \
      description, labels, created_at, updated_at) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, now(), now())",
    ", description, labels"
);
const UPDATE: &str = noted!(
    "UPDATE subscriptions \
     SET version = version + 1, target_url = $3, event_types = $4, options = $5, \
         verification = $6, signing = $7, paused = $8, description = $9, labels = $10, \
         updated_at = now() \
     WHERE id = $1 AND version = $2 AND deleted_at IS NULL",
    ", description, labels"
);
const PAUSE_GONE: &str = noted!(
    "UPDATE subscriptions SET version = version + 1, paused = 'gone', updated_at = now() \
     WHERE id = $1 AND version = $2 AND deleted_at IS NULL AND paused IS NULL",
    ", description, labels"
);
const READ: &str = concat!(
    "SELECT ",
    columns!(),
    ", description, labels FROM subscriptions WHERE id = $1 AND deleted_at IS NULL"
);
const PAGE: &str = concat!(
    "SELECT ",
    columns!(),
    ", description, labels FROM subscriptions \
     WHERE deleted_at IS NULL AND (created_at, id) > ($1, $2) ORDER BY created_at, id LIMIT $3"
);

/// A place in the list of subscriptions: just after the one that was created then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct After {
    pub created_at: Timestamp,
    pub id: Uuid,
}

impl After {
    /// Before every subscription.
    pub(crate) const NOTHING: Self = Self { created_at: Timestamp::UNIX_EPOCH, id: Uuid::nil() };
}

/// Reads and changes subscriptions.
#[derive(Debug, Clone)]
pub(crate) struct OwnSubscriptionStore {
    storage: Storage,
}

impl OwnSubscriptionStore {
    pub(crate) fn new(storage: Storage) -> Self {
        Self { storage }
    }

    /// Enters a new subscription; its times are Postgres's.
    ///
    /// # Errors
    /// Postgres is away.
    pub(crate) async fn create(
        &self,
        wanted: &OwnSubscription,
    ) -> Result<OwnSubscription, StorageError> {
        self.write(CREATE, wanted).await?.ok_or(StorageError::NoRow)
    }

    /// Replaces everything, if the version is still the one that is given; `None` if it is not,
    /// or there is no such subscription any more.
    ///
    /// # Errors
    /// Postgres is away.
    pub(crate) async fn update(
        &self,
        wanted: &OwnSubscription,
    ) -> Result<Option<OwnSubscription>, StorageError> {
        self.write(UPDATE, wanted).await
    }

    /// Pauses the version whose receiver is gone; `None` if the subscription has another one by
    /// now, or is paused or deleted.
    ///
    /// # Errors
    /// Postgres is away.
    pub(crate) async fn pause_gone(
        &self,
        mark: Gone,
    ) -> Result<Option<OwnSubscription>, StorageError> {
        let (id, version) = (mark.subscription_id.uuid(), mark.version.cast_signed());
        one(&self.storage.query(PAUSE_GONE, &[&id, &version]).await?)
    }

    /// # Errors
    /// Postgres is away.
    pub(crate) async fn read(
        &self,
        id: SubscriptionId,
    ) -> Result<Option<OwnSubscription>, StorageError> {
        one(&self.storage.query(READ, &[&id.uuid()]).await?)
    }

    /// The next ones, oldest first. What is created or deleted meanwhile moves no other one
    /// from its page.
    ///
    /// # Errors
    /// Postgres is away.
    pub(crate) async fn page(
        &self,
        after: After,
        limit: i64,
    ) -> Result<Vec<OwnSubscription>, StorageError> {
        let rows = self.storage.query(PAGE, &[&after.created_at, &after.id, &limit]).await?;
        rows.iter().map(|row| Ok(own_subscription(row)?)).collect()
    }

    async fn write(
        &self,
        sql: &str,
        wanted: &OwnSubscription,
    ) -> Result<Option<OwnSubscription>, StorageError> {
        let OwnSubscription { record, description, labels } = wanted;
        let version = record.version.cast_signed();
        let rows = self
            .storage
            .query(
                sql,
                &[
                    &record.id.uuid(),
                    &version,
                    &record.target_url,
                    &record.event_types,
                    &Json(&record.options),
                    &record.verification.as_ref().map(Json),
                    &record.signing.as_ref().map(Json),
                    &record.paused.map(PauseReason::as_str),
                    description,
                    &Json(labels),
                ],
            )
            .await?;
        one(&rows)
    }
}

fn one(rows: &[Row]) -> Result<Option<OwnSubscription>, StorageError> {
    Ok(rows.first().map(own_subscription).transpose()?)
}

fn own_subscription(row: &Row) -> Result<OwnSubscription, tokio_postgres::Error> {
    let Json(labels): Json<BTreeMap<String, String>> = row.try_get("labels")?;
    let description = row.try_get("description")?;
    Ok(OwnSubscription { record: subscription(row)?, description, labels })
}
