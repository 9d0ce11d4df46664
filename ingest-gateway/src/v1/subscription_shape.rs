//! How a subscription looks in an answer. Every field is there, in this order; no secret ever
//! is, but the one that an answer has just made.

use std::collections::BTreeMap;

use jiff::Timestamp;
use pipeline::ids::SubscriptionId;
use pipeline::payload_filter::PayloadFilter;
use pipeline::retry_on::RetryOn;
use pipeline::retry_policy::RetryPolicy;
use pipeline::subscription::{PauseReason, SigningKey};
use serde::Serialize;
use utoipa::ToSchema;

use crate::own_subscription::OwnSubscription;
use crate::v1::signing_keys;
use crate::v1::subscription_signing::{self, SigningShape};
use crate::v1::subscription_verification::VerificationShape;
use crate::v1::timestamp::micros;

/// A subscription.
// The fields stand in the contract's order.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = v1::Subscription)]
pub(crate) struct SubscriptionShape<'a> {
    #[schema(value_type = Uuid)]
    id: SubscriptionId,
    target_url: &'a str,
    #[schema(required)]
    description: Option<&'a str>,
    event_types: &'a [String],
    #[schema(required, value_type = Option<Object>)]
    filter: Option<&'a PayloadFilter>,
    headers: &'a BTreeMap<String, String>,
    #[schema(required)]
    max_concurrency: Option<u32>,
    #[schema(required)]
    rate_limit: Option<u32>,
    #[schema(required)]
    timeout_seconds: Option<u32>,
    #[schema(required, value_type = Option<Object>)]
    retry: Option<&'a RetryPolicy>,
    #[schema(required, value_type = Option<Vec<String>>)]
    retry_on: Option<&'a RetryOn>,
    #[schema(required)]
    verification: Option<VerificationShape<'a>>,
    #[schema(required)]
    signing: Option<SigningShape>,
    labels: &'a BTreeMap<String, String>,
    #[schema(required, value_type = Option<String>)]
    paused: Option<PauseReason>,
    version: u64,
    #[serde(serialize_with = "micros")]
    created_at: Timestamp,
    #[serde(serialize_with = "micros")]
    updated_at: Timestamp,
    /// Of the answer that made it; never shown again.
    #[serde(skip_serializing_if = "Option::is_none")]
    signing_secret: Option<String>,
    /// Of the answer that made its key.
    #[serde(skip_serializing_if = "Option::is_none")]
    signing_public_key: Option<String>,
}

impl<'a> From<&'a OwnSubscription> for SubscriptionShape<'a> {
    fn from(subscription: &'a OwnSubscription) -> Self {
        let OwnSubscription { record, description, labels } = subscription;
        let options = &record.options;
        Self {
            id: record.id,
            target_url: &record.target_url,
            description: description.as_deref(),
            event_types: record.event_types(),
            filter: options.filter.as_ref(),
            headers: &options.headers,
            max_concurrency: options.max_concurrency,
            rate_limit: options.rate_limit,
            timeout_seconds: options.timeout_seconds,
            retry: options.retry.as_ref(),
            retry_on: options.retry_on.as_ref(),
            verification: record.verification.as_ref().map(VerificationShape::from),
            signing: subscription_signing::shape(record),
            labels,
            paused: record.paused,
            version: record.version,
            created_at: record.created_at,
            updated_at: record.updated_at,
            signing_secret: None,
            signing_public_key: None,
        }
    }
}

impl<'a> SubscriptionShape<'a> {
    /// The answer to a change, with the secret and the public key that `before` did not have:
    /// the only time that the secret is shown.
    pub(crate) fn after_change(after: &'a OwnSubscription, before: &OwnSubscription) -> Self {
        let (old, new) =
            (signing_keys::in_use(&before.record), signing_keys::in_use(&after.record));
        let secret = made(&old.secrets, &new.secrets);
        let key_pair = made(&old.key_pairs, &new.key_pairs);
        Self {
            signing_secret: secret.map(|made| made.key.expose().to_owned()),
            signing_public_key: key_pair.and_then(signing_keys::public_key),
            ..Self::from(after)
        }
    }
}

/// The newest key, if it is a new one.
fn made<'k>(old: &[SigningKey], new: &'k [SigningKey]) -> Option<&'k SigningKey> {
    new.first().filter(|newest| old.iter().all(|known| known.key != newest.key))
}
