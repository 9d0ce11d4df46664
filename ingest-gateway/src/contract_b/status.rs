//! `/status`: what became of a delivery, and a subscription's latest attempts.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use crate::contract_b::path::{self, Segment};
use crate::contract_b::rejection::Rejection;
use crate::contract_b::status_shape::{AttemptShape, TaskShape};
use crate::gateway::Gateway;

/// How many attempts of a subscription the contract shows.
const LATEST: i64 = 20;

/// `GET /status/delivery_tasks/{id}`
pub(crate) async fn delivery_task(
    State(gateway): State<Arc<Gateway>>,
    id: Segment,
) -> Result<Json<TaskShape>, Rejection> {
    let id = path::delivery_task(id)?;
    let found = gateway.deliveries.find(id).await?;
    let payload = gateway.deliveries.payload(id).await?;
    Ok(Json(TaskShape::new(found, payload.as_deref())))
}

/// `GET /status/subscriptions/{id}/attempts`
pub(crate) async fn attempts(
    State(gateway): State<Arc<Gateway>>,
    id: Segment,
) -> Result<Json<Vec<AttemptShape>>, Rejection> {
    let id = path::subscription(id)?;
    gateway.store.read(id).await?.ok_or(Rejection::SubscriptionNotFound)?;
    let attempts = gateway.status.attempts_of(id, LATEST).await?;
    Ok(Json(attempts.into_iter().map(AttemptShape::from).collect()))
}
