//! What a subscription can be told to do: pause, resume, change its keys, send a test event.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use jiff::Timestamp;
use pipeline::ids::{DeliveryId, SubscriptionId};
use pipeline::subscription::{PauseReason, Subscription};
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use crate::gateway::Gateway;
use crate::own_subscription::OwnSubscription;
use crate::publisher::NewDelivery;
use crate::request_body;
use crate::v1::documented::{self, Refused, RefusedBody, RefusedEvent, TAG};
use crate::v1::etag::IfMatch;
use crate::v1::json_body;
use crate::v1::path::SubscriptionPath;
use crate::v1::problem::Problem;
use crate::v1::signing_keys::{DEFAULT_OVERLAP, NewKeys, rotated};
use crate::v1::subscription_change::{self, change};
use crate::v1::subscription_documented::{
    IfMatchHeader, InvalidFields, NoSubscription, OtherVersion, RotationBody,
};
use crate::v1::subscription_shape::SubscriptionShape;
use crate::v1::subscriptions::changed;
use crate::v1::values;

/// A week at most.
const OVERLAP_SECONDS: RangeInclusive<u32> = 0..=604_800;
const TEST_EVENT_TYPE: &str = "hooklog.test";

/// Pause a subscription
///
/// No calls are made any more, and nothing is lost. One that is paused already stays so, for
/// whichever reason.
#[utoipa::path(
    post,
    path = "/subscriptions/{id}/pause",
    operation_id = "v1_pause_subscription",
    tag = TAG,
    params(("id" = Uuid, Path, description = "The subscription's id."), IfMatchHeader),
    responses(
        (
            status = 200,
            description = "The subscription as it is now.",
            body = SubscriptionShape<'static>,
            headers(("ETag" = String, description = "The version, in quotes.")),
        ),
        NoSubscription,
        OtherVersion,
        Refused,
    ),
)]
pub(crate) async fn pause(
    State(gateway): State<Arc<Gateway>>,
    SubscriptionPath(id): SubscriptionPath,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    request_body::discard(body).await;
    set_paused(&gateway, id, &headers, |paused| paused.or(Some(PauseReason::Operator))).await
}

/// Resume a subscription
///
/// Whatever had paused it.
#[utoipa::path(
    post,
    path = "/subscriptions/{id}/resume",
    operation_id = "v1_resume_subscription",
    tag = TAG,
    params(("id" = Uuid, Path, description = "The subscription's id."), IfMatchHeader),
    responses(
        (
            status = 200,
            description = "The subscription as it is now.",
            body = SubscriptionShape<'static>,
            headers(("ETag" = String, description = "The version, in quotes.")),
        ),
        NoSubscription,
        OtherVersion,
        Refused,
    ),
)]
pub(crate) async fn resume(
    State(gateway): State<Arc<Gateway>>,
    SubscriptionPath(id): SubscriptionPath,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    request_body::discard(body).await;
    set_paused(&gateway, id, &headers, |_| None).await
}

async fn set_paused(
    gateway: &Gateway,
    id: SubscriptionId,
    headers: &HeaderMap,
    paused: impl Fn(Option<PauseReason>) -> Option<PauseReason>,
) -> Result<Response, Problem> {
    let if_match = IfMatch::of(headers);
    let made = change(gateway, id, &if_match, |current| {
        let mut wanted = current.clone();
        wanted.record.paused = paused(current.record.paused);
        Ok(wanted)
    });
    Ok(changed(&made.await?))
}

/// Give a subscription a new key of each kind in use
///
/// The old one signs beside it for the overlap. Each call makes another one.
#[utoipa::path(
    post,
    path = "/subscriptions/{id}/rotate-secret",
    operation_id = "v1_rotate_secret",
    tag = TAG,
    params(("id" = Uuid, Path, description = "The subscription's id."), IfMatchHeader),
    request_body = Option<RotationBody>,
    responses(
        (
            status = 200,
            description = "The subscription as it is now, with its new key.",
            body = SubscriptionShape<'static>,
            headers(("ETag" = String, description = "The version, in quotes.")),
        ),
        NoSubscription,
        OtherVersion,
        InvalidFields,
        Refused,
        RefusedBody,
    ),
)]
pub(crate) async fn rotate_secret(
    State(gateway): State<Arc<Gateway>>,
    SubscriptionPath(id): SubscriptionPath,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let body = json_body::optional_object(&headers, body, gateway.limits).await?;
    let overlap = overlap(&body)?;
    let (new_keys, now) = (NewKeys::draw()?, Timestamp::now());
    let if_match = IfMatch::of(&headers);
    let made = change(&gateway, id, &if_match, |current| {
        let OwnSubscription { record, description, labels } = current.clone();
        let signing = Some(rotated(&record, &new_keys, overlap, now));
        Ok(OwnSubscription { record: Subscription { signing, ..record }, description, labels })
    });
    Ok(changed(&made.await?))
}

