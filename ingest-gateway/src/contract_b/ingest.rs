//! `POST /ingest/{id}`: the event's type stands in a header, and its body is any JSON value.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use http::{HeaderMap, HeaderName, StatusCode};
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
use crate::gateway::Gateway;
use crate::ingest::{Decision, Event, NotTaken, take_in};
use crate::openapi::parameters::{EventTypeHeader, SignatureHeader};

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
/// With the 202 it is stored durably, unless the message says that its delivery is skipped.
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
                           that of the body.",
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
    let body = json_body::read(&headers, body, gateway.limits, NOT_JSON).await?;
    let subscription = path::subscription(id)?;
    let header = &gateway.ingest.event_type_header;
    let event_type = event_type(&headers, &header.name);

    let event = Event { subscription, headers: &headers, event_type, body };
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
        Err(NotTaken::UnknownSubscription) => return Err(Rejection::SubscriptionNotFound),
        Err(NotTaken::Signature(rejection)) => return Err(signature_words(rejection)),
        Err(NotTaken::Refused(refusal)) => return Err(refusal.into()),
    };
    Ok((StatusCode::ACCEPTED, Json(Accepted { message, task_id })))
}

/// The first value of the header. An empty one is none, as the seed has it; bytes that are not
/// UTF-8 match no filter that anybody can have meant.
fn event_type(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let value = headers.get(name).filter(|value| !value.is_empty())?;
    Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
}

fn signature_words(rejection: HubRejection) -> Rejection {
    let (status, text) = match rejection {
        HubRejection::Missing => (StatusCode::UNAUTHORIZED, "Signature header missing"),
        HubRejection::NoMethod => (StatusCode::BAD_REQUEST, "Invalid signature header format"),
        HubRejection::OtherMethod => (StatusCode::BAD_REQUEST, "Unsupported signature hash method"),
        HubRejection::Repeated | HubRejection::Malformed | HubRejection::Mismatch => {
            (StatusCode::UNAUTHORIZED, "Invalid signature")
        }
    };
    Rejection::Message(status, text.into())
}
