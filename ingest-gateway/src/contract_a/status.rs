//! `GET /status/{webhook_id}`: what became of a delivery.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use pipeline::ids::DeliveryId;

use crate::contract_a::path::{self, Segment};
use crate::contract_a::rejection::Rejection;
use crate::contract_a::status_shape::StatusShape;
use crate::gateway::Gateway;

/// `GET /status/{webhook_id}`
pub(crate) async fn status(
    State(gateway): State<Arc<Gateway>>,
    id: Segment,
) -> Result<Json<StatusShape>, Rejection> {
    let id = path::uuid(id, "webhook_id").map_err(|problem| Rejection::Invalid(vec![problem]))?;
    let found = gateway.deliveries.find(DeliveryId::from_uuid(id)).await?;
    Ok(Json(found.into()))
}
