//! `/v1/subscriptions/{id}/health` and `/v1/health`.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;

use crate::gateway::Gateway;
use crate::health_store::{Health, Which};
use crate::v1::cursor::Place;
use crate::v1::documented::{Refused, TAG};
use crate::v1::health_shape::HealthShape;
use crate::v1::page::{Page, PageShape};
use crate::v1::path::SubscriptionPath;
use crate::v1::problem::Problem;
use crate::v1::query;
use crate::v1::read_documented::{HealthParameters, InvalidQuery, WindowParameter};
use crate::v1::subscription_documented::NoSubscription;

const WINDOWS: [(&str, Duration); 3] = [
    ("5m", Duration::from_mins(5)),
    ("1h", Duration::from_hours(1)),
    ("24h", Duration::from_hours(24)),
];
const DEFAULT_WINDOW: Duration = Duration::from_hours(1);

/// Read a subscription's health
///
/// What its receiver has done with the calls of the window, and what waits for it now.
#[utoipa::path(
    get,
    path = "/subscriptions/{id}/health",
    operation_id = "v1_read_subscription_health",
    tag = TAG,
    params(("id" = Uuid, Path, description = "The subscription's id."), WindowParameter),
    responses(
        (status = 200, description = "Its health.", body = HealthShape),
        InvalidQuery,
        NoSubscription,
        Refused,
    ),
)]
pub(crate) async fn of_subscription(
    State(gateway): State<Arc<Gateway>>,
    SubscriptionPath(id): SubscriptionPath,
    RawQuery(query): RawQuery,
) -> Result<Json<HealthShape>, Problem> {
    let [window] = query::read(query.as_deref(), ["window"])?;
    let window = window_of(window)?;
    let found = gateway.health.of(id, window).await?;
    let health = found.ok_or_else(Problem::subscription_not_found)?;
    Ok(Json(HealthShape::new(health, window)))
}

/// List the health of all subscriptions
///
/// Worst first: those that fail, then those whose work has waited for five minutes, and among
/// each the one with the larger share of failed calls. What changes meanwhile may be met twice
/// or not at all.
#[utoipa::path(
    get,
    path = "/health",
    operation_id = "v1_list_health",
    tag = TAG,
    params(HealthParameters),
    responses(
        (status = 200, description = "A page.", body = PageShape<HealthShape>),
        InvalidQuery,
        Refused,
    ),
)]
pub(crate) async fn list(
    State(gateway): State<Arc<Gateway>>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let names = ["window", "failing", "cursor", "limit"];
    let [window, failing, cursor, limit] = query::read(query.as_deref(), names)?;
    let window = window_of(window)?;
    let words = [("true", true), ("false", false)];
    let failing = failing.map(|text| query::word("failing", &text, &words)).transpose()?;
    let page = Page::of(cursor.as_deref(), limit.as_deref())?;
    let which = Which {
        only_failing: failing.unwrap_or_default(),
        after: page.after.map(|place| (place.at.as_microsecond(), place.id)),
    };
    let rows = gateway.health.worst(window, which, page.look_ahead()).await?;
    let shaped = page.shape_with(rows, place, |health| HealthShape::new(health, window));
    Ok(Json(shaped).into_response())
}

/// The list is ordered by a number, and a place's first part is a time: so many microseconds.
fn place(health: &Health) -> Place {
    let at = Timestamp::from_microsecond(health.severity).unwrap_or(Timestamp::UNIX_EPOCH);
    Place { at, id: health.subscription_id }
}

fn window_of(text: Option<String>) -> Result<Duration, Problem> {
    let window = text.map(|text| query::word("window", &text, &WINDOWS)).transpose()?;
    Ok(window.unwrap_or(DEFAULT_WINDOW))
}
