//! What the API document says of subscriptions beside the shapes that are answered: the body,
//! which is read field by field, and the answers that are no success.

#![expect(dead_code, reason = "the document is made of these types, and no answer is")]

use std::collections::BTreeMap;

use utoipa::{IntoParams, IntoResponses, ToSchema};

use crate::v1::documented::Problem;

/// What can be set. Each field but the target may be null, which is its default; in a PATCH a
/// header or a label that is null is taken away.
#[derive(ToSchema)]
#[schema(as = v1::SubscriptionFields)]
pub(crate) struct SubscriptionBody {
    /// Where deliveries go. Required to create one.
    #[schema(format = Uri, required = false, example = "https://shop.example.com/hooks")]
    target_url: String,
    /// For people.
    #[schema(required = false, max_length = 1_000)]
    description: Option<String>,
    /// Exact types, `*`, or `order.*` for every type below `order`. Empty for every event.
    #[schema(required = false, max_items = 100, example = json!(["order.*"]))]
    event_types: Option<Vec<String>>,
    /// Which payloads, as a JSONPath query.
    #[schema(required = false, value_type = Option<Object>, example = json!({"jsonpath": "$[?@.amount > 100]"}))]
    filter: (),
    /// Sent with every call.
    #[schema(required = false)]
    headers: Option<BTreeMap<String, Option<String>>>,
    /// Calls under way at once.
    #[schema(required = false, minimum = 1, maximum = 1_000)]
    max_concurrency: Option<u32>,
    /// Calls per second.
    #[schema(required = false, minimum = 1, maximum = 100_000)]
    rate_limit: Option<u32>,
    /// For one call, to the last byte of the answer.
    #[schema(required = false, minimum = 1, maximum = 60)]
    timeout_seconds: Option<u32>,
    /// `schedule` with the delays in seconds, or `exponential`.
    #[schema(required = false, value_type = Option<Object>, example = json!({"schedule": [5, 60, 3600]}))]
    retry: (),
    /// Which failures are tried again: `network`, `3xx`, `4xx`, `5xx` or a status.
    #[schema(required = false, example = json!(["network", "5xx", "429"]))]
    retry_on: Option<Vec<String>>,
    /// How a request to the ingest URL proves where it comes from: a preset, its settings, and
    /// 1 to 5 secrets, which are never shown again.
    #[schema(required = false, value_type = Option<Object>, example = json!({"preset": "github", "secrets": ["s3cret"]}))]
    verification: (),
    /// How deliveries are signed: schemes out of `standard`, `hub` and `ed25519`, and a secret
    /// of one's own.
    #[schema(required = false, value_type = Option<Object>, example = json!({"schemes": ["standard"]}))]
    signing: (),
    /// For programs.
    #[schema(required = false)]
    labels: Option<BTreeMap<String, Option<String>>>,
}

/// How long an old key signs beside the new one.
#[derive(ToSchema)]
#[schema(as = v1::Rotation)]
pub(crate) struct RotationBody {
    #[schema(required = false, minimum = 0, maximum = 604_800, default = 86_400)]
    overlap_seconds: Option<u32>,
}

/// Which part of a list is asked for.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct PageParameters {
    /// The `next_cursor` of an answer.
    #[param(required = false)]
    cursor: String,
    /// How many entries to answer with, at most.
    #[param(required = false, minimum = 1, maximum = 100, default = 50)]
    limit: u32,
}

/// For which version the request is meant.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub(crate) struct IfMatchHeader {
    /// An `ETag` of this subscription; with another version now, nothing is done.
    #[param(rename = "If-Match", required = false)]
    if_match: String,
}

#[derive(IntoResponses)]
#[response(
    status = 404,
    description = "There is no such subscription.",
    content_type = "application/problem+json"
)]
pub(crate) struct NoSubscription(Problem);

#[derive(IntoResponses)]
#[response(
    status = 412,
    description = "It has another version than `If-Match` names.",
    content_type = "application/problem+json"
)]
pub(crate) struct OtherVersion(Problem);

#[derive(IntoResponses)]
#[response(
    status = 422,
    description = "Some fields cannot be taken; `errors` names each of them.",
    content_type = "application/problem+json"
)]
pub(crate) struct InvalidFields(Problem);
