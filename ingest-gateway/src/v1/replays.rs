//! `/v1/replays`: deliver a range of deliveries again, see how far that has come, end it.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::LOCATION;
use http::{HeaderMap, StatusCode};
use jiff::Timestamp;
use pipeline::ids::SubscriptionId;
use uuid::Uuid;

use crate::gateway::Gateway;
use crate::replay::store::{Cancel, Replay};
use crate::request_body;
use crate::v1::cursor::Place;
use crate::v1::documented::{self, Refused, RefusedBody, TAG};
use crate::v1::json_body::{self, MediaType};
use crate::v1::page::{Page, PageQuery, PageShape};
use crate::v1::path::ReplayPath;
use crate::v1::problem::{FieldError, Problem};
use crate::v1::replay_request;
use crate::v1::replay_shape::{NoReplay, ReplayBody, ReplayShape};
use crate::v1::subscription_documented::{InvalidFields, PageParameters};

/// Deliver a range again
///
/// What was accepted in the range and has ended is made anew: with ids of its own, the same
/// `webhook-id` and the same bytes. It goes on by itself, at most 1,000 at a time and no faster
/// than its receivers take it.
#[utoipa::path(
    post,
    path = "/replays",
    operation_id = "v1_create_replay",
    tag = TAG,
    request_body = ReplayBody,
    responses(
        (
            status = 201,
            description = "The replay.",
            body = ReplayShape<'static>,
            headers(("Location" = String, description = "Its path.")),
        ),
        (
            status = 409,
            description = "As many as may be running are running (`too_many_replays`).",
            body = documented::Problem,
            content_type = "application/problem+json",
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
    let wanted = replay_request::read(&body, Timestamp::now()).map_err(Problem::invalid)?;
    if let Some(to) = wanted.to_subscription_id
        && gateway.lookup.find(SubscriptionId::from_uuid(to)).await?.is_none()
    {
        let detail = "There is no subscription with this id.";
        return Err(Problem::invalid(vec![FieldError::at("/to_subscription_id", detail)]));
    }
    let made = gateway.replays.create(Uuid::now_v7(), &wanted).await?;
    let Some(replay) = made else {
        let detail = "As many replays as may be running are running.";
        return Err(Problem::new(StatusCode::CONFLICT, "too_many_replays", detail));
    };
    gateway.replay_made.notify_one();
    let location = format!("/v1/replays/{}", replay.id);
    let shape = Json(ReplayShape::from(&replay));
    Ok((StatusCode::CREATED, [(LOCATION, location)], shape).into_response())
}

/// List replays
///
/// Newest first. What is made meanwhile moves no other one from its page.
#[utoipa::path(
    get,
    path = "/replays",
    operation_id = "v1_list_replays",
    tag = TAG,
    params(PageParameters),
    responses(
        (status = 200, description = "A page.", body = PageShape<ReplayShape<'static>>),
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
    let after = page.after.map(|Place { at, id }| (at, id));
    let rows = gateway.replays.page(after, page.look_ahead()).await?;
    let place = |row: &Replay| Place { at: row.created_at, id: row.id };
    Ok(Json(page.shape::<_, ReplayShape<'_>>(&rows, place)).into_response())
}

/// Read a replay
#[utoipa::path(
    get,
    path = "/replays/{id}",
    operation_id = "v1_read_replay",
    tag = TAG,
    params(("id" = Uuid, Path, description = "The replay's id.")),
    responses(
        (status = 200, description = "The replay.", body = ReplayShape<'static>),
        NoReplay,
        Refused,
    ),
)]
pub(crate) async fn read(
    State(gateway): State<Arc<Gateway>>,
    ReplayPath(id): ReplayPath,
) -> Result<Response, Problem> {
    let found = gateway.replays.read(id).await?.ok_or_else(Problem::replay_not_found)?;
    Ok(Json(ReplayShape::from(&found)).into_response())
}

/// End a replay
///
/// Nothing more of it is made anew; what was made goes on, and can be cancelled by itself.
#[utoipa::path(
    post,
    path = "/replays/{id}/cancel",
    operation_id = "v1_cancel_replay",
    tag = TAG,
    params(("id" = Uuid, Path, description = "The replay's id.")),
    responses(
        (status = 200, description = "The replay as it is now.", body = ReplayShape<'static>),
        NoReplay,
        (
            status = 409,
            description = "It has ended (`already_ended`).",
            body = documented::Problem,
            content_type = "application/problem+json",
        ),
        Refused,
    ),
)]
pub(crate) async fn cancel(
    State(gateway): State<Arc<Gateway>>,
    ReplayPath(id): ReplayPath,
    body: Body,
) -> Result<Response, Problem> {
    request_body::discard(body).await;
    match gateway.replays.cancel(id).await? {
        Cancel::Done(replay) => Ok(Json(ReplayShape::from(&*replay)).into_response()),
        Cancel::Unknown => Err(Problem::replay_not_found()),
        Cancel::NotRunning => {
            let detail = "It has ended already.";
            Err(Problem::new(StatusCode::CONFLICT, "already_ended", detail))
        }
    }
}
