//! How a subscription looks in an answer.

use jiff::Timestamp;
use pipeline::ids::SubscriptionId;
use pipeline::subscription::{SecretText, Subscription};
use serde::Serialize;
use utoipa::ToSchema;

use crate::contract_a::timestamp::micros;

/// A subscription.
// The fields stand in the contract's order.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = a::Subscription)]
pub(crate) struct SubscriptionShape {
    #[schema(format = Uri, example = "https://example.com/webhook-receiver")]
    target_url: String,
    #[schema(required, example = "your_secure_secret_key")]
    secret: Option<String>,
    #[schema(required, example = json!(["user.created", "user.updated"]))]
    event_types: Option<Vec<String>>,
    #[schema(value_type = Uuid)]
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
