//! `POST /ingest/{id}`: the event's type stands in a header, and its body is any JSON value. A
//! subscription with a verification takes any body, for providers have forms of their own.

use std::borrow::Cow;
use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use http::{HeaderMap, StatusCode};
use pipeline::ids::DeliveryId;
use serde::Serialize;
use signature::HubRejection;
use utoipa::ToSchema;

use crate::contract_b::documented::{
    Message, NoSubscription, NotJson, Refused, RefusedBody, RefusedEvent, TAG,
};
use crate::contract_b::json_body;
use crate::contract_b::path::{self, Segment};
use crate::contract_b::rejection::Rejection;
use crate::event_type::in_header;
use crate::gateway::Gateway;
use crate::inbound_signature::{SignatureRejection, sentence};
use crate::ingest::{Decision, Event, NotTaken, take_in};
use crate::openapi::parameters::{EventTypeHeader, SignatureHeader};
use crate::request_body;

const NOT_JSON: &str = "Request body must be JSON";

/// What became of an event.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = b::Accepted)]
pub(crate) struct Accepted {
    #[schema(example = "Webhook received and queued")]
    message: String,
    /// Left out if the subscription's filter does not name the event's type.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Uuid, required = false)]
    task_id: Option<DeliveryId>,
}

/// Submit an event
///
/// With the 202 it is stored durably, unless the message says that its delivery is skipped. A
/// subscription with a verification, which `/v1` can give it, takes any body of any media type,
/// signed as its provider signs.
#[utoipa::path(
    post,
    path = "/ingest/{id}",
    operation_id = "b_ingest",
    tag = TAG,
    params(
        ("id" = Uuid, Path, description = "The subscription's id."),
        SignatureHeader,
        EventTypeHeader,
    ),
    request_body(
        content = Value,
        description = "Any JSON value. All of it is delivered, as it is.",
        example = json!({"event": "order.created"}),
    ),
    responses(
        RefusedBody,
        (
            status = 202,
            description = "The event is stored, or filtered.",
            body = Accepted,
            links(("status" = (
                operation_id = "b_read_delivery_task",
                parameters(("id" = "$response.body#/task_id")),
            ))),
        ),
        (
            status = 400,
            description = "The signature is no `sha256=...`; or the body broke off.",
            body = Message,
            examples(
                ("no method" = (value = json!({"message": "Invalid signature header format"}))),
                ("other method" = (value = json!({"message": "Unsupported signature hash method"}))),
            ),
        ),
        (
            status = 401,
            description = "The subscription has a secret, and the signature is missing or not \
                           that of the body; or its verification says no.",
            body = Message,
            examples(
                ("missing" = (value = json!({"message": "Signature header missing"}))),
                ("wrong" = (value = json!({"message": "Invalid signature"}))),
            ),
        ),
        NotJson,
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
    let header = &gateway.ingest.event_type_header;
    let contract_type = |body: &[u8]| {
        json_body::check(&headers, body, NOT_JSON)?;
        Ok(in_header(&headers, &header.name))
    };
    let subscription = path::subscription(id).or_else(|unknown| {
        // A body that is wrong is told before an id that names nothing.
        contract_type(&body).and(Err(unknown))
    })?;

    let event = Event { subscription, headers: &headers, body, contract_type };
    let (message, task_id) = match take_in(&gateway, event).await {
        Ok(Decision::Taken(id)) => ("Webhook received and queued".to_owned(), Some(id)),
        Ok(Decision::OtherType(event_type)) => {
            (format!("Event type '{event_type}' filtered, delivery skipped"), None)
        }
        Ok(Decision::TypeMissing) => (
            format!(
                "Subscription has event type filter, but no '{}' header provided. Delivery skipped",
                header.text
            ),
            None,
        ),
        Ok(Decision::OtherPayload) => ("Payload filtered, delivery skipped".to_owned(), None),
        Err(NotTaken::Form(rejection)) => return Err(rejection),
        Err(NotTaken::UnknownSubscription) => return Err(Rejection::SubscriptionNotFound),
        Err(NotTaken::Signature(rejection)) => return Err(signature_words(&rejection)),
        Err(NotTaken::Refused(refusal)) => return Err(refusal.into()),
    };
    Ok((StatusCode::ACCEPTED, Json(Accepted { message, task_id })))
}

fn signature_words(rejection: &SignatureRejection) -> Rejection {
    let (status, text) = match rejection {
        SignatureRejection::Hub { why, .. } => hub_words(*why),
        SignatureRejection::Preset(why) => (StatusCode::UNAUTHORIZED, sentence(*why).into()),
    };
    Rejection::Message(status, text)
}

fn hub_words(why: HubRejection) -> (StatusCode, Cow<'static, str>) {
    let (status, text) = match why {
        HubRejection::Missing => (StatusCode::UNAUTHORIZED, "Signature header missing"),
        HubRejection::NoMethod => (StatusCode::BAD_REQUEST, "Invalid signature header format"),
        HubRejection::OtherMethod => (StatusCode::BAD_REQUEST, "Unsupported signature hash method"),
        HubRejection::Repeated | HubRejection::Malformed | HubRejection::Mismatch => {
            (StatusCode::UNAUTHORIZED, "Invalid signature")
        }
    };
    (status, text.into())
}
