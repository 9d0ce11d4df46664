//! `/subscriptions`: the configuration routes.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use http::{HeaderMap, StatusCode};
use serde::Serialize;

use crate::contract_b::path::{self, Segment};
use crate::contract_b::rejection::Rejection;
use crate::contract_b::subscription_shape::SubscriptionShape;
use crate::contract_b::{json_body, subscription_body};
use crate::gateway::Gateway;

/// The contract has no pages: what is beyond this is left out.
const MAX_LISTED: i64 = 1_000;
const NOT_JSON: &str = "Request body must be valid JSON";

type Answer<T> = Result<T, Rejection>;

/// `POST /subscriptions`
pub(crate) async fn create(
    State(gateway): State<Arc<Gateway>>,
    headers: HeaderMap,
    body: Body,
) -> Answer<(StatusCode, Json<SubscriptionShape>)> {
    let body = json_body::read(&headers, body, gateway.limits, NOT_JSON).await?;
    let wanted = subscription_body::wanted(&body, &gateway.egress).map_err(Rejection::Invalid)?;
    let created = gateway.changes.create(&wanted).await?;
    Ok((StatusCode::CREATED, Json(created.into())))
}

/// `GET /subscriptions`
pub(crate) async fn list(
    State(gateway): State<Arc<Gateway>>,
) -> Answer<Json<Vec<SubscriptionShape>>> {
    let subscriptions = gateway.store.list(0, MAX_LISTED).await?;
    Ok(Json(subscriptions.into_iter().map(SubscriptionShape::from).collect()))
}

/// `GET /subscriptions/{id}`
pub(crate) async fn read(
    State(gateway): State<Arc<Gateway>>,
    id: Segment,
) -> Answer<Json<SubscriptionShape>> {
    let found = gateway.store.read(path::subscription(id)?).await?;
    Ok(Json(found.ok_or(Rejection::SubscriptionNotFound)?.into()))
}

/// `PUT /subscriptions/{id}`: what is left out stays.
pub(crate) async fn amend(
    State(gateway): State<Arc<Gateway>>,
    id: Segment,
    headers: HeaderMap,
    body: Body,
) -> Answer<Json<SubscriptionShape>> {
    let body = json_body::read(&headers, body, gateway.limits, NOT_JSON).await?;
    let amendment =
        subscription_body::amendment(&body, &gateway.egress).map_err(Rejection::Invalid)?;
    let amended = gateway.changes.amend(path::subscription(id)?, &amendment).await?;
    Ok(Json(amended.ok_or(Rejection::SubscriptionNotFound)?.into()))
}

/// The 200's body.
#[derive(Debug, Serialize)]
pub(crate) struct Deleted {
    message: &'static str,
}

/// `DELETE /subscriptions/{id}`
pub(crate) async fn delete(
    State(gateway): State<Arc<Gateway>>,
    id: Segment,
) -> Answer<Json<Deleted>> {
    let deleted = gateway.changes.delete(path::subscription(id)?).await?;
    deleted.ok_or(Rejection::SubscriptionNotFound)?;
    Ok(Json(Deleted { message: "Subscription deleted" }))
}
