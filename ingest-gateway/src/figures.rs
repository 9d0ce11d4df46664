//! What the gateway tells of itself.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::StatusCode;
use metrics::registry as r;
use metrics::{Counter, Counters, Histogram, Page};

use crate::ingest::Decision;

pub(crate) struct Figures {
    pub a: Arc<RequestFigures>,
    pub b: Arc<RequestFigures>,
    pub v1: Arc<RequestFigures>,
    pub accepted: Counter,
    pub filtered_by_type: Counter,
    pub filtered_by_missing_type: Counter,
    pub filtered_by_payload: Counter,
}

/// Requests of one contract that hand over events.
pub(crate) struct RequestFigures {
    answers: Counters,
    seconds: Histogram,
}

impl Figures {
    pub fn new(page: &Page) -> Self {
        let requests = |contract| {
            let answers = page.counters(&r::INGEST_REQUESTS, &[contract]);
            Arc::new(RequestFigures {
                answers,
                seconds: page.histogram(&r::INGEST_SECONDS, &[contract]),
            })
        };
        let events = |decision| page.counter(&r::EVENTS, &[decision]);
        Self {
            a: requests("a"),
            b: requests("b"),
            v1: requests("v1"),
            accepted: events("accepted"),
            filtered_by_type: events("filtered_by_type"),
            filtered_by_missing_type: events("filtered_by_missing_type"),
            filtered_by_payload: events("filtered_by_payload"),
        }
    }

    /// An event for one subscription was in order.
    pub fn decided(&self, decision: &Decision) {
        let counter = match decision {
            Decision::Taken(_) => &self.accepted,
            Decision::OtherType(_) => &self.filtered_by_type,
            Decision::TypeMissing => &self.filtered_by_missing_type,
            Decision::OtherPayload => &self.filtered_by_payload,
        };
        counter.inc();
    }
}

/// Whether a route's requests hand over events.
pub(crate) fn hands_over_events(path: &str) -> bool {
    path.starts_with("/ingest/") || path.ends_with("/events")
}

/// Counts a request and measures it. One that its client gives up is not counted.
pub(crate) async fn measure(
    State(figures): State<Arc<RequestFigures>>,
    request: Request,
    next: Next,
) -> Response {
    let began_at = Instant::now();
    let answer = next.run(request).await;
    figures.answered(answer.status(), began_at.elapsed());
    answer
}

impl RequestFigures {
    fn answered(&self, status: StatusCode, took: Duration) {
        self.answers.count(class(status));
        self.seconds.observe(took.as_secs_f64());
    }
}

/// The word of the registry for an answer.
fn class(status: StatusCode) -> &'static str {
    match status.as_u16() {
        200..=299 => "accepted",
        401 | 403 => "unauthorized",
        404 => "not_found",
        413 => "too_large",
        503 => "unavailable",
        500.. => "failed",
        _ => "rejected",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_of_answers_has_its_counter() {
        let label = r::INGEST_REQUESTS.labels.last().expect("a label");
        for status in [200, 202, 207, 400, 401, 403, 404, 413, 415, 422, 429, 500, 503] {
            let class = class(StatusCode::from_u16(status).unwrap());
            assert!(label.takes(class), "{status}: {class}");
        }
    }

    #[test]
    fn events_come_in_by_these_routes_alone() {
        let routes = crate::router::routes_a()
            .into_iter()
            .map(|(path, _)| path)
            .chain(crate::router::routes_b().into_iter().map(|(path, _)| path))
            .chain(crate::router::routes_v1().into_iter().map(|(path, _)| path));
        let handed: Vec<&str> = routes.filter(|path| hands_over_events(path)).collect();
        let expected = ["/ingest/{id}", "/ingest/{id}", "/events", "/subscriptions/{id}/events"];
        assert_eq!(handed, expected);
    }
}
