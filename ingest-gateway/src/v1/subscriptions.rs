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
use crate::v1::etag::{self, IfMatch};
use crate::v1::json_body::{self, MediaType};
use crate::v1::page::{Page, PageQuery};
use crate::v1::path::SubscriptionPath;
use crate::v1::problem::Problem;
use crate::v1::signing_keys::NewKeys;
use crate::v1::subscription_change::{self, Changed, change};
use crate::v1::subscription_patch::{Rules, created, patched};
use crate::v1::subscription_shape::SubscriptionShape;

/// `POST /v1/subscriptions`
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

/// `GET /v1/subscriptions?cursor=&limit=50`
pub(crate) async fn list(
    State(gateway): State<Arc<Gateway>>,
    query: PageQuery,
) -> Result<Response, Problem> {
    let page = Page::read(query)?;
    let rows = gateway.own.page(page.after, page.look_ahead()).await?;
    let place = |row: &OwnSubscription| After {
        created_at: row.record.created_at,
        id: row.record.id.uuid(),
    };
    Ok(Json(page.shape::<_, SubscriptionShape<'_>>(&rows, place)).into_response())
}

/// `GET /v1/subscriptions/{id}`
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

/// `PATCH /v1/subscriptions/{id}`: JSON Merge Patch.
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

/// `DELETE /v1/subscriptions/{id}`
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
