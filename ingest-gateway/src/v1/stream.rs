//! `GET /v1/stream`: outcomes as they happen, as server-sent events.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{RawQuery, State};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream::{self, Stream};
use http::{HeaderName, HeaderValue};
use pipeline::outcome::{Outcome, State as DeliveryState};
use uuid::Uuid;

use crate::gateway::Gateway;
use crate::outcome_tail::{Next, OutcomeReader};
use crate::v1::delivery_search;
use crate::v1::documented::{Refused, TAG};
use crate::v1::problem::Problem;
use crate::v1::query;
use crate::v1::read_documented::InvalidQuery;
use crate::v1::stream_documented::StreamParameters;

/// A comment is sent after so long without an event, so that nobody on the way gives up.
const COMMENT_EVERY: Duration = Duration::from_secs(15);
/// Tells a proxy that knows it to pass each event on at once.
const UNBUFFERED: (HeaderName, HeaderValue) =
    (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));

/// Follow outcomes
///
/// Server-sent events, from now on. An event `outcome` is a record of the topic `outcomes` as it
/// stands there, with `<partition>:<offset>` for its id. Whoever reads too slowly misses some and
/// gets an event `gap` with `{"missed": n}`, which counts what no filter would have let through too.
#[utoipa::path(
    get,
    path = "/stream",
    operation_id = "v1_stream",
    tag = TAG,
    params(StreamParameters),
    responses(
        (
            status = 200,
            description = "Events, until the client or the gateway ends.",
            body = String,
            content_type = "text/event-stream",
        ),
        InvalidQuery,
        Refused,
    ),
)]
pub(crate) async fn stream(
    State(gateway): State<Arc<Gateway>>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let wanted = Wanted::read(query.as_deref())?;
    let reader = gateway.outcomes.subscribe().await?;
    let keep_alive = KeepAlive::new().interval(COMMENT_EVERY);
    let events = Sse::new(events(reader, wanted)).keep_alive(keep_alive);
    Ok(([UNBUFFERED], events).into_response())
}

fn events(
    reader: OutcomeReader,
    wanted: Wanted,
) -> impl Stream<Item = Result<Event, Infallible>> + Send {
    stream::unfold((reader, wanted), async |(mut reader, wanted)| {
        let event = loop {
            match reader.next().await {
                Next::Outcome(told) if wanted.has(&told.outcome) => {
                    let id = format!("{}:{}", told.partition, told.offset);
                    break Event::default().event("outcome").id(id).data(&told.json);
                }
                Next::Outcome(_) => {}
                Next::Gap(missed) => {
                    break Event::default().event("gap").data(format!(r#"{{"missed":{missed}}}"#));
                }
                Next::End => return None,
            }
        };
        Some((Ok(event), (reader, wanted)))
    })
}

/// What a reader wants.
#[derive(Debug, Default)]
struct Wanted {
    subscription_id: Option<Uuid>,
    event_type: Option<String>,
    /// Any of them; all if there are none.
    states: Vec<DeliveryState>,
}

impl Wanted {
    fn read(query: Option<&str>) -> Result<Self, Problem> {
        let [subscription, event_type, status] =
            query::read(query, ["subscription_id", "event_type", "status"])?;
        Ok(Self {
            subscription_id: subscription.map(|text| delivery_search::id(&text)).transpose()?,
            event_type: event_type.map(delivery_search::storable_type).transpose()?,
            states: status
                .map(|text| delivery_search::states(&text))
                .transpose()?
                .unwrap_or_default(),
        })
    }

    fn has(&self, outcome: &Outcome) -> bool {
        self.subscription_id.is_none_or(|id| id == outcome.subscription_id.uuid())
            && (self.event_type.is_none() || self.event_type == outcome.event_type)
            && (self.states.is_empty() || self.states.contains(&outcome.state))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_filter_that_is_given_has_to_be_so() {
        let fixture = include_bytes!("../../../pipeline/tests/fixtures/outcome-v1.json");
        let outcome = Outcome::decode(fixture).unwrap();
        let has = |query: &str| Wanted::read(Some(query)).unwrap().has(&outcome);
        let (id, state) = (outcome.subscription_id, outcome.state.as_str());
        let event_type = outcome.event_type.as_deref().unwrap();
        assert!(has("") && has(&format!("subscription_id={id}&event_type={event_type}")));
        assert!(has(&format!("status={state}")) && has(&format!("status=pending,{state}")));
        assert!(!has("event_type=other") && !has(&format!("subscription_id={}", Uuid::nil())));
        assert!(!has(&format!("event_type={event_type}&status=pending")));
        for query in ["state=pending", "status=", "subscription_id=1", "event_type="] {
            assert_eq!(Wanted::read(Some(query)).unwrap_err().code(), "invalid_query", "{query}");
        }
    }
}
