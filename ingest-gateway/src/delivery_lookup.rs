//! Finds a delivery right after its 202 too: before it says that there is none, it waits until
//! the projection has come as far as the log was when this was asked.

use bytes::Bytes;
use pipeline::ids::DeliveryId;

use crate::projection_wait::ProjectionWait;
use crate::refusal::Refusal;
use crate::status_store::{DeliveryStatus, StatusStore};
use crate::storage::StorageError;

/// Looks deliveries up for requests.
pub(crate) struct DeliveryLookup {
    store: StatusStore,
    projection: ProjectionWait,
}

/// Why there is no answer about a delivery.
#[derive(Debug)]
pub(crate) enum NotFound {
    /// There is no such delivery.
    Unknown,
    Refused(Refusal),
}

impl<E: Into<Refusal>> From<E> for NotFound {
    fn from(error: E) -> Self {
        Self::Refused(error.into())
    }
}

impl DeliveryLookup {
    pub(crate) fn new(store: StatusStore, projection: ProjectionWait) -> Self {
        Self { store, projection }
    }

    /// A delivery and its attempts.
    ///
    /// # Errors
    /// [`NotFound`].
    pub(crate) async fn find(&self, id: DeliveryId) -> Result<DeliveryStatus, NotFound> {
        self.found(|| self.store.delivery(id)).await
    }

    /// The same of whatever `look` looks for in the projection.
    ///
    /// # Errors
    /// [`NotFound`].
    pub(crate) async fn found<T, F>(&self, look: impl Fn() -> F) -> Result<T, NotFound>
    where
        F: Future<Output = Result<Option<T>, StorageError>>,
    {
        if let Some(found) = look().await? {
            return Ok(found);
        }
        let caught_up = self.projection.caught_up().await;
        match look().await? {
            Some(found) => Ok(found),
            None if caught_up => Err(NotFound::Unknown),
            None => Err(NotFound::Refused(Refusal::STATUS_NOT_KNOWN_YET)),
        }
    }

    /// The same, and if what was found is not yet `complete` it is looked for again once the
    /// projection has caught up: an attempt may be projected before the delivery's own record.
    ///
    /// # Errors
    /// [`NotFound`].
    pub(crate) async fn found_with_content<T, F>(
        &self,
        look: impl Fn() -> F,
        complete: impl Fn(&T) -> bool,
    ) -> Result<T, NotFound>
    where
        F: Future<Output = Result<Option<T>, StorageError>>,
    {
        let found = self.found(&look).await?;
        if complete(&found) {
            return Ok(found);
        }
        self.projection.caught_up().await;
        Ok(look().await?.unwrap_or(found))
    }

    /// The bytes that a delivery which was found delivers; `None` if they are not known. An
    /// attempt may be projected before the delivery's own record, which alone has them.
    ///
    /// # Errors
    /// Postgres is away.
    pub(crate) async fn payload(&self, id: DeliveryId) -> Result<Option<Bytes>, StorageError> {
        if let Some(payload) = self.store.payload(id).await? {
            return Ok(Some(payload));
        }
        self.projection.caught_up().await;
        self.store.payload(id).await
    }
}
