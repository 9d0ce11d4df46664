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
use utoipa::ToSchema;

use crate::contract_a::documented::{
    Detail, Invalid, NoSubscription, Refused, RefusedBody, RefusedEvent, TAG,
};
use crate::contract_a::ingest_body::{self, EventBody};
use crate::contract_a::path::{self, Segment};
use crate::contract_a::rejection::Rejection;
use crate::contract_a::subscriptions::both;
use crate::gateway::Gateway;
use crate::inbound_signature::{SignatureRejection, sentence};
use crate::ingest::{Decision, Event, NotTaken, take_in};
use crate::openapi::parameters::SignatureHeader;
use crate::request_body;

const TYPE_MISSING: &str = "Event type filter configured for subscription, but 'event_type' \
                            field is missing in the payload.";

/// What became of an event.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = a::Accepted)]
pub(crate) struct Accepted {
    #[schema(example = "Webhook accepted for processing")]
    message: String,
    /// Left out if the subscription's filter does not name the event's type.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Uuid, required = false)]
    webhook_id: Option<DeliveryId>,
}

/// Submit an event
///
/// With the 202 it is stored durably, unless the message says that it was filtered. A subscription
/// with a verification, which `/v1` can give it, takes any body of any media type, signed as its
/// provider signs.
#[utoipa::path(
    post,
    path = "/ingest/{id}",
    operation_id = "a_ingest",
    tag = TAG,
    params(("id" = Uuid, Path, description = "The subscription's id."), SignatureHeader),
    request_body = EventBody,
    responses(
        RefusedBody,
        (
            status = 202,
            description = "The event is stored, or filtered.",
            body = Accepted,
            links(("status" = (
                operation_id = "a_read_status",
                parameters(("id" = "$response.body#/webhook_id")),
            ))),
        ),
        (
            status = 400,
            description = "The subscription has a filter and the event no type; or the body \
                           broke off.",
            body = Detail,
            example = json!({"detail": TYPE_MISSING}),
        ),
        (
            status = 401,
            description = "The subscription has a secret, and the signature is missing or no \
                           `sha256=...`; or its verification says no.",
            body = Detail,
            example = json!({"detail": "Missing X-Hub-Signature-256 header."}),
        ),
        (
            status = 403,
            description = "The signature is not that of the body.",
            body = Detail,
            example = json!({"detail": "Invalid signature."}),
        ),
        Invalid,
        NoSubscription,
        Refused,
        RefusedEvent,
    ),
)]
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
        Ok(Decision::OtherPayload) => {
            ("Webhook accepted but filtered by payload.".to_owned(), None)
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
