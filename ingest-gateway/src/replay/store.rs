//! Replays as clients make, read and cancel them.

use jiff::Timestamp;
use pipeline::outcome::State;
use tokio_postgres::Row;
use uuid::Uuid;

use crate::storage::{Storage, StorageError};

/// Replays that may be running; the further ones of these wait for their turn.
pub(crate) const MOST_RUNNING: i64 = 100;

/// The states that a delivery ends in: only what has ended is replayed.
pub(crate) const ENDS: [State; 3] = [State::Delivered, State::DeadLettered, State::Cancelled];

/// Which deliveries are replayed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Scope {
    /// Accepted then or later.
    pub from: Timestamp,
    /// Accepted earlier.
    pub to: Timestamp,
    /// Some of [`ENDS`].
    pub states: Vec<State>,
    pub subscription_id: Option<Uuid>,
    pub event_type: Option<String>,
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub scope: Scope,
    /// Where all of them go; each to its own subscription if it is `None`.
    pub to_subscription_id: Option<Uuid>,
    pub description: Option<String>,
}

/// A replay, and how far it has come.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Replay {
    pub id: Uuid,
    pub wanted: Wanted,
    /// `running`, `done`, `cancelled` or `failed`.
    pub state: String,
    pub error: Option<String>,
    /// How many there were to begin with, if that was counted.
    pub total: Option<i64>,
    /// Written as new deliveries.
    pub published: i64,
    /// Of those, the ones that have ended.
    pub finished: i64,
    pub delivered: i64,
    pub dead_lettered: i64,
    /// Left out: not stored, not wanted by where they should go, or nowhere to go.
    pub skipped: i64,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub ended_at: Option<Timestamp>,
}

/// The columns of [`Replay::of`].
pub(super) const COLUMNS: &str = "\
    id, accepted_from, accepted_to, states, subscription_id, event_type, to_subscription_id, \
    description, state, error, total, published, finished, delivered, dead_lettered, skipped, \
    created_at, updated_at, ended_at";

impl Replay {
    pub(super) fn of(row: &Row) -> Result<Self, tokio_postgres::Error> {
        let states: Vec<String> = row.try_get("states")?;
        let is_told = |state: &State| states.iter().any(|word| word == state.as_str());
        Ok(Self {
            id: row.try_get("id")?,
            wanted: Wanted {
                scope: Scope {
                    from: row.try_get("accepted_from")?,
                    to: row.try_get("accepted_to")?,
                    states: ENDS.into_iter().filter(is_told).collect(),
                    subscription_id: row.try_get("subscription_id")?,
                    event_type: row.try_get("event_type")?,
                },
                to_subscription_id: row.try_get("to_subscription_id")?,
                description: row.try_get("description")?,
            },
            state: row.try_get("state")?,
            error: row.try_get("error")?,
            total: row.try_get("total")?,
            published: row.try_get("published")?,
            finished: row.try_get("finished")?,
            delivered: row.try_get("delivered")?,
            dead_lettered: row.try_get("dead_lettered")?,
            skipped: row.try_get("skipped")?,
            created_at: row.try_get("created_at")?,
            updated_at: row.try_get("updated_at")?,
            ended_at: row.try_get("ended_at")?,
        })
    }
}

/// Reads and writes replays.
#[derive(Debug, Clone)]
pub(crate) struct ReplayStore {
    storage: Storage,
}

/// What became of a request to cancel one.
#[derive(Debug, PartialEq)]
pub(crate) enum Cancel {
    Done(Box<Replay>),
    NotRunning,
    Unknown,
}

impl ReplayStore {
    pub(crate) fn new(storage: Storage) -> Self {
        Self { storage }
    }

    /// Makes a replay, or none if [`MOST_RUNNING`] are running.
    ///
    /// # Errors
    /// Postgres is away.
    pub(crate) async fn create(
        &self,
        id: Uuid,
        wanted: &Wanted,
    ) -> Result<Option<Replay>, StorageError> {
        let Wanted { scope, to_subscription_id, description } = wanted;
        let states: Vec<&str> = scope.states.iter().map(|state| state.as_str()).collect();
        // What is accepted from now on may be this replay's own work.
        let sql = format!(
            "INSERT INTO replays (id, accepted_from, accepted_to, states, subscription_id, \
                 event_type, to_subscription_id, description, state, created_at, updated_at) \
             SELECT $1, $2, least($3, now()), $4, $5, $6, $7, $8, 'running', now(), now() \
             WHERE (SELECT count(*) FROM replays WHERE state = 'running') < $9 \
             RETURNING {COLUMNS}"
        );
        let rows = self
            .storage
            .query(
                &sql,
                &[
                    &id,
                    &scope.from,
                    &scope.to,
                    &states,
                    &scope.subscription_id,
                    &scope.event_type,
                    to_subscription_id,
                    description,
                    &MOST_RUNNING,
                ],
            )
            .await?;
        one(&rows)
    }

    /// # Errors
    /// Postgres is away.
    pub(crate) async fn read(&self, id: Uuid) -> Result<Option<Replay>, StorageError> {
        let sql = format!("SELECT {COLUMNS} FROM replays WHERE id = $1");
        one(&self.storage.query(&sql, &[&id]).await?)
    }

    /// The newest ones behind a place in the list, at most `limit`.
    ///
    /// # Errors
    /// Postgres is away.
    pub(crate) async fn page(
        &self,
        after: Option<(Timestamp, Uuid)>,
        limit: i64,
    ) -> Result<Vec<Replay>, StorageError> {
        let (at, id) = after.unzip();
        let sql = format!(
            "SELECT {COLUMNS} FROM replays \
             WHERE $1::timestamptz IS NULL OR (created_at, id) < ($1, $2) \
             ORDER BY created_at DESC, id DESC LIMIT $3"
        );
        let rows = self.storage.query(&sql, &[&at, &id, &limit]).await?;
        Ok(rows.iter().map(Replay::of).collect::<Result<_, _>>()?)
    }

    /// Ends one that is running. What it has written goes on.
    ///
    /// # Errors
    /// Postgres is away.
    pub(crate) async fn cancel(&self, id: Uuid) -> Result<Cancel, StorageError> {
        let sql = format!(
            "UPDATE replays SET state = 'cancelled', ended_at = now(), updated_at = now() \
             WHERE id = $1 AND state = 'running' RETURNING {COLUMNS}"
        );
        if let Some(cancelled) = one(&self.storage.query(&sql, &[&id]).await?)? {
            return Ok(Cancel::Done(Box::new(cancelled)));
        }
        let known = self.read(id).await?;
        Ok(known.map_or(Cancel::Unknown, |_| Cancel::NotRunning))
    }
}

fn one(rows: &[Row]) -> Result<Option<Replay>, StorageError> {
    Ok(rows.first().map(Replay::of).transpose()?)
}
