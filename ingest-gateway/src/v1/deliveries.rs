//! `/v1/deliveries`: search them, read one.

use std::sync::Arc;

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};

use crate::delivery_lookup::NotFound;
use crate::gateway::Gateway;
use crate::own_delivery_store::OwnDelivery;
use crate::v1::cursor::Place;
use crate::v1::delivery_documented::{NoDelivery, PayloadParameter, SearchParameters};
use crate::v1::delivery_search;
use crate::v1::delivery_shape::{DeliveryShape, DeliveryStoryShape};
use crate::v1::documented::{Refused, RefusedStatus, TAG};
use crate::v1::page::PageShape;
use crate::v1::path::DeliveryPath;
use crate::v1::problem::Problem;
use crate::v1::query;
use crate::v1::read_documented::InvalidQuery;

/// How much of a payload is shown unless all of it is asked for.
const SHOWN_BYTES: i32 = 64 * 1024;

/// Search deliveries
///
/// Newest first. What is accepted meanwhile moves no other one from its page. What was accepted
/// a moment ago may not be there yet.
#[utoipa::path(
    get,
    path = "/deliveries",
    operation_id = "v1_list_deliveries",
    tag = TAG,
    params(SearchParameters),
    responses(
        (status = 200, description = "A page.", body = PageShape<DeliveryShape<'static>>),
        InvalidQuery,
        Refused,
    ),
)]
pub(crate) async fn list(
    State(gateway): State<Arc<Gateway>>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let (search, page) = delivery_search::read(query.as_deref())?;
    let rows = gateway.own_deliveries.search(&search, page.look_ahead()).await?;
    let place = |row: &OwnDelivery| Place { at: row.accepted_at, id: row.id.uuid() };
    Ok(Json(page.shape::<_, DeliveryShape<'_>>(&rows, place)).into_response())
}

/// Read a delivery
///
/// With its payload and every call. Waits until everything that was accepted before can be seen
/// here.
#[utoipa::path(
    get,
    path = "/deliveries/{id}",
    operation_id = "v1_read_delivery",
    tag = TAG,
    params(
        ("id" = Uuid, Path, description = "The delivery's id."),
        PayloadParameter,
    ),
    responses(
        (status = 200, description = "The delivery.", body = DeliveryStoryShape<'static>),
        InvalidQuery,
        NoDelivery,
        Refused,
        RefusedStatus,
    ),
)]
pub(crate) async fn read(
    State(gateway): State<Arc<Gateway>>,
    DeliveryPath(id): DeliveryPath,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let [payload] = query::read(query.as_deref(), ["payload"])?;
    let words = [("full", i32::MAX)];
    let bytes = payload.map(|text| query::word("payload", &text, &words)).transpose()?;
    let bytes = bytes.unwrap_or(SHOWN_BYTES);
    let look = || gateway.own_deliveries.story(id, bytes);
    let found =
        gateway.deliveries.found_with_content(look, |story| story.delivery.content_type.is_some());
    let story = found.await.map_err(|error| match error {
        NotFound::Unknown => Problem::delivery_not_found(),
        NotFound::Refused(refusal) => refusal.into(),
    })?;
    Ok(Json(DeliveryStoryShape::from(&story)).into_response())
}
