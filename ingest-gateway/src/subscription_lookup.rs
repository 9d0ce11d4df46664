//! Finds a subscription: in memory, and only if it is not there, once in Postgres.
//!
//! A subscription that was just made may not have reached this process through the topic yet:
//! another gateway answered 201, or this one did and was killed. So an unknown id is asked for
//! before it is answered 404; what is known is never asked for.

use std::sync::Arc;
use std::time::Duration;

use kafka_loop::subscription_table::SubscriptionTable;
use moka::future::Cache;
use pipeline::cloud_event::CloudEvent;
use pipeline::fan_out;
use pipeline::ids::SubscriptionId;
use pipeline::payload_filter::Payload;
use pipeline::subscription::Subscription;

use crate::storage::StorageError;
use crate::subscription_store::SubscriptionStore;

/// How long an answer of Postgres counts; a stranger who guesses ids costs one query each.
const ANSWER_COUNTS: Duration = Duration::from_secs(1);
/// Answers kept at most.
const MAX_ANSWERS: u64 = 10_000;

/// Looks subscriptions up for requests. Clones share what is known.
#[derive(Clone)]
pub(crate) struct SubscriptionLookup {
    table: SubscriptionTable,
    store: SubscriptionStore,
    answers: Cache<SubscriptionId, bool>,
}

impl SubscriptionLookup {
    pub(crate) fn new(table: SubscriptionTable, store: SubscriptionStore) -> Self {
        let answers =
            Cache::builder().max_capacity(MAX_ANSWERS).time_to_live(ANSWER_COUNTS).build();
        Self { table, store, answers }
    }

    /// The subscription; `None` if there is none, or it is deleted. Requests that ask for the
    /// same unknown id at once share one query.
    ///
    /// # Errors
    /// The id is not known here, and Postgres cannot be asked.
    pub(crate) async fn find(
        &self,
        id: SubscriptionId,
    ) -> Result<Option<Arc<Subscription>>, Arc<StorageError>> {
        if self.table.get(id).is_none() {
            self.answers.try_get_with(id, self.ask(id)).await?;
        }
        Ok(self.table.get(id).filter(|known| !known.deleted))
    }

    /// Who wants an event: of all that are known here, or of the one that it names, if that is
    /// known.
    pub(crate) fn wanting(
        &self,
        event: &CloudEvent,
        named: Option<Option<Arc<Subscription>>>,
    ) -> Vec<Arc<Subscription>> {
        let payload = Payload::new(&event.data);
        let wanted = |known: &Subscription| fan_out::is_for(event, &payload, known);
        match named {
            None => self.table.matching(wanted),
            Some(one) => one.into_iter().filter(|known| wanted(known)).collect(),
        }
    }

    /// Enters what Postgres has; whether it has anything.
    async fn ask(&self, id: SubscriptionId) -> Result<bool, StorageError> {
        let found = self.store.read(id).await?;
        let is_there = found.is_some();
        found.into_iter().for_each(|subscription| self.table.put(subscription));
        Ok(is_there)
    }
}
