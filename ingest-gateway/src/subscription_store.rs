//! Subscriptions in Postgres: the truth about them.
//!
//! Every change is one statement, and so one transaction: the row, its next version, and a row
//! of the outbox that [`crate::outbox_relay`] publishes it from. A deleted subscription keeps
//! its row without its secret, for deliveries and attempts still name it.

use pipeline::ids::SubscriptionId;
use pipeline::subscription::{SCHEMA, SecretText, Subscription};
use tokio_postgres::Row;

use crate::storage::{Storage, StorageError};

/// What a client decides about a subscription. Holds no NUL, which Postgres refuses in text.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub target_url: String,
    pub secret: Option<SecretText>,
    pub event_types: Option<Vec<String>>,
}

/// What [`subscription`] reads.
macro_rules! columns {
    () => {
        "id, version, target_url, secret, event_types, created_at, updated_at, \
         deleted_at IS NOT NULL AS deleted"
    };
}
pub(crate) const COLUMNS: &str = columns!();

/// Completes a statement that begins `WITH changed AS (... RETURNING *`: notes the change for
/// the relay, and returns the row.
macro_rules! noted {
    ($change:literal) => {
        concat!(
            "WITH changed AS (",
            $change,
            " RETURNING *), \
             noted AS (INSERT INTO subscription_outbox (subscription_id) SELECT id FROM changed) \
             SELECT ",
            columns!(),
            " FROM changed"
        )
    };
}

const CREATE: &str = noted!(
    "INSERT INTO subscriptions \
     (id, version, target_url, secret, event_types, created_at, updated_at) \
     VALUES ($1, 1, $2, $3, $4, now(), now())"
);
const REPLACE: &str = noted!(
    "UPDATE subscriptions \
     SET version = version + 1, target_url = $2, secret = $3, event_types = $4, \
         updated_at = now() \
     WHERE id = $1 AND deleted_at IS NULL"
);
const DELETE: &str = noted!(
    "UPDATE subscriptions \
     SET version = version + 1, secret = NULL, updated_at = now(), deleted_at = now() \
     WHERE id = $1 AND deleted_at IS NULL"
);
const READ: &str =
    concat!("SELECT ", columns!(), " FROM subscriptions WHERE id = $1 AND deleted_at IS NULL");
const LIST: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM subscriptions WHERE deleted_at IS NULL ORDER BY created_at, id OFFSET $1 LIMIT $2"
);

/// Reads and changes subscriptions.
#[derive(Debug, Clone)]
pub(crate) struct SubscriptionStore {
    storage: Storage,
}

impl SubscriptionStore {
    pub(crate) fn new(storage: Storage) -> Self {
        Self { storage }
    }

    /// Enters a new subscription in version 1.
    ///
    /// # Errors
    /// Postgres is away.
    pub(crate) async fn create(
        &self,
        id: SubscriptionId,
        wanted: &Wanted,
    ) -> Result<Subscription, StorageError> {
        let created = self.change(CREATE, id, wanted).await?;
        created.ok_or(StorageError::NoRow)
    }

    /// Replaces everything that a client decides; `None` if there is no such subscription.
    ///
    /// # Errors
    /// Postgres is away.
    pub(crate) async fn replace(
        &self,
        id: SubscriptionId,
        wanted: &Wanted,
    ) -> Result<Option<Subscription>, StorageError> {
        self.change(REPLACE, id, wanted).await
    }

    /// Marks it as deleted and forgets its secret; `None` if there is no such subscription.
    ///
    /// # Errors
    /// Postgres is away.
    pub(crate) async fn delete(
        &self,
        id: SubscriptionId,
    ) -> Result<Option<Subscription>, StorageError> {
        one(&self.storage.query(DELETE, &[&id.uuid()]).await?)
    }

    /// # Errors
    /// Postgres is away.
    pub(crate) async fn read(
        &self,
        id: SubscriptionId,
    ) -> Result<Option<Subscription>, StorageError> {
        one(&self.storage.query(READ, &[&id.uuid()]).await?)
    }

    /// A page, oldest first.
    ///
    /// # Errors
    /// Postgres is away.
    pub(crate) async fn list(
        &self,
        skip: i64,
        limit: i64,
    ) -> Result<Vec<Subscription>, StorageError> {
        let rows = self.storage.query(LIST, &[&skip, &limit]).await?;
        rows.iter().map(|row| Ok(subscription(row)?)).collect()
    }

    async fn change(
        &self,
        sql: &str,
        id: SubscriptionId,
        wanted: &Wanted,
    ) -> Result<Option<Subscription>, StorageError> {
        let secret = wanted.secret.as_ref().map(SecretText::expose);
        let rows = self
            .storage
            .query(sql, &[&id.uuid(), &wanted.target_url, &secret, &wanted.event_types])
            .await?;
        one(&rows)
    }
}

fn one(rows: &[Row]) -> Result<Option<Subscription>, StorageError> {
    Ok(rows.first().map(subscription).transpose()?)
}

/// Reads a row of [`COLUMNS`].
pub(crate) fn subscription(row: &Row) -> Result<Subscription, tokio_postgres::Error> {
    let version: i64 = row.try_get("version")?;
    let secret: Option<String> = row.try_get("secret")?;
    Ok(Subscription {
        schema: SCHEMA,
        id: SubscriptionId::from_uuid(row.try_get("id")?),
        version: version.unsigned_abs(),
        deleted: row.try_get("deleted")?,
        target_url: row.try_get("target_url")?,
        secret: secret.map(SecretText::Plain),
        event_types: row.try_get("event_types")?,
        created_at: row.try_get("created_at")?,
        updated_at: row.try_get("updated_at")?,
    })
}