fn overlap(body: &Map<String, Value>) -> Result<Duration, Problem> {
    const FIELD: &str = "overlap_seconds";
    let unknown = body.keys().filter(|name| *name != FIELD);
    let mut errors: Vec<_> =
        unknown.map(|name| values::unknown_field("", name, &[FIELD])).collect();
    let given = body.get(FIELD).filter(|value| !value.is_null());
    let read = given.map(|value| values::number(value, "/overlap_seconds", OVERLAP_SECONDS));
    match read.transpose() {
        Ok(seconds) if errors.is_empty() => {
            Ok(seconds.map_or(DEFAULT_OVERLAP, |seconds| Duration::from_secs(seconds.into())))
        }
        read => {
            errors.extend(read.err().into_iter().flatten());
            Err(Problem::invalid(errors))
        }
    }
}

/// The 202's body of a test.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = v1::TestSent)]
pub(crate) struct TestSent {
    #[schema(value_type = Uuid)]
    delivery_id: DeliveryId,
    /// What the receiver sees as `webhook-id`.
    #[schema(value_type = Uuid)]
    event_id: DeliveryId,
}

/// Send a test event
///
/// `hooklog.test`, for this subscription alone, whatever its filter says; delivered, retried and
/// recorded as any other event.
#[utoipa::path(
    post,
    path = "/subscriptions/{id}/test",
    operation_id = "v1_test_subscription",
    tag = TAG,
    params(("id" = Uuid, Path, description = "The subscription's id."), IfMatchHeader),
    responses(
        (status = 202, description = "It is on its way.", body = TestSent),
        (
            status = 409,
            description = "The subscription is paused.",
            body = documented::Problem,
            content_type = "application/problem+json",
        ),
        NoSubscription,
        OtherVersion,
        Refused,
        RefusedEvent,
    ),
)]
pub(crate) async fn test(
    State(gateway): State<Arc<Gateway>>,
    SubscriptionPath(id): SubscriptionPath,
    headers: HeaderMap,
    body: Body,
) -> Result<(StatusCode, Json<TestSent>), Problem> {
    request_body::discard(body).await;
    let subscription = subscription_change::read(&gateway, id, &IfMatch::of(&headers)).await?;
    if subscription.record.paused.is_some() {
        let detail = "The subscription is paused; resume it first.";
        return Err(Problem::new(StatusCode::CONFLICT, "subscription_paused", detail));
    }
    let event = NewDelivery {
        subscription: &subscription.record,
        event_type: Some(TEST_EVENT_TYPE.to_owned()),
        content_type: "application/json".to_owned(),
        body: test_event(id, Timestamp::now()),
    };
    let delivery_id = gateway.publisher.publish(event).await?;
    Ok((StatusCode::ACCEPTED, Json(TestSent { delivery_id, event_id: delivery_id })))
}

/// In the form that Standard Webhooks recommends for a payload.
fn test_event(id: SubscriptionId, now: Timestamp) -> Bytes {
    let event = json!({
        "type": TEST_EVENT_TYPE,
        "timestamp": format!("{now:.6}"),
        "data": { "subscription_id": id },
    });
    event.to_string().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_overlap_is_a_day_unless_told_otherwise_and_a_week_at_most() {
        let read = |body: Value| overlap(body.as_object().unwrap()).map_err(|p| p.code());
        assert_eq!(read(json!({})), Ok(DEFAULT_OVERLAP));
        assert_eq!(read(json!({"overlap_seconds": null})), Ok(DEFAULT_OVERLAP));
        assert_eq!(read(json!({"overlap_seconds": 0})), Ok(Duration::ZERO));
        assert_eq!(read(json!({"overlap_seconds": 604_800})), Ok(DEFAULT_OVERLAP * 7));
        for bad in [json!({"overlap_seconds": 604_801}), json!({"overlap": 1})] {
            assert_eq!(read(bad), Err("invalid_fields"));
        }
    }
}
