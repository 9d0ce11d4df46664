//! Subscriptions in Postgres: the truth about them.
//!
//! Every change is one statement, and so one transaction: the row, its next version, and a row
//! of the outbox that [`crate::outbox_relay`] publishes it from. A deleted subscription keeps
//! its row without its secrets and settings, for deliveries and attempts still name it.
//!
//! A secret that is written through an older contract verifies and signs from then on: it takes
//! the place of a verification and a signing of hooklog's own. Writing a null leaves those two.

use pipeline::ids::SubscriptionId;
use pipeline::subscription::{PauseReason, SCHEMA, SecretText, Subscription};
use serde::de::DeserializeOwned;
use tokio_postgres::Row;
use tokio_postgres::types::Json;

use crate::storage::{Storage, StorageError};

/// What a client of an older contract decides about a subscription. Holds no NUL, which Postgres refuses in text.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub target_url: String,
    pub secret: Option<SecretText>,
    pub event_types: Option<Vec<String>>,
}

/// What a client changes about a subscription; what is `None` stays as it is.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Amendment {
    pub target_url: Option<String>,
    pub secret: Option<Option<SecretText>>,
    pub event_types: Option<Option<Vec<String>>>,
}

/// What [`subscription`] reads.
macro_rules! columns {
    () => {
        "id, version, target_url, secret, event_types, options, verification, signing, paused, \
         created_at, updated_at, deleted_at IS NOT NULL AS deleted"
    };
}
pub(crate) const COLUMNS: &str = columns!();

/// Completes a statement that begins `WITH changed AS (... RETURNING *`: notes the change for
/// the relay, and returns the row, with more columns if some are named.
macro_rules! noted {
    ($change:literal $(, $more:literal)?) => {
        concat!(
            "WITH changed AS (",
            $change,
            " RETURNING *), \
             noted AS (INSERT INTO subscription_outbox (subscription_id) SELECT id FROM changed) \
             SELECT ",
            columns!(),
            $($more,)?
            " FROM changed"
        )
    };
}
pub(crate) use {columns, noted};

const CREATE: &str = noted!(
    "INSERT INTO subscriptions \
     (id, version, target_url, secret, event_types, created_at, updated_at) \
     VALUES ($1, 1, $2, $3, $4, now(), now())"
);
const REPLACE: &str = noted!(
    "UPDATE subscriptions \
     SET version = version + 1, target_url = $2, secret = $3, event_types = $4, \
         verification = CASE WHEN $3::text IS NULL THEN verification END, \
         signing = CASE WHEN $3::text IS NULL THEN signing END, \
         updated_at = now() \
     WHERE id = $1 AND deleted_at IS NULL"
);
/// Two amendments at once are both in the row, for each one reads what the other has written.
const AMEND: &str = noted!(
    "UPDATE subscriptions \
     SET version = version + 1, \
         target_url = COALESCE($2, target_url), \
         secret = CASE WHEN $3 THEN $4 ELSE secret END, \
         event_types = CASE WHEN $5 THEN $6 ELSE event_types END, \
         verification = CASE WHEN $3 AND $4::text IS NOT NULL THEN NULL ELSE verification END, \
         signing = CASE WHEN $3 AND $4::text IS NOT NULL THEN NULL ELSE signing END, \
         updated_at = now() \
     WHERE id = $1 AND deleted_at IS NULL"
);
/// `$2` is the only version that is deleted, or null for whichever there is.
const DELETE: &str = noted!(
    "UPDATE subscriptions \
     SET version = version + 1, secret = NULL, verification = NULL, signing = NULL, \
         options = '{}', description = NULL, labels = '{}', \
         updated_at = now(), deleted_at = now() \
     WHERE id = $1 AND ($2::bigint IS NULL OR version = $2) AND deleted_at IS NULL"
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

    /// Changes what the amendment names; `None` if there is no such subscription.
    ///
    /// # Errors
    /// Postgres is away.
    pub(crate) async fn amend(
        &self,
        id: SubscriptionId,
        amendment: &Amendment,
    ) -> Result<Option<Subscription>, StorageError> {
        let Amendment { target_url, secret, event_types } = amendment;
        let (set_secret, secret) = (secret.is_some(), secret.as_ref().and_then(Option::as_ref));
        let (set_types, event_types) =
            (event_types.is_some(), event_types.as_ref().and_then(Option::as_ref));
        let secret = secret.map(SecretText::expose);
        let rows = self
            .storage
            .query(AMEND, &[&id.uuid(), target_url, &set_secret, &secret, &set_types, &event_types])
            .await?;
        one(&rows)
    }

    /// Marks it as deleted and forgets its secret; `None` if there is no such subscription.
    ///
    /// # Errors
    /// Postgres is away.
    pub(crate) async fn delete(
        &self,
        id: SubscriptionId,
    ) -> Result<Option<Subscription>, StorageError> {
        one(&self.storage.query(DELETE, &[&id.uuid(), &None::<i64>]).await?)
    }

    /// The same, but only while it has this version.
    ///
    /// # Errors
    /// Postgres is away.
    pub(crate) async fn delete_version(
        &self,
        id: SubscriptionId,
        version: u64,
    ) -> Result<Option<Subscription>, StorageError> {
        let version = Some(version.cast_signed());
        one(&self.storage.query(DELETE, &[&id.uuid(), &version]).await?)
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
    let paused: Option<String> = row.try_get("paused")?;
    Ok(Subscription {
        schema: SCHEMA,
        id: SubscriptionId::from_uuid(row.try_get("id")?),
        version: version.unsigned_abs(),
        deleted: row.try_get("deleted")?,
        target_url: row.try_get("target_url")?,
        secret: secret.map(SecretText::Plain),
        event_types: row.try_get("event_types")?,
        options: json(row, "options")?.unwrap_or_default(),
        verification: json(row, "verification")?,
        signing: json(row, "signing")?,
        paused: paused.as_deref().and_then(PauseReason::from_word),
        created_at: row.try_get("created_at")?,
        updated_at: row.try_get("updated_at")?,
    })
}

fn json<T: DeserializeOwned>(row: &Row, column: &str) -> Result<Option<T>, tokio_postgres::Error> {
    row.try_get::<_, Option<Json<T>>>(column).map(|read| read.map(|Json(read)| read))
}
