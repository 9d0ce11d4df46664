//! `/v1/subscriptions`: create, read, list, change, delete.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::{ETAG, LOCATION};
use http::{HeaderMap, StatusCode};
use jiff::Timestamp;
use pipeline::ids::SubscriptionId;
use uuid::Uuid;

use crate::gateway::Gateway;
use crate::own_subscription::OwnSubscription;
use crate::own_subscription_store::After;
use crate::v1::cursor::Place;
use crate::v1::documented::{self, Refused, RefusedBody, TAG};
use crate::v1::etag::{self, IfMatch};
use crate::v1::json_body::{self, MediaType};
use crate::v1::page::{Page, PageQuery, PageShape};
use crate::v1::path::SubscriptionPath;
use crate::v1::problem::Problem;
use crate::v1::signing_keys::NewKeys;
use crate::v1::subscription_change::{self, Changed, change};
use crate::v1::subscription_documented::{
    IfMatchHeader, InvalidFields, NoSubscription, OtherVersion, PageParameters, SubscriptionBody,
};
use crate::v1::subscription_patch::{Rules, created, patched};
use crate::v1::subscription_shape::SubscriptionShape;

/// Create a subscription
///
/// The answer holds the secret that its deliveries are signed with; it is never shown again.
#[utoipa::path(
    post,
    path = "/subscriptions",
    operation_id = "v1_create_subscription",
    tag = TAG,
    request_body = SubscriptionBody,
    responses(
        (
            status = 201,
            description = "The subscription.",
            body = SubscriptionShape<'static>,
            headers(("Location" = String, description = "Its path."), ("ETag" = String, description = "The version, in quotes.")),
        ),
        InvalidFields,
        Refused,
        RefusedBody,
    ),
)]
pub(crate) async fn create(
    State(gateway): State<Arc<Gateway>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let body = json_body::object(&headers, body, gateway.limits, MediaType::Json).await?;
    let (new_keys, now) = (NewKeys::draw()?, Timestamp::now());
    let rules = Rules { policy: &gateway.egress, new_keys: &new_keys, now };
    let blank = OwnSubscription::blank(SubscriptionId::from_uuid(Uuid::new_v4()), now);
    let wanted = created(blank.clone(), body, &rules).map_err(Problem::invalid)?;
    let after = gateway.changes.create_own(&wanted).await?;
    let location = format!("/v1/subscriptions/{}", after.record.id);
    let answer = changed(&Changed { before: blank, after });
    Ok((StatusCode::CREATED, [(LOCATION, location)], answer).into_response())
}

/// List subscriptions
///
/// Oldest first. What is created or deleted meanwhile moves no other one from its page.
#[utoipa::path(
    get,
    path = "/subscriptions",
    operation_id = "v1_list_subscriptions",
    tag = TAG,
    params(PageParameters),
    responses(
        (status = 200, description = "A page.", body = PageShape<SubscriptionShape<'static>>),
        (
            status = 400,
            description = "The limit is out of bounds, or the cursor is none.",
            body = documented::Problem,
            content_type = "application/problem+json",
        ),
        Refused,
    ),
)]
pub(crate) async fn list(
    State(gateway): State<Arc<Gateway>>,
    query: PageQuery,
) -> Result<Response, Problem> {
    let page = Page::read(query)?;
    let after = page.after.map(|Place { at, id }| After { created_at: at, id });
    let rows = gateway.own.page(after.unwrap_or(After::NOTHING), page.look_ahead()).await?;
    let place =
        |row: &OwnSubscription| Place { at: row.record.created_at, id: row.record.id.uuid() };
    Ok(Json(page.shape::<_, SubscriptionShape<'_>>(&rows, place)).into_response())
}

/// Read a subscription
#[utoipa::path(
    get,
    path = "/subscriptions/{id}",
    operation_id = "v1_read_subscription",
    tag = TAG,
    params(("id" = Uuid, Path, description = "The subscription's id.")),
    responses(
        (
            status = 200,
            description = "The subscription.",
            body = SubscriptionShape<'static>,
            headers(("ETag" = String, description = "The version, in quotes.")),
        ),
        (status = 304, description = "`If-None-Match` names this version."),
        NoSubscription,
        Refused,
    ),
)]
pub(crate) async fn read(
    State(gateway): State<Arc<Gateway>>,
    SubscriptionPath(id): SubscriptionPath,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let found = subscription_change::read(&gateway, id, &IfMatch::Any).await?;
    let version = found.record.version;
    let tag = [(ETAG, etag::tag(version))];
    if etag::is_known(&headers, version) {
        return Ok((StatusCode::NOT_MODIFIED, tag).into_response());
    }
    Ok((tag, Json(SubscriptionShape::from(&found))).into_response())
}

/// Change a subscription
///
/// JSON Merge Patch (RFC 7396): what is left out stays, a null gives a field its default.
#[utoipa::path(
    patch,
    path = "/subscriptions/{id}",
    operation_id = "v1_patch_subscription",
    tag = TAG,
    params(("id" = Uuid, Path, description = "The subscription's id."), IfMatchHeader),
    request_body(
        content(
            (SubscriptionBody = "application/merge-patch+json"),
            (SubscriptionBody = "application/json"),
        ),
    ),
    responses(
        (
            status = 200,
            description = "The subscription as it is now.",
            body = SubscriptionShape<'static>,
            headers(("ETag" = String, description = "The version, in quotes.")),
        ),
        NoSubscription,
        OtherVersion,
        InvalidFields,
        Refused,
        RefusedBody,
    ),
)]
pub(crate) async fn patch(
    State(gateway): State<Arc<Gateway>>,
    SubscriptionPath(id): SubscriptionPath,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let patch = json_body::object(&headers, body, gateway.limits, MediaType::MergePatch).await?;
    let (new_keys, now) = (NewKeys::draw()?, Timestamp::now());
    let rules = Rules { policy: &gateway.egress, new_keys: &new_keys, now };
    let if_match = IfMatch::of(&headers);
    let made = change(&gateway, id, &if_match, |current| {
        patched(current, &patch, &rules).map_err(Problem::invalid)
    });
    Ok(changed(&made.await?))
}

/// Delete a subscription
///
/// What waits for it ends cancelled.
#[utoipa::path(
    delete,
    path = "/subscriptions/{id}",
    operation_id = "v1_delete_subscription",
    tag = TAG,
    params(("id" = Uuid, Path, description = "The subscription's id."), IfMatchHeader),
    responses(
        (status = 204, description = "It is deleted."),
        NoSubscription,
        OtherVersion,
        Refused,
    ),
)]
pub(crate) async fn delete(
    State(gateway): State<Arc<Gateway>>,
    SubscriptionPath(id): SubscriptionPath,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    let if_match = IfMatch::of(&headers);
    if if_match == IfMatch::Any {
        let deleted = gateway.changes.delete(id).await?;
        deleted.ok_or_else(Problem::subscription_not_found)?;
    } else {
        let version = subscription_change::read(&gateway, id, &if_match).await?.record.version;
        let deleted = gateway.changes.delete_version(id, version).await?;
        deleted.ok_or_else(Problem::version_mismatch)?;
    }
    Ok(StatusCode::NO_CONTENT)
}

/// The answer to a change: the subscription, its new tag, and a secret that was just made.
pub(crate) fn changed(Changed { before, after }: &Changed) -> Response {
    let tag = [(ETAG, etag::tag(after.record.version))];
    (tag, Json(SubscriptionShape::after_change(after, before))).into_response()
}
