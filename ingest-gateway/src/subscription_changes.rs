//! Changes of subscriptions. Postgres is the truth; this process knows a change before it
//! answers, and the relay tells the others.

use std::sync::Arc;

use kafka_loop::subscription_table::SubscriptionTable;
use pipeline::gone::Gone;
use pipeline::ids::SubscriptionId;
use pipeline::subscription::Subscription;
use tokio::sync::Notify;
use uuid::Uuid;

use crate::own_subscription::OwnSubscription;
use crate::own_subscription_store::OwnSubscriptionStore;
use crate::storage::StorageError;
use crate::subscription_store::{Amendment, SubscriptionStore, Wanted};

/// Makes changes for requests.
pub(crate) struct SubscriptionChanges {
    store: SubscriptionStore,
    own: OwnSubscriptionStore,
    table: SubscriptionTable,
    outbox_filled: Arc<Notify>,
}

impl SubscriptionChanges {
    /// `outbox_filled` wakes the relay after a change.
    pub(crate) fn new(
        store: SubscriptionStore,
        own: OwnSubscriptionStore,
        table: SubscriptionTable,
        outbox_filled: Arc<Notify>,
    ) -> Self {
        Self { store, own, table, outbox_filled }
    }

    /// A new subscription with a new id.
    ///
    /// # Errors
    /// Postgres is away.
    pub(crate) async fn create(&self, wanted: &Wanted) -> Result<Subscription, StorageError> {
        let id = SubscriptionId::from_uuid(Uuid::new_v4());
        Ok(self.enter(self.store.create(id, wanted).await?))
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
        Ok(self.store.replace(id, wanted).await?.map(|changed| self.enter(changed)))
    }

    /// Changes what is named and leaves the rest; `None` if there is no such subscription.
    ///
    /// # Errors
    /// Postgres is away.
    pub(crate) async fn amend(
        &self,
        id: SubscriptionId,
        amendment: &Amendment,
    ) -> Result<Option<Subscription>, StorageError> {
        Ok(self.store.amend(id, amendment).await?.map(|changed| self.enter(changed)))
    }

    /// Deletes it, whatever history it has; `None` if there is no such subscription.
    ///
    /// # Errors
    /// Postgres is away.
    pub(crate) async fn delete(
        &self,
        id: SubscriptionId,
    ) -> Result<Option<Subscription>, StorageError> {
        Ok(self.store.delete(id).await?.map(|changed| self.enter(changed)))
    }

    /// The same for one version alone; `None` also if the subscription has another one.
    ///
    /// # Errors
    /// Postgres is away.
    pub(crate) async fn delete_version(
        &self,
        id: SubscriptionId,
        version: u64,
    ) -> Result<Option<Subscription>, StorageError> {
        Ok(self.store.delete_version(id, version).await?.map(|changed| self.enter(changed)))
    }

    /// A new subscription of hooklog's own API, with the id that it has.
    ///
    /// # Errors
    /// Postgres is away.
    pub(crate) async fn create_own(
        &self,
        wanted: &OwnSubscription,
    ) -> Result<OwnSubscription, StorageError> {
        Ok(self.enter_own(self.own.create(wanted).await?))
    }

    /// Replaces everything that hooklog's own API decides; `None` if the subscription does not
    /// have this version any more.
    ///
    /// # Errors
    /// Postgres is away.
    pub(crate) async fn update_own(
        &self,
        wanted: &OwnSubscription,
    ) -> Result<Option<OwnSubscription>, StorageError> {
        Ok(self.own.update(wanted).await?.map(|changed| self.enter_own(changed)))
    }

    /// Pauses the version of a subscription whose receiver is gone; false if it is not the
    /// current one any more, or is paused.
    ///
    /// # Errors
    /// Postgres is away.
    pub(crate) async fn pause_gone(&self, mark: Gone) -> Result<bool, StorageError> {
        let paused = self.own.pause_gone(mark).await?.map(|changed| self.enter_own(changed));
        Ok(paused.is_some())
    }

    fn enter_own(&self, changed: OwnSubscription) -> OwnSubscription {
        let OwnSubscription { record, description, labels } = changed;
        OwnSubscription { record: self.enter(record), description, labels }
    }

    fn enter(&self, changed: Subscription) -> Subscription {
        self.outbox_filled.notify_one();
        self.table.put(changed.clone());
        changed
    }
}
