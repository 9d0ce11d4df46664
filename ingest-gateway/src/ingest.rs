//! Takes one event in for one subscription: the checks that all contracts share, in their
//! order, and the record that follows from them.
//!
//! Nothing here asks a database for a subscription that this process knows: the answer waits
//! for the broker alone. Each contract reads the request and words what is decided here.

use bytes::Bytes;
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use pipeline::filter::{Match, match_literal};
use pipeline::ids::{DeliveryId, SubscriptionId};
use signature::HubRejection;

use crate::gateway::Gateway;
use crate::inbound_signature::signed_bytes;
use crate::publisher::NewDelivery;
use crate::refusal::Refusal;

const DEFAULT_CONTENT_TYPE: &str = "application/json";

/// An event as a contract has read it from a request.
pub(crate) struct Event<'a> {
    pub subscription: SubscriptionId,
    pub headers: &'a HeaderMap,
    pub event_type: Option<String>,
    pub body: Bytes,
}

/// What became of an event that is in order.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// The broker has its delivery.
    Taken(DeliveryId),
    /// The subscription's filter does not name this type.
    OtherType(String),
    /// The subscription has a filter, and the event has no type.
    TypeMissing,
}

/// Why an event was not taken.
#[derive(Debug)]
pub(crate) enum NotTaken {
    UnknownSubscription,
    Signature(HubRejection),
    Refused(Refusal),
}

impl<E: Into<Refusal>> From<E> for NotTaken {
    fn from(error: E) -> Self {
        Self::Refused(error.into())
    }
}

/// Decides about an event: first the subscription, then the signature, then the filter.
///
/// # Errors
/// [`NotTaken`]. If it is a refusal by the broker, the broker may have the delivery all the
/// same.
pub(crate) async fn take_in(gateway: &Gateway, event: Event<'_>) -> Result<Decision, NotTaken> {
    let subscription = gateway.lookup.find(event.subscription).await?;
    let subscription = subscription.ok_or(NotTaken::UnknownSubscription)?;

    let mut body = event.body;
    if let Some(keys) = gateway.secrets.of(&subscription) {
        let header = &gateway.ingest.signature_header.name;
        let signed = signed_bytes(event.headers, header, &keys, body).await;
        body = signed.map_err(NotTaken::Signature)?;
        // The canonical form may be longer than what was sent.
        if body.len() > gateway.limits.max_body {
            return Err(NotTaken::Refused(Refusal::TOO_LARGE));
        }
    }
    match match_literal(subscription.event_types(), event.event_type.as_deref()) {
        Match::Yes => {}
        Match::No => return Ok(Decision::OtherType(event.event_type.unwrap_or_default())),
        Match::TypeMissing => return Ok(Decision::TypeMissing),
    }

    let delivery = NewDelivery {
        subscription: &subscription,
        event_type: event.event_type,
        content_type: content_type(event.headers),
        body,
    };
    Ok(Decision::Taken(gateway.publisher.publish(delivery).await?))
}

/// As received; what is not text cannot be sent on as a header.
fn content_type(headers: &HeaderMap) -> String {
    let received = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    received.filter(|text| !text.is_empty()).unwrap_or(DEFAULT_CONTENT_TYPE).to_owned()
}
