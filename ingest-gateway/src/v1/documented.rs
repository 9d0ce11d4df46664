//! What the API document says of answers that several of these routes have.

#![allow(dead_code, reason = "each is for the handlers that need it")]

use serde_json::Value;

use crate::openapi::refusals::{self, RefusalShape};
use crate::refusal::Refusal;
use crate::v1::problem;
pub(crate) use crate::v1::problem::Document as Problem;

/// What the document files these routes under.
pub(crate) const TAG: &str = "hooklog: /v1";

pub(crate) type Refused = refusals::Refused<Problem>;
pub(crate) type RefusedBody = refusals::RefusedBody<Problem>;
pub(crate) type RefusedEvent = refusals::RefusedEvent<Problem>;
pub(crate) type RefusedStatus = refusals::RefusedStatus<Problem>;

impl RefusalShape for Problem {
    const CONTENT_TYPE: &'static str = "application/problem+json";

    fn example(refusal: &Refusal) -> Value {
        let document = Problem::from(problem::Problem::from(refusal.clone()));
        serde_json::to_value(document).unwrap_or_default()
    }
}
