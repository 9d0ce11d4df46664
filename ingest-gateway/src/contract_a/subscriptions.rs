//! `/subscriptions`: the configuration routes.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{RawQuery, State};
use http::{HeaderMap, StatusCode};
use pipeline::ids::SubscriptionId;

use crate::contract_a::documented::{Invalid, NoSubscription, Refused, RefusedBody, TAG};
use crate::contract_a::path::{self, Segment};
use crate::contract_a::problem::Problem;
use crate::contract_a::query::{Limit, Number, Skip};
use crate::contract_a::rejection::Rejection;
use crate::contract_a::subscription_body::{self, SubscriptionBody};
use crate::contract_a::subscription_shape::SubscriptionShape;
use crate::gateway::Gateway;
use crate::request_body;

const LIST_LIMIT: i64 = 100;

type Answer<T> = Result<T, Rejection>;

/// Create a subscription
#[utoipa::path(
    post,
    path = "/subscriptions/",
    operation_id = "a_create_subscription",
    tag = TAG,
    request_body = SubscriptionBody,
    responses(
        (
            status = 201,
            description = "The subscription.",
            body = SubscriptionShape,
            links(
                ("read" = (
                    operation_id = "a_read_subscription",
                    parameters(("id" = "$response.body#/id")),
                )),
                ("replace" = (
                    operation_id = "a_replace_subscription",
                    parameters(("id" = "$response.body#/id")),
                )),
                ("delete" = (
                    operation_id = "a_delete_subscription",
                    parameters(("id" = "$response.body#/id")),
                )),
                ("ingest" = (
                    operation_id = "a_ingest",
                    parameters(("id" = "$response.body#/id")),
                )),
                ("logs" = (
                    operation_id = "a_list_attempts_of_subscription",
                    parameters(("id" = "$response.body#/id")),
                )),
            ),
        ),
        Invalid,
        Refused,
        RefusedBody,
    ),
)]
pub(crate) async fn create(
    State(gateway): State<Arc<Gateway>>,
    headers: HeaderMap,
    body: Body,
) -> Answer<(StatusCode, Json<SubscriptionShape>)> {
    let body = request_body::read(&headers, body, gateway.limits).await?;
    let wanted = subscription_body::read(&body, &gateway.egress).map_err(Rejection::Invalid)?;
    let created = gateway.changes.create(&wanted).await?;
    Ok((StatusCode::CREATED, Json(created.into())))
}

/// List subscriptions
#[utoipa::path(
    get,
    path = "/subscriptions/",
    operation_id = "a_list_subscriptions",
    tag = TAG,
    params(Skip, Limit<LIST_LIMIT>),
    responses(
        (status = 200, description = "In the order of their making.", body = Vec<SubscriptionShape>),
        Invalid,
        Refused,
    ),
)]
pub(crate) async fn list(
    State(gateway): State<Arc<Gateway>>,
    RawQuery(query): RawQuery,
) -> Answer<Json<Vec<SubscriptionShape>>> {
    let (skip, limit) = page(query.as_deref(), LIST_LIMIT)?;
    let subscriptions = gateway.store.list(skip, limit).await?;
    Ok(Json(subscriptions.into_iter().map(SubscriptionShape::from).collect()))
}

/// Read a subscription
#[utoipa::path(
    get,
    path = "/subscriptions/{id}",
    operation_id = "a_read_subscription",
    tag = TAG,
    params(("id" = Uuid, Path, description = "The subscription's id.")),
    responses(
        (status = 200, description = "The subscription.", body = SubscriptionShape),
        Invalid,
        NoSubscription,
        Refused,
    ),
)]
pub(crate) async fn read(
    State(gateway): State<Arc<Gateway>>,
    id: Segment,
) -> Answer<Json<SubscriptionShape>> {
    let found = gateway.store.read(subscription_id(id)?).await?;
    Ok(Json(found.ok_or_else(Rejection::subscription_not_found)?.into()))
}

/// Replace a subscription
///
/// A field that is left out gets its default.
#[utoipa::path(
    put,
    path = "/subscriptions/{id}",
    operation_id = "a_replace_subscription",
    tag = TAG,
    params(("id" = Uuid, Path, description = "The subscription's id.")),
    request_body = SubscriptionBody,
    responses(
        (status = 200, description = "The subscription as it is now.", body = SubscriptionShape),
        Invalid,
        NoSubscription,
        Refused,
        RefusedBody,
    ),
)]
pub(crate) async fn replace(
    State(gateway): State<Arc<Gateway>>,
    id: Segment,
    headers: HeaderMap,
    body: Body,
) -> Answer<Json<SubscriptionShape>> {
    let body = request_body::read(&headers, body, gateway.limits).await?;
    let id = path::uuid(id, SUBSCRIPTION_ID).map(SubscriptionId::from_uuid);
    let wanted = subscription_body::read(&body, &gateway.egress);
    let (id, wanted) = both(id, wanted)?;
    let replaced = gateway.changes.replace(id, &wanted).await?;
    Ok(Json(replaced.ok_or_else(Rejection::subscription_not_found)?.into()))
}

/// Delete a subscription
///
/// Its history can be read until it has aged out.
#[utoipa::path(
    delete,
    path = "/subscriptions/{id}",
    operation_id = "a_delete_subscription",
    tag = TAG,
    params(("id" = Uuid, Path, description = "The subscription's id.")),
    responses(
        (status = 204, description = "It is deleted."),
        Invalid,
        NoSubscription,
        Refused,
    ),
)]
pub(crate) async fn delete(State(gateway): State<Arc<Gateway>>, id: Segment) -> Answer<StatusCode> {
    let deleted = gateway.changes.delete(subscription_id(id)?).await?;
    deleted.ok_or_else(Rejection::subscription_not_found)?;
    Ok(StatusCode::NO_CONTENT)
}

/// What the seed calls the id in its paths.
const SUBSCRIPTION_ID: &str = "subscription_id";

/// The id of a path, alone.
pub(crate) fn subscription_id(segment: Segment) -> Answer<SubscriptionId> {
    let id = path::uuid(segment, SUBSCRIPTION_ID);
    id.map(SubscriptionId::from_uuid).map_err(|problem| Rejection::Invalid(vec![problem]))
}

/// `skip` and `limit` of a query.
pub(crate) fn page(query: Option<&str>, limit: i64) -> Answer<(i64, i64)> {
    let limit = Number::limit(limit).read(query).map_err(|problem| vec![problem]);
    both(Number::skip().read(query), limit)
}

/// Two inputs of a request, or everything that is wrong with either.
pub(crate) fn both<T, U>(
    first: Result<T, Problem>,
    second: Result<U, Vec<Problem>>,
) -> Answer<(T, U)> {
    match (first, second) {
        (Ok(first), Ok(second)) => Ok((first, second)),
        (first, second) => Err(Rejection::Invalid(
            first.err().into_iter().chain(second.err().into_iter().flatten()).collect(),
        )),
    }
}
