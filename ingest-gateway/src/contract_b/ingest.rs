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

use crate::contract_b::json_body;
use crate::contract_b::path::{self, Segment};
use crate::contract_b::rejection::Rejection;
use crate::event_type::in_header;
use crate::gateway::Gateway;
use crate::inbound_signature::{SignatureRejection, sentence};
use crate::ingest::{Decision, Event, NotTaken, take_in};
use crate::request_body;

const NOT_JSON: &str = "Request body must be JSON";

/// The 202's body.
#[derive(Debug, Serialize)]
pub(crate) struct Accepted {
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    task_id: Option<DeliveryId>,
}

/// `POST /ingest/{id}`
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
