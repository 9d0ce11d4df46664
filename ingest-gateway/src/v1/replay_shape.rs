//! How a replay looks in an answer, and in a request. Every field is there, in this order.

use jiff::Timestamp;
use serde::Serialize;
use utoipa::{IntoResponses, ToSchema};
use uuid::Uuid;

use crate::replay::store::Replay;
use crate::v1::documented::Problem;
use crate::v1::timestamp::{micros, optional_micros};

/// A replay, and how far it has come.
// The fields stand in the contract's order.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = v1::Replay)]
pub(crate) struct ReplayShape<'a> {
    id: Uuid,
    #[serde(serialize_with = "micros")]
    from: Timestamp,
    #[serde(serialize_with = "micros")]
    to: Timestamp,
    /// `delivered`, `dead_lettered`, `cancelled`.
    status: Vec<&'static str>,
    #[schema(required)]
    subscription_id: Option<Uuid>,
    #[schema(required)]
    event_type: Option<&'a str>,
    #[schema(required)]
    to_subscription_id: Option<Uuid>,
    #[schema(required)]
    description: Option<&'a str>,
    /// `running`, `done`, `cancelled` or `failed`.
    state: &'a str,
    /// How many deliveries there were to begin with; null if that took too long to count.
    #[schema(required)]
    total: Option<i64>,
    /// How many were made anew.
    published: i64,
    /// How many of those have ended.
    finished: i64,
    delivered: i64,
    dead_lettered: i64,
    /// Left out: the payload is not stored, the subscription was deleted, or the one that they
    /// go to does not want them.
    skipped: i64,
    #[serde(serialize_with = "micros")]
    created_at: Timestamp,
    #[serde(serialize_with = "micros")]
    updated_at: Timestamp,
    #[serde(serialize_with = "optional_micros")]
    #[schema(required)]
    ended_at: Option<Timestamp>,
    /// Why it failed.
    #[schema(required)]
    error: Option<&'a str>,
}

/// What is to be delivered again.
#[derive(ToSchema)]
#[schema(as = v1::ReplayBody)]
#[expect(dead_code, reason = "only the schema is used")]
pub(crate) struct ReplayBody {
    /// Accepted then or later.
    from: Timestamp,
    /// Accepted earlier; no later than now.
    to: Timestamp,
    /// `delivered`, `dead_lettered`, `cancelled`; dead letters alone if it is left out.
    #[schema(required = false, min_items = 1, max_items = 3)]
    status: Vec<String>,
    #[schema(required = false)]
    subscription_id: Option<Uuid>,
    /// This very type.
    #[schema(required = false, min_length = 1, max_length = 1024)]
    event_type: Option<String>,
    /// Where all of them go, if its own filter wants them; each to its own subscription if it is
    /// left out.
    #[schema(required = false)]
    to_subscription_id: Option<Uuid>,
    #[schema(required = false, max_length = 1000)]
    description: Option<String>,
}

#[derive(IntoResponses)]
#[response(
    status = 404,
    description = "There is no such replay.",
    content_type = "application/problem+json"
)]
#[expect(dead_code, reason = "only the schema is used")]
pub(crate) struct NoReplay(Problem);

impl<'a> From<&'a Replay> for ReplayShape<'a> {
    fn from(replay: &'a Replay) -> Self {
        let scope = &replay.wanted.scope;
        Self {
            id: replay.id,
            from: scope.from,
            to: scope.to,
            status: scope.states.iter().map(|state| state.as_str()).collect(),
            subscription_id: scope.subscription_id,
            event_type: scope.event_type.as_deref(),
            to_subscription_id: replay.wanted.to_subscription_id,
            description: replay.wanted.description.as_deref(),
            state: &replay.state,
            total: replay.total,
            published: replay.published,
            finished: replay.finished,
            delivered: replay.delivered,
            dead_lettered: replay.dead_lettered,
            skipped: replay.skipped,
            created_at: replay.created_at,
            updated_at: replay.updated_at,
            ended_at: replay.ended_at,
            error: replay.error.as_deref(),
        }
    }
}
