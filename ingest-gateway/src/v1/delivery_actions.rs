//! What can be done about one delivery: make it anew once it has ended, or cancel it before.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use http::{HeaderMap, StatusCode};
use jiff::Timestamp;
use pipeline::cancellation::Cancellation;
use pipeline::ids::{DeliveryId, MessageId, SubscriptionId};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::delivery_lookup::NotFound;
use crate::gateway::Gateway;
use crate::made_anew::{anew, derived_id};
use crate::openapi::parameters::IdempotencyKeyHeader;
use crate::refusal::Refusal;
use crate::request_body;
use crate::v1::delivery_documented::NoDelivery;
use crate::v1::documented::{self, Refused, RefusedEvent, RefusedStatus, TAG};
use crate::v1::event_request;
use crate::v1::path::DeliveryPath;
use crate::v1::problem::Problem;

/// How many cancellations may be in effect: every process keeps them in memory, about 100 bytes
/// each.
const MAX_CANCELLED: usize = 200_000;

/// The 202's body of a retry.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = v1::Retried)]
pub(crate) struct Retried {
    /// The new delivery.
    #[schema(value_type = Uuid)]
    id: DeliveryId,
    /// The one that it repeats.
    #[schema(value_type = Uuid)]
    replay_of: DeliveryId,
    #[schema(value_type = Uuid)]
    subscription_id: SubscriptionId,
    /// What the receiver sees as `webhook-id`, as before.
    #[schema(value_type = Uuid)]
    message_id: MessageId,
}

/// Deliver again what has ended
///
/// As a new delivery, with the subscription's settings of now, the same `webhook-id` and the same
/// bytes. With an `Idempotency-Key` a repeat within a day is the same new delivery.
#[utoipa::path(
    post,
    path = "/deliveries/{id}/retry",
    operation_id = "v1_retry_delivery",
    tag = TAG,
    params(("id" = Uuid, Path, description = "The delivery's id."), IdempotencyKeyHeader),
    responses(
        (status = 202, description = "The broker has the new delivery.", body = Retried),
        (
            status = 400,
            description = "The key cannot be one.",
            body = documented::Problem,
            content_type = "application/problem+json",
        ),
        NoDelivery,
        (
            status = 409,
            description = "It has not ended (`still_running`), its payload is not stored \
                           (`payload_not_stored`), or its subscription was deleted \
                           (`subscription_deleted`).",
            body = documented::Problem,
            content_type = "application/problem+json",
        ),
        Refused,
        RefusedStatus,
        RefusedEvent,
    ),
)]
pub(crate) async fn retry(
    State(gateway): State<Arc<Gateway>>,
    DeliveryPath(id): DeliveryPath,
    headers: HeaderMap,
    body: Body,
) -> Result<(StatusCode, Json<Retried>), Problem> {
    request_body::discard(body).await;
    let key = event_request::idempotency_key(&headers)?;
    let look = || gateway.originals.read(id);
    let found = gateway.deliveries.found_with_content(look, |found| found.is_told);
    let original = found.await.map_err(problem)?;
    if !original.has_ended() {
        let detail = "It has not ended yet; cancel it first, or wait.";
        return Err(conflict("still_running", detail));
    }
    let Some(content) = &original.content else {
        return Err(conflict("payload_not_stored", "What it delivers is not stored."));
    };
    let Some(to) = gateway.lookup.find(original.subscription_id).await? else {
        return Err(conflict("subscription_deleted", "Its subscription was deleted."));
    };
    let id = match key {
        Some(key) => derived_id("retry", key.as_str().as_bytes(), original.id),
        None => DeliveryId::from_uuid(Uuid::now_v7()),
    };
    let made = anew(&original, content, id, &to, Timestamp::now());
    gateway.publisher.publish_delivery(&made).await?;
    let answer = Retried {
        id: made.id,
        replay_of: original.id,
        subscription_id: made.subscription_id,
        message_id: made.message_id,
    };
    Ok((StatusCode::ACCEPTED, Json(answer)))
}

/// The 202's body of a cancellation.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = v1::CancelTaken)]
pub(crate) struct CancelTaken {
    #[schema(value_type = Uuid)]
    id: DeliveryId,
}

/// Cancel a delivery
///
/// No further call is made. It reads `cancelled` once it comes up next, which may be as late as
/// its next attempt is due; a call that is under way may still deliver it.
#[utoipa::path(
    post,
    path = "/deliveries/{id}/cancel",
    operation_id = "v1_cancel_delivery",
    tag = TAG,
    params(("id" = Uuid, Path, description = "The delivery's id.")),
    responses(
        (status = 202, description = "Every process is told.", body = CancelTaken),
        NoDelivery,
        (
            status = 409,
            description = "It has ended (`already_ended`).",
            body = documented::Problem,
            content_type = "application/problem+json",
        ),
        Refused,
        RefusedStatus,
        RefusedEvent,
    ),
)]
pub(crate) async fn cancel(
    State(gateway): State<Arc<Gateway>>,
    DeliveryPath(id): DeliveryPath,
    body: Body,
) -> Result<(StatusCode, Json<CancelTaken>), Problem> {
    request_body::discard(body).await;
    let found = gateway.deliveries.found(|| gateway.originals.read(id));
    let delivery = found.await.map_err(problem)?;
    if delivery.has_ended() {
        return Err(conflict("already_ended", "It has ended already."));
    }
    if gateway.table.cancelled() >= MAX_CANCELLED {
        return Err(Refusal::TOO_MANY_CANCELLED.into());
    }
    let cancellation = Cancellation { delivery_id: id, accepted_at: delivery.accepted_at };
    gateway.publisher.publish_cancellation(cancellation).await?;
    gateway.table.cancel(cancellation);
    Ok((StatusCode::ACCEPTED, Json(CancelTaken { id })))
}

fn problem(error: NotFound) -> Problem {
    match error {
        NotFound::Unknown => Problem::delivery_not_found(),
        NotFound::Refused(refusal) => refusal.into(),
    }
}

fn conflict(code: &'static str, detail: &'static str) -> Problem {
    Problem::new(StatusCode::CONFLICT, code, detail)
}
