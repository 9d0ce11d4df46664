//! A subscription with everything that hooklog's own API knows of it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use pipeline::ids::SubscriptionId;
use pipeline::subscription::Subscription;

/// The configuration record, which every process gets, and what Postgres alone keeps.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct OwnSubscription {
    pub record: Subscription,
    /// For people.
    pub description: Option<String>,
    /// For their programs.
    pub labels: BTreeMap<String, String>,
}

impl OwnSubscription {
    /// One that nobody has said anything about yet; it has no target.
    pub(crate) fn blank(id: SubscriptionId, now: Timestamp) -> Self {
        let every_event = Some(Vec::new());
        let record = Subscription { event_types: every_event, ..Subscription::new(id, "", now) };
        Self { record, description: None, labels: BTreeMap::new() }
    }
}
