//! `POST /ingest/{id}`: the event's type stands in its body. A subscription with a verification
//! takes any body, for providers have forms of their own.

use std::borrow::Cow;
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
use crate::inbound_signature::{SignatureRejection, sentence};
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
    let subscription = id.or_else(|problem| {
        // What is wrong with the body is told along with the path.
        both(Err(problem), ingest_body::event_type(&body)).map(|(id, _)| id)
    })?;

    let event =
        Event { subscription, headers: &headers, body, contract_type: ingest_body::event_type };
    let (message, webhook_id) = match take_in(&gateway, event).await {
        Ok(Decision::Taken(id)) => ("Webhook accepted for processing".to_owned(), Some(id)),
        Ok(Decision::OtherType(event_type)) => {
            (format!("Webhook accepted but filtered by event type: '{event_type}'."), None)
        }
        Ok(Decision::TypeMissing) => {
            return Err(Rejection::Detail(StatusCode::BAD_REQUEST, TYPE_MISSING.into()));
        }
        Err(NotTaken::Form(problems)) => return Err(Rejection::Invalid(problems)),
        Err(NotTaken::UnknownSubscription) => return Err(Rejection::subscription_not_found()),
        Err(NotTaken::Signature(rejection)) => return Err(signature_words(rejection)),
        Err(NotTaken::Refused(refusal)) => return Err(refusal.into()),
    };
    Ok((StatusCode::ACCEPTED, Json(Accepted { message, webhook_id })))
}

fn signature_words(rejection: SignatureRejection) -> Rejection {
    let (status, text) = match rejection {
        SignatureRejection::Hub { header, why } => hub_words(&header, why),
        SignatureRejection::Preset(why) => (StatusCode::UNAUTHORIZED, sentence(why).into()),
    };
    Rejection::Detail(status, text)
}

fn hub_words(header: &str, why: HubRejection) -> (StatusCode, Cow<'static, str>) {
    match why {
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
    }
}
