//! What the API document says of searches for deliveries, and of the answers that are no success.

#![expect(dead_code, reason = "the document is made of these types, and no answer is")]

use jiff::Timestamp;
use utoipa::{IntoParams, IntoResponses};
use uuid::Uuid;

use crate::v1::documented::Problem;

/// What is searched for; each one that is given has to be so.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct SearchParameters {
    /// One or more of `pending`, `retrying`, `delivered`, `dead_lettered`, `cancelled`, with
    /// commas between.
    #[param(required = false, example = "pending,retrying")]
    status: String,
    #[param(required = false)]
    subscription_id: Uuid,
    /// This very type.
    #[param(required = false, min_length = 1, max_length = 1024)]
    event_type: String,
    /// Accepted then or later.
    #[param(required = false, value_type = String, format = DateTime)]
    accepted_from: Timestamp,
    /// Accepted earlier.
    #[param(required = false, value_type = String, format = DateTime)]
    accepted_to: Timestamp,
    /// What the last call was answered: a number, `2xx`, `3xx`, `4xx` or `5xx`.
    #[param(required = false, example = "5xx")]
    http_status: String,
    /// How at least one of its calls has failed: `http_status`, `egress_denied`, `dns`,
    /// `refused`, `unreachable`, `tls`, `timeout`, `reset`, `protocol`, `secret` or `other`.
    #[param(required = false, example = "timeout")]
    error_kind: String,
    /// The `next_cursor` of an answer.
    #[param(required = false)]
    cursor: String,
    /// How many entries to answer with, at most.
    #[param(required = false, minimum = 1, maximum = 100, default = 50)]
    limit: u32,
}

/// How much of the payload is asked for.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct PayloadParameter {
    /// `full` for all of the payload; otherwise at most its first 64 KiB.
    #[param(required = false, example = "full")]
    payload: String,
}

#[derive(IntoResponses)]
#[response(
    status = 404,
    description = "There is no such delivery.",
    content_type = "application/problem+json"
)]
pub(crate) struct NoDelivery(Problem);
