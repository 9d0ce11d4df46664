//! `GET /status/{webhook_id}`: what became of a delivery.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use pipeline::ids::DeliveryId;

use crate::contract_a::documented::{Detail, Invalid, Refused, RefusedStatus, TAG};
use crate::contract_a::path::{self, Segment};
use crate::contract_a::rejection::Rejection;
use crate::contract_a::status_shape::StatusShape;
use crate::gateway::Gateway;

/// Read what became of a delivery
///
/// Waits until everything that was accepted before can be seen here.
#[utoipa::path(
    get,
    path = "/status/{id}",
    operation_id = "a_read_status",
    tag = TAG,
    params(("id" = Uuid, Path, description = "The `webhook_id` of the answer to the event.")),
    responses(
        (status = 200, description = "The delivery.", body = StatusShape),
        (
            status = 404,
            description = "There is no such delivery.",
            body = Detail,
            example = json!({"detail": "Webhook not found"}),
        ),
        Invalid,
        Refused,
        RefusedStatus,
    ),
)]
pub(crate) async fn status(
    State(gateway): State<Arc<Gateway>>,
    id: Segment,
) -> Result<Json<StatusShape>, Rejection> {
    let id = path::uuid(id, "webhook_id").map_err(|problem| Rejection::Invalid(vec![problem]))?;
    let found = gateway.deliveries.find(DeliveryId::from_uuid(id)).await?;
    Ok(Json(found.into()))
}
