//! `GET /v1/stats`: the dashboard's numbers.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{RawQuery, State};
use jiff::Timestamp;

use crate::gateway::Gateway;
use crate::stats_store::Span;
use crate::v1::documented::{Refused, TAG};
use crate::v1::problem::Problem;
use crate::v1::query;
use crate::v1::read_documented::{InvalidQuery, StatsParameters};
use crate::v1::stats_shape::StatsShape;

const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);
/// Each window and its step.
const WINDOWS: [(&str, (Duration, Duration)); 3] = [
    ("1h", (HOUR, MINUTE)),
    ("24h", (DAY, Duration::from_mins(15))),
    ("7d", (Duration::from_hours(7 * 24), Duration::from_hours(2))),
];

/// Read the numbers of the whole installation
///
/// In steps of a minute for `1h`, 15 minutes for `24h` and two hours for `7d`; the last step is
/// the one under way. Failing subscriptions and reasons of failures are told of the last 24
/// hours at most.
#[utoipa::path(
    get,
    path = "/stats",
    operation_id = "v1_read_stats",
    tag = TAG,
    params(StatsParameters),
    responses(
        (status = 200, description = "The numbers.", body = StatsShape),
        InvalidQuery,
        Refused,
    ),
)]
pub(crate) async fn read(
    State(gateway): State<Arc<Gateway>>,
    RawQuery(query): RawQuery,
) -> Result<Json<StatsShape>, Problem> {
    let [window] = query::read(query.as_deref(), ["window"])?;
    let window = window.map(|text| query::word("window", &text, &WINDOWS)).transpose()?;
    let (window, step) = window.unwrap_or((HOUR, MINUTE));
    let now = Timestamp::now();
    let span = span(window, step, now);
    let lag = gateway.lag.at_least();
    let (stats, lag) = tokio::join!(gateway.stats.stats(span), lag);
    Ok(Json(StatsShape::new(&stats?, window, span, lag, now)))
}

/// The window's steps, of which the last one is under way.
fn span(window: Duration, step: Duration, now: Timestamp) -> Span {
    let (seconds, step_seconds) = (now.as_second(), step.as_secs().cast_signed());
    let end = seconds - seconds.rem_euclid(step_seconds) + step_seconds;
    let at = |second| Timestamp::from_second(second).unwrap_or(now);
    let from = at(end - window.as_secs().cast_signed());
    Span { from, to: at(end), step, health_window: window.min(DAY) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_has_whole_steps_and_the_last_one_is_under_way() {
        for (_, (window, step)) in WINDOWS {
            for now in ["2026-03-04T05:06:07.8Z", "2026-03-04T04:00:00Z"] {
                let now: Timestamp = now.parse().unwrap();
                let span = span(window, step, now);
                assert!(span.from < now && now < span.to);
                assert!(now.duration_since(span.to).unsigned_abs() <= step);
                assert_eq!(span.to.duration_since(span.from).unsigned_abs(), window);
                assert_eq!(span.from.as_second() % step.as_secs() as i64, 0);
            }
        }
    }
}
