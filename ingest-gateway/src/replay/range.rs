//! The deliveries that a replay is about, oldest first, page by page.
//!
//! A page is asked for within a slice of the range, and a slice in which Postgres finds too much
//! to look through is made shorter: so a rare event type of a busy week is found too, and no
//! statement takes longer than [`BOUND`].

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use pipeline::ids::DeliveryId;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use crate::replay::store::Scope;
use crate::storage::{Storage, StorageError};

/// How long one statement may take.
const BOUND: Duration = Duration::from_secs(2);
const SHORTEST_SLICE: SignedDuration = SignedDuration::from_secs(1);
/// The longest event type that is in an index as a whole, in characters.
const INDEXED_TYPE: usize = 200;

/// An original, by its row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Found {
    pub id: DeliveryId,
    pub accepted_at: Timestamp,
}

/// How far a replay has planned: everything up to this acceptance and id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Planned {
    pub at: Timestamp,
    pub id: Uuid,
}

/// A page, and how far it has come.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct RangePage {
    pub found: Vec<Found>,
    pub planned: Planned,
    /// Nothing comes behind it.
    pub is_last: bool,
}

/// Goes through a range.
#[derive(Debug, Clone)]
pub(crate) struct Range {
    storage: Storage,
    scope: Scope,
    slice: SignedDuration,
}

impl Range {
    pub(crate) fn new(storage: Storage, scope: Scope) -> Self {
        let slice = scope.to.duration_since(scope.from).max(SHORTEST_SLICE);
        Self { storage, scope, slice }
    }

    /// How many there are; `None` if it takes too long to count.
    ///
    /// # Errors
    /// Postgres is away.
    pub(crate) async fn count(&self) -> Result<Option<i64>, StorageError> {
        let (rules, parameters) = self.rules(&self.scope.to, None);
        let sql = format!("SELECT count(*) FROM deliveries WHERE {rules}");
        let reading = self.storage.reading(BOUND).await?;
        match reading.query(&sql, &parameters).await {
            Err(StorageError::TooMuch) => Ok(None),
            counted => {
                let count = counted?.first().ok_or(StorageError::NoRow)?.try_get(0)?;
                reading.end().await?;
                Ok(Some(count))
            }
        }
    }

    /// The next page behind `planned`, of at most `limit`. It may be empty and not the last one.
    ///
    /// # Errors
    /// Postgres is away, or too slow even for the shortest slice.
    pub(crate) async fn page(
        &mut self,
        planned: Option<Planned>,
        limit: usize,
    ) -> Result<RangePage, StorageError> {
        let start = planned.map_or(self.scope.from, |planned| planned.at);
        loop {
            let end = self.slice_end(start);
            match self.read(planned, end, limit).await {
                Err(StorageError::TooMuch) if self.slice > SHORTEST_SLICE => {
                    self.slice = (self.slice / 4).max(SHORTEST_SLICE);
                }
                found => return Ok(self.told(found?, end, limit)),
            }
        }
    }

    fn slice_end(&self, start: Timestamp) -> Timestamp {
        start.checked_add(self.slice).map_or(self.scope.to, |end| end.min(self.scope.to))
    }

    fn told(&mut self, found: Vec<Found>, end: Timestamp, limit: usize) -> RangePage {
        match found.last().filter(|_| found.len() >= limit) {
            Some(last) => {
                let planned = Planned { at: last.accepted_at, id: last.id.uuid() };
                RangePage { found, planned, is_last: false }
            }
            None => {
                self.slice = self.slice.checked_mul(2).unwrap_or(self.slice);
                let planned = Planned { at: end, id: Uuid::nil() };
                RangePage { found, planned, is_last: end >= self.scope.to }
            }
        }
    }

    async fn read(
        &self,
        planned: Option<Planned>,
        end: Timestamp,
        limit: usize,
    ) -> Result<Vec<Found>, StorageError> {
        let (rules, mut parameters) = self.rules(&end, planned.as_ref());
        let most = limit as i64;
        parameters.push(&most);
        let sql = format!(
            "SELECT id, accepted_at FROM deliveries WHERE {rules} \
             ORDER BY accepted_at, id LIMIT ${}",
            parameters.len()
        );
        let reading = self.storage.reading(BOUND).await?;
        let rows = reading.query(&sql, &parameters).await?;
        reading.end().await?;
        let mut found = Vec::with_capacity(rows.len());
        for row in rows {
            let id = DeliveryId::from_uuid(row.try_get("id")?);
            found.push(Found { id, accepted_at: row.try_get("accepted_at")? });
        }
        Ok(found)
    }

    /// The condition, and its parameters in their order.
    fn rules<'a>(
        &'a self,
        end: &'a Timestamp,
        planned: Option<&'a Planned>,
    ) -> (String, Vec<&'a (dyn ToSql + Sync)>) {
        // Words of hooklog's own, so that an index of some states is known to have all of them.
        let words: Vec<_> =
            self.scope.states.iter().map(|state| format!("'{}'", state.as_str())).collect();
        let mut rules =
            format!("accepted_at >= $1 AND accepted_at < $2 AND state IN ({})", words.join(", "));
        let mut parameters: Vec<&(dyn ToSql + Sync)> = vec![&self.scope.from, end];
        let mut next = |value| {
            parameters.push(value);
            parameters.len()
        };
        if let Some(Planned { at, id }) = planned {
            let (at, id) = (next(at), next(id));
            // The first part alone says which days need not be looked at.
            rules += &format!(" AND accepted_at >= ${at} AND (accepted_at, id) > (${at}, ${id})");
        }
        if let Some(subscription) = &self.scope.subscription_id {
            rules += &format!(" AND subscription_id = ${}", next(subscription));
        }
        if let Some(event_type) = &self.scope.event_type {
            let event_type = next(event_type);
            rules += &format!(
                " AND left(event_type, {INDEXED_TYPE}) = left(${event_type}, {INDEXED_TYPE}) \
                 AND event_type = ${event_type}"
            );
        }
        (rules, parameters)
    }
}
