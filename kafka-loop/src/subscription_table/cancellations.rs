//! The cancelled deliveries that a process knows, as the compacted topic tells them.
//!
//! Memory: about 100 bytes for each, from its record to the null that ends it.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use pipeline::cancellation::Cancellation;
use pipeline::delivery::Delivery;
use pipeline::ids::DeliveryId;

#[derive(Debug, Default)]
pub(super) struct Cancellations {
    known: RwLock<HashMap<DeliveryId, Cancellation>>,
}

impl Cancellations {
    pub(super) fn put(&self, cancellation: Cancellation) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.insert(cancellation.delivery_id, cancellation);
    }

    pub(super) fn remove(&self, id: DeliveryId) {
        self.known.write().unwrap_or_else(PoisonError::into_inner).remove(&id);
    }

    pub(super) fn cover(&self, delivery: &Delivery) -> bool {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.get(&delivery.id).is_some_and(|told| told.covers(delivery))
    }

    pub(super) fn count(&self) -> usize {
        self.known.read().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// At most `most` of those that `wanted` picks.
    pub(super) fn matching(
        &self,
        most: usize,
        wanted: impl Fn(Cancellation) -> bool,
    ) -> Vec<Cancellation> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.values().copied().filter(|told| wanted(*told)).take(most).collect()
    }
}
