//! `/subscriptions`: the configuration routes.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use http::{HeaderMap, StatusCode};
use serde::Serialize;
use utoipa::ToSchema;

use crate::contract_b::documented::{Invalid, NoSubscription, NotJson, Refused, RefusedBody, TAG};
use crate::contract_b::json_body;
use crate::contract_b::path::{self, Segment};
use crate::contract_b::rejection::Rejection;
use crate::contract_b::subscription_body::{self, AmendmentBody, SubscriptionBody};
use crate::contract_b::subscription_shape::SubscriptionShape;
use crate::gateway::Gateway;

/// The contract has no pages: what is beyond this is left out.
const MAX_LISTED: i64 = 1_000;
const NOT_JSON: &str = "Request body must be valid JSON";

type Answer<T> = Result<T, Rejection>;

/// Create a subscription
#[utoipa::path(
    post,
    path = "/subscriptions",
    operation_id = "b_create_subscription",
    tag = TAG,
    request_body = SubscriptionBody,
    responses(
        RefusedBody,
        (
            status = 201,
            description = "The subscription.",
            body = SubscriptionShape,
            links(
                ("read" = (
                    operation_id = "b_read_subscription",
                    parameters(("id" = "$response.body#/id")),
                )),
                ("amend" = (
                    operation_id = "b_amend_subscription",
                    parameters(("id" = "$response.body#/id")),
                )),
                ("delete" = (
                    operation_id = "b_delete_subscription",
                    parameters(("id" = "$response.body#/id")),
                )),
                ("ingest" = (
                    operation_id = "b_ingest",
                    parameters(("id" = "$response.body#/id")),
                )),
                ("attempts" = (
                    operation_id = "b_list_attempts",
                    parameters(("id" = "$response.body#/id")),
                )),
            ),
        ),
        NotJson,
        Invalid,
        Refused,
    ),
)]
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

/// List subscriptions
#[utoipa::path(
    get,
    path = "/subscriptions",
    operation_id = "b_list_subscriptions",
    tag = TAG,
    responses(
        (
            status = 200,
            description = "The first thousand, in the order of their making.",
            body = Vec<SubscriptionShape>,
        ),
        Refused,
    ),
)]
pub(crate) async fn list(
    State(gateway): State<Arc<Gateway>>,
) -> Answer<Json<Vec<SubscriptionShape>>> {
    let subscriptions = gateway.store.list(0, MAX_LISTED).await?;
    Ok(Json(subscriptions.into_iter().map(SubscriptionShape::from).collect()))
}

/// Read a subscription
#[utoipa::path(
    get,
    path = "/subscriptions/{id}",
    operation_id = "b_read_subscription",
    tag = TAG,
    params(("id" = Uuid, Path, description = "The subscription's id.")),
    responses(
        (status = 200, description = "The subscription.", body = SubscriptionShape),
        NoSubscription,
        Refused,
    ),
)]
pub(crate) async fn read(
    State(gateway): State<Arc<Gateway>>,
    id: Segment,
) -> Answer<Json<SubscriptionShape>> {
    let found = gateway.store.read(path::subscription(id)?).await?;
    Ok(Json(found.ok_or(Rejection::SubscriptionNotFound)?.into()))
}

/// Change a subscription
#[utoipa::path(
    put,
    path = "/subscriptions/{id}",
    operation_id = "b_amend_subscription",
    tag = TAG,
    params(("id" = Uuid, Path, description = "The subscription's id.")),
    request_body = AmendmentBody,
    responses(
        RefusedBody,
        (status = 200, description = "The subscription as it is now.", body = SubscriptionShape),
        NotJson,
        Invalid,
        NoSubscription,
        Refused,
    ),
)]
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

/// It is deleted.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = b::Deleted)]
pub(crate) struct Deleted {
    #[schema(example = "Subscription deleted")]
    message: &'static str,
}

/// Delete a subscription
#[utoipa::path(
    delete,
    path = "/subscriptions/{id}",
    operation_id = "b_delete_subscription",
    tag = TAG,
    params(("id" = Uuid, Path, description = "The subscription's id.")),
    responses(
        (status = 200, description = "It is deleted.", body = Deleted),
        NoSubscription,
        Refused,
    ),
)]
pub(crate) async fn delete(
    State(gateway): State<Arc<Gateway>>,
    id: Segment,
) -> Answer<Json<Deleted>> {
    let deleted = gateway.changes.delete(path::subscription(id)?).await?;
    deleted.ok_or(Rejection::SubscriptionNotFound)?;
    Ok(Json(Deleted { message: "Subscription deleted" }))
}
