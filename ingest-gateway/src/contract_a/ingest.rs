//! `POST /ingest/{id}`: the event's type stands in its body.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use http::{HeaderMap, StatusCode};
use pipeline::ids::{DeliveryId, SubscriptionId};
use serde::Serialize;
use signature::HubRejection;

use crate::contract_a::ingest_body;
use crate::contract_a::path::{self, Segment};
use crate::contract_a::rejection::Rejection;
use crate::contract_a::subscriptions::both;
use crate::gateway::Gateway;
use crate::ingest::{Decision, Event, NotTaken, take_in};
use crate::request_body;

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
    let (subscription, event_type) = both(id, ingest_body::event_type(&body))?;

    let event = Event { subscription, headers: &headers, event_type, body };
    let (message, webhook_id) = match take_in(&gateway, event).await {
        Ok(Decision::Taken(id)) => ("Webhook accepted for processing".to_owned(), Some(id)),
        Ok(Decision::OtherType(event_type)) => {
            (format!("Webhook accepted but filtered by event type: '{event_type}'."), None)
        }
        Ok(Decision::TypeMissing) => {
            return Err(Rejection::Detail(StatusCode::BAD_REQUEST, TYPE_MISSING.into()));
        }
        Err(NotTaken::UnknownSubscription) => return Err(Rejection::subscription_not_found()),
        Err(NotTaken::Signature(rejection)) => {
            return Err(signature_words(rejection, &gateway.ingest.signature_header.text));
        }
        Err(NotTaken::Refused(refusal)) => return Err(refusal.into()),
    };
    Ok((StatusCode::ACCEPTED, Json(Accepted { message, webhook_id })))
}

/// `header` is the name of the signature header.
fn signature_words(rejection: HubRejection, header: &str) -> Rejection {
    let (status, text) = match rejection {
        HubRejection::Missing => {
            (StatusCode::UNAUTHORIZED, format!("Missing {header} header.").into())
        }
        HubRejection::NoMethod | HubRejection::OtherMethod => (
            StatusCode::UNAUTHORIZED,
            format!("Invalid {header} format. Expected 'sha256=...'.").into(),
        ),
        HubRejection::Repeated | HubRejection::Malformed | HubRejection::Mismatch => {
            (StatusCode::FORBIDDEN, "Invalid signature.".into())
        }
    };
    Rejection::Detail(status, text)
}
