//! Takes one event in for one subscription: the checks that all contracts share, in their
//! order, and the record that follows from them.
//!
//! Nothing here asks a database for a subscription that this process knows: the answer waits
//! for the broker alone. Each contract reads the request and words what is decided here.

use bytes::Bytes;
use fault_point::Defect;
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use jiff::Timestamp;
use pipeline::filter::{Match, match_literal};
use pipeline::ids::{DeliveryId, SubscriptionId};
use pipeline::payload_filter::Payload;
use pipeline::subscription::Verification;

use crate::gateway::Gateway;
use crate::inbound_signature::{SignatureRejection, signed_bytes};
use crate::provider_event_type::provider_event_type;
use crate::publisher::NewDelivery;
use crate::refusal::Refusal;

const DEFAULT_CONTENT_TYPE: &str = "application/json";

/// An event as it was received, and how its contract reads it.
pub(crate) struct Event<'a, F> {
    pub subscription: SubscriptionId,
    pub headers: &'a HeaderMap,
    pub body: Bytes,
    /// Where the contract has the event's type, and what it asks of a body for that. A
    /// subscription with a verification is not asked: its provider has a form of its own.
    pub contract_type: F,
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
    /// The subscription's payload filter does not let the body through.
    OtherPayload,
}

/// Why an event was not taken. `R` is a contract's refusal of a body's form.
#[derive(Debug)]
pub(crate) enum NotTaken<R> {
    Form(R),
    UnknownSubscription,
    Signature(SignatureRejection),
    Refused(Refusal),
}

impl<R, E: Into<Refusal>> From<E> for NotTaken<R> {
    fn from(error: E) -> Self {
        Self::Refused(error.into())
    }
}

/// Decides about an event: first its form, if its contract is asked for that, then the
/// subscription, then the signature, then the filter.
///
/// # Errors
/// [`NotTaken`]. If it is a refusal by the broker, the broker may have the delivery all the
/// same. If nobody can say whether there is such a subscription, that stands before the form,
/// for nobody can say which form it takes.
pub(crate) async fn take_in<R>(
    gateway: &Gateway,
    event: Event<'_, impl FnOnce(&[u8]) -> Result<Option<String>, R>>,
) -> Result<Decision, NotTaken<R>> {
    let decision = decide(gateway, event).await?;
    gateway.figures.decided(&decision);
    Ok(decision)
}

async fn decide<R>(
    gateway: &Gateway,
    event: Event<'_, impl FnOnce(&[u8]) -> Result<Option<String>, R>>,
) -> Result<Decision, NotTaken<R>> {
    let Event { subscription, headers, mut body, contract_type } = event;
    let subscription = gateway.lookup.find(subscription).await?;
    let is_verified = subscription.as_ref().is_some_and(|known| known.verification.is_some());
    let mut event_type =
        if is_verified { None } else { contract_type(&body).map_err(NotTaken::Form)? };
    let subscription = subscription.ok_or(NotTaken::UnknownSubscription)?;

    if let Some(verifier) = gateway.verifiers.of(&subscription) {
        let signed = signed_bytes(headers, &verifier, body, Timestamp::now()).await;
        body = signed.map_err(NotTaken::Signature)?;
        // The canonical form may be longer than what was sent.
        if body.len() > gateway.limits.max_body {
            return Err(NotTaken::Refused(Refusal::TOO_LARGE));
        }
    }
    if let Some(Verification { preset, .. }) = &subscription.verification {
        let own_header = &gateway.ingest.event_type_header.name;
        event_type = provider_event_type(preset, headers, own_header, &body);
    }
    match match_literal(subscription.event_types(), event_type.as_deref()) {
        Match::Yes => {}
        Match::No if fault_point::defect(Defect::FilterAfterProduce) => {}
        Match::No => return Ok(Decision::OtherType(event_type.unwrap_or_default())),
        Match::TypeMissing => return Ok(Decision::TypeMissing),
    }
    let filter = subscription.options.filter.as_ref();
    if filter.is_some_and(|filter| !filter.lets_through(&Payload::new(&body))) {
        return Ok(Decision::OtherPayload);
    }

    let delivery = NewDelivery {
        subscription: &subscription,
        event_type,
        content_type: content_type(headers),
        body,
    };
    Ok(Decision::Taken(gateway.publisher.publish(delivery).await?))
}

/// As received; what is not text cannot be sent on as a header.
pub(crate) fn content_type(headers: &HeaderMap) -> String {
    let received = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    received.filter(|text| !text.is_empty()).unwrap_or(DEFAULT_CONTENT_TYPE).to_owned()
}
