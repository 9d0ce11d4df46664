//! `POST /ingest/{id}`: takes one event in for one subscription.
//!
//! The checks stand in the contract's order, and each has the contract's words. Nothing here
//! asks a database for a subscription that this process knows: the answer waits for the broker
//! alone.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode};
use pipeline::filter::{Match, match_literal};
use pipeline::ids::{DeliveryId, SubscriptionId};
use pipeline::subscription::Subscription;
use serde::Serialize;
use signature::{HubRejection, verify_hub};

use crate::config::IngestSettings;
use crate::contract_a::ingest_body;
use crate::contract_a::path::{self, Segment};
use crate::contract_a::rejection::Rejection;
use crate::contract_a::subscriptions::both;
use crate::gateway::Gateway;
use crate::inbound_secrets::Keys;
use crate::publisher::NewDelivery;
use crate::request_body;

const DEFAULT_CONTENT_TYPE: &str = "application/json";
const TYPE_MISSING: &str = "Event type filter configured for subscription, but 'event_type' \
                            field is missing in the payload.";

/// The 202's body.
#[derive(Debug, Serialize)]
pub(crate) struct Accepted {
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    webhook_id: Option<DeliveryId>,
}

/// `POST /ingest/{id}`
pub(crate) async fn ingest(
    State(gateway): State<Arc<Gateway>>,
    id: Segment,
    headers: HeaderMap,
    body: Body,
) -> Result<(StatusCode, Json<Accepted>), Rejection> {
    let body = request_body::read(&headers, body, gateway.limits).await?;
    let id = path::uuid(id, "subscription_id").map(SubscriptionId::from_uuid);
    let (id, event_type) = both(id, ingest_body::event_type(&body))?;

    let subscription = gateway.lookup.find(id).await?;
    let subscription = subscription.ok_or_else(Rejection::subscription_not_found)?;

    if let Some(keys) = gateway.secrets.of(&subscription) {
        check_signature(&headers, &body, &keys, &gateway.ingest)?;
    }
    if let Some(filtered) = filter(&subscription, event_type.as_deref())? {
        return Ok((StatusCode::ACCEPTED, Json(filtered)));
    }

    let event = NewDelivery {
        subscription: &subscription,
        event_type,
        content_type: content_type(&headers),
        body,
    };
    let webhook_id = Some(gateway.publisher.publish(event).await?);
    let message = "Webhook accepted for processing".to_owned();
    Ok((StatusCode::ACCEPTED, Json(Accepted { message, webhook_id })))
}

/// Checks the signature over the raw bytes. The canonical form, which this seed's own script
/// signs, is tried where the raw bytes do not match: that is the place for it.
fn check_signature(
    headers: &HeaderMap,
    body: &[u8],
    keys: &Keys,
    settings: &IngestSettings,
) -> Result<(), Rejection> {
    let values = headers.get_all(&settings.signature_header);
    let verified = verify_hub(values.iter().map(|value| value.as_bytes()), body, keys);
    let name = &settings.signature_header_text;
    verified.map_err(|rejection| match rejection {
        HubRejection::Missing => {
            Rejection::Detail(StatusCode::UNAUTHORIZED, format!("Missing {name} header.").into())
        }
        HubRejection::NoMethod | HubRejection::OtherMethod => Rejection::Detail(
            StatusCode::UNAUTHORIZED,
            format!("Invalid {name} format. Expected 'sha256=...'.").into(),
        ),
        HubRejection::Repeated | HubRejection::Malformed | HubRejection::Mismatch => {
            Rejection::Detail(StatusCode::FORBIDDEN, "Invalid signature.".into())
        }
    })
}

/// The answer for an event that is not for this subscription; `None` if it is.
fn filter(
    subscription: &Subscription,
    event_type: Option<&str>,
) -> Result<Option<Accepted>, Rejection> {
    match match_literal(subscription.event_types(), event_type) {
        Match::Yes => Ok(None),
        Match::TypeMissing => Err(Rejection::Detail(StatusCode::BAD_REQUEST, TYPE_MISSING.into())),
        Match::No => {
            let event_type = event_type.unwrap_or_default();
            let message = format!("Webhook accepted but filtered by event type: '{event_type}'.");
            Ok(Some(Accepted { message, webhook_id: None }))
        }
    }
}

/// As received; what is not text cannot be sent on as a header.
fn content_type(headers: &HeaderMap) -> String {
    let received = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    received.filter(|text| !text.is_empty()).unwrap_or(DEFAULT_CONTENT_TYPE).to_owned()
}
