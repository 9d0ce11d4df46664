//! `GET /status/{webhook_id}`: what became of a delivery.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use pipeline::ids::DeliveryId;

use crate::contract_a::path::{self, Segment};
use crate::contract_a::rejection::Rejection;
use crate::contract_a::status_shape::StatusShape;
use crate::gateway::Gateway;

/// Finds a delivery right after its 202 too: before it says 404 it waits until the projection
/// has come as far as the log was when this was asked.
pub(crate) async fn status(
    State(gateway): State<Arc<Gateway>>,
    id: Segment,
) -> Result<Json<StatusShape>, Rejection> {
    let id = path::uuid(id, "webhook_id").map_err(|problem| Rejection::Invalid(vec![problem]))?;
    let id = DeliveryId::from_uuid(id);
    if let Some(found) = gateway.status.delivery(id).await? {
        return Ok(Json(found.into()));
    }
    let caught_up = gateway.projection.caught_up().await;
    match gateway.status.delivery(id).await? {
        Some(found) => Ok(Json(found.into())),
        None if caught_up => Err(Rejection::webhook_not_found()),
        None => Err(Rejection::Unavailable("The status is not known yet. Try again.")),
    }
}
