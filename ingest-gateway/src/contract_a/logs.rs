//! `/logs` and `/subscriptions/{id}/logs`: attempts, newest first.

use std::sync::Arc;

use axum::Json;
use axum::extract::{RawQuery, State};

use crate::contract_a::documented::{Invalid, NoSubscription, Refused, TAG};
use crate::contract_a::path::{self, Segment};
use crate::contract_a::query::{Limit, Number, Skip};
use crate::contract_a::rejection::Rejection;
use crate::contract_a::status_shape::AttemptShape;
use crate::contract_a::subscriptions::{both, page};
use crate::gateway::Gateway;
use crate::status_store::Attempt;
use pipeline::ids::SubscriptionId;

const SUBSCRIPTION_LIMIT: i64 = 20;
const ALL_LIMIT: i64 = 100;

/// List a subscription's attempts
#[utoipa::path(
    get,
    path = "/subscriptions/{id}/logs",
    operation_id = "a_list_attempts_of_subscription",
    tag = TAG,
    params(
        ("id" = Uuid, Path, description = "The subscription's id."),
        Limit<SUBSCRIPTION_LIMIT>,
    ),
    responses(
        (status = 200, description = "Newest first.", body = Vec<AttemptShape>),
        Invalid,
        NoSubscription,
        Refused,
    ),
)]
pub(crate) async fn of_subscription(
    State(gateway): State<Arc<Gateway>>,
    id: Segment,
    RawQuery(query): RawQuery,
) -> Result<Json<Vec<AttemptShape>>, Rejection> {
    let id = path::uuid(id, "subscription_id").map(SubscriptionId::from_uuid);
    let limit = Number::limit(SUBSCRIPTION_LIMIT).read(query.as_deref());
    let (id, limit) = both(id, limit.map_err(|problem| vec![problem]))?;
    let known = gateway.store.read(id).await?;
    known.ok_or_else(Rejection::subscription_not_found)?;
    Ok(shapes(gateway.status.attempts_of(id, limit).await?))
}

/// List the attempts of all subscriptions
#[utoipa::path(
    get,
    path = "/logs/",
    operation_id = "a_list_attempts",
    tag = TAG,
    params(Skip, Limit<ALL_LIMIT>),
    responses(
        (status = 200, description = "Newest first.", body = Vec<AttemptShape>),
        Invalid,
        Refused,
    ),
)]
pub(crate) async fn all(
    State(gateway): State<Arc<Gateway>>,
    RawQuery(query): RawQuery,
) -> Result<Json<Vec<AttemptShape>>, Rejection> {
    let (skip, limit) = page(query.as_deref(), ALL_LIMIT)?;
    Ok(shapes(gateway.status.attempts(skip, limit).await?))
}

fn shapes(attempts: Vec<Attempt>) -> Json<Vec<AttemptShape>> {
    Json(attempts.into_iter().map(AttemptShape::from).collect())
}
