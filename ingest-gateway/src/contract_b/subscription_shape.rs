//! How a subscription looks in an answer.

use jiff::Timestamp;
use pipeline::ids::SubscriptionId;
use pipeline::subscription::{SecretText, Subscription};
use serde::Serialize;
use utoipa::ToSchema;

use crate::contract_b::timestamp::isoformat;

/// A subscription.
// The fields stand in the contract's order.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = b::Subscription)]
pub(crate) struct SubscriptionShape {
    #[schema(value_type = Uuid)]
    id: SubscriptionId,
    #[schema(format = Uri, example = "https://example.com/your-unique-id")]
    target_url: String,
    #[schema(required, example = "my-secure-secret-for-signing")]
    secret: Option<String>,
    /// Null also for a subscription that another contract has given several event types.
    #[schema(required, example = "order.created")]
    event_type_filter: Option<String>,
    #[serde(serialize_with = "isoformat")]
    created_at: Timestamp,
    #[serde(serialize_with = "isoformat")]
    updated_at: Timestamp,
}

impl From<Subscription> for SubscriptionShape {
    fn from(subscription: Subscription) -> Self {
        Self {
            id: subscription.id,
            event_type_filter: filter(subscription.event_types()).map(str::to_owned),
            target_url: subscription.target_url,
            secret: subscription.secret.as_ref().map(SecretText::expose).map(str::to_owned),
            created_at: subscription.created_at,
            updated_at: subscription.updated_at,
        }
    }
}

/// The seed knows one type; several of them, made by another contract, it cannot tell.
fn filter(event_types: &[String]) -> Option<&str> {
    match event_types {
        [only] => Some(only),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_filter_is_the_only_type_or_null() {
        let types = ["a".to_owned(), "b".to_owned()];
        assert_eq!(filter(&[]), None);
        assert_eq!(filter(&types[..1]), Some("a"));
        assert_eq!(filter(&types), None);
    }
}
