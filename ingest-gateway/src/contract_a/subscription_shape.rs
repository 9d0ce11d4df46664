//! How a subscription looks in an answer.

use jiff::Timestamp;
use pipeline::ids::SubscriptionId;
use pipeline::subscription::{SecretText, Subscription};
use serde::Serialize;

use crate::contract_a::timestamp::micros;

/// The fields in the contract's order.
#[derive(Debug, Serialize)]
pub(crate) struct SubscriptionShape {
    target_url: String,
    secret: Option<String>,
    event_types: Option<Vec<String>>,
    id: SubscriptionId,
    #[serde(serialize_with = "micros")]
    created_at: Timestamp,
    #[serde(serialize_with = "micros")]
    updated_at: Timestamp,
}

impl From<Subscription> for SubscriptionShape {
    fn from(subscription: Subscription) -> Self {
        Self {
            target_url: subscription.target_url,
            secret: subscription.secret.as_ref().map(SecretText::expose).map(str::to_owned),
            event_types: subscription.event_types,
            id: subscription.id,
            created_at: subscription.created_at,
            updated_at: subscription.updated_at,
        }
    }
}
