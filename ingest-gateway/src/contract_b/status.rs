//! `/status`: what became of a delivery, and a subscription's latest attempts.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use crate::contract_b::documented::{Message, NoSubscription, Refused, RefusedStatus, TAG};
use crate::contract_b::path::{self, Segment};
use crate::contract_b::rejection::Rejection;
use crate::contract_b::status_shape::{AttemptShape, TaskShape};
use crate::gateway::Gateway;

/// How many attempts of a subscription the contract shows.
const LATEST: i64 = 20;

/// Read what became of a delivery
///
/// Waits until everything that was accepted before can be seen here.
#[utoipa::path(
    get,
    path = "/status/delivery_tasks/{id}",
    operation_id = "b_read_delivery_task",
    tag = TAG,
    params(("id" = Uuid, Path, description = "The `task_id` of the answer to the event.")),
    responses(
        (status = 200, description = "The delivery.", body = TaskShape),
        (
            status = 404,
            description = "There is no such delivery.",
            body = Message,
            example = json!({"message": "Delivery task not found"}),
        ),
        Refused,
        RefusedStatus,
    ),
)]
pub(crate) async fn delivery_task(
    State(gateway): State<Arc<Gateway>>,
    id: Segment,
) -> Result<Json<TaskShape>, Rejection> {
    let id = path::delivery_task(id)?;
    let found = gateway.deliveries.find(id).await?;
    let payload = gateway.deliveries.payload(id).await?;
    Ok(Json(TaskShape::new(found, payload.as_deref())))
}

/// List a subscription's latest attempts
#[utoipa::path(
    get,
    path = "/status/subscriptions/{id}/attempts",
    operation_id = "b_list_attempts",
    tag = TAG,
    params(("id" = Uuid, Path, description = "The subscription's id.")),
    responses(
        (status = 200, description = "The latest 20, newest first.", body = Vec<AttemptShape>),
        NoSubscription,
        Refused,
    ),
)]
pub(crate) async fn attempts(
    State(gateway): State<Arc<Gateway>>,
    id: Segment,
) -> Result<Json<Vec<AttemptShape>>, Rejection> {
    let id = path::subscription(id)?;
    gateway.store.read(id).await?.ok_or(Rejection::SubscriptionNotFound)?;
    let attempts = gateway.status.attempts_of(id, LATEST).await?;
    Ok(Json(attempts.into_iter().map(AttemptShape::from).collect()))
}
