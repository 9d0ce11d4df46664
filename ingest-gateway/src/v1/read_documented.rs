//! What the API document says of the parameters of health and numbers, and of the answer to one
//! that is none.

#![expect(dead_code, reason = "the document is made of these types, and no answer is")]

use utoipa::{IntoParams, IntoResponses};

use crate::v1::documented::Problem;

/// Of which stretch of time health is told.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct WindowParameter {
    /// `5m`, `1h` or `24h`.
    #[param(required = false, default = "1h")]
    window: String,
}

/// Which subscriptions' health is listed.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct HealthParameters {
    /// `5m`, `1h` or `24h`.
    #[param(required = false, default = "1h")]
    window: String,
    /// `true` for failing subscriptions only.
    #[param(required = false, default = false)]
    failing: bool,
    /// The `next_cursor` of an answer.
    #[param(required = false)]
    cursor: String,
    /// How many entries to answer with, at most.
    #[param(required = false, minimum = 1, maximum = 100, default = 50)]
    limit: u32,
}

/// Of which stretch of time numbers are told.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct StatsParameters {
    /// `1h`, `24h` or `7d`.
    #[param(required = false, default = "1h")]
    window: String,
}

#[derive(IntoResponses)]
#[response(
    status = 400,
    description = "A parameter of the query is none, or not of its form; `detail` says what is allowed.",
    content_type = "application/problem+json"
)]
pub(crate) struct InvalidQuery(Problem);
