//! The keys that incoming signatures are checked with, read once per version of a subscription.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use pipeline::ids::SubscriptionId;
use pipeline::subscription::Subscription;
use signature::Secret;

/// Keyed hash states by subscription; at most one entry for each that the table has.
#[derive(Debug, Default)]
pub(crate) struct InboundSecrets {
    read: RwLock<HashMap<SubscriptionId, (u64, Keys)>>,
}

/// All active keys of a subscription. Empty if its secret is not readable: then no signature
/// matches, for what cannot be checked is not accepted.
pub(crate) type Keys = Arc<[Secret]>;

impl InboundSecrets {
    /// The keys of this version; `None` if the subscription has no secret, or an empty
    /// one, which the older services took as none.
    pub(crate) fn of(&self, subscription: &Subscription) -> Option<Keys> {
        let text = subscription.secret.as_ref().filter(|text| !text.expose().is_empty())?;
        let known = self.read.read().unwrap_or_else(PoisonError::into_inner);
        if let Some((version, keys)) = known.get(&subscription.id)
            && *version == subscription.version
        {
            return Some(keys.clone());
        }
        drop(known);
        let keys: Keys = Secret::from_text(text.expose()).into_iter().collect();
        let mut known = self.read.write().unwrap_or_else(PoisonError::into_inner);
        known.insert(subscription.id, (subscription.version, keys.clone()));
        Some(keys)
    }
}
