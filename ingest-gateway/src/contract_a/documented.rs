//! What the API document says of answers that several of this contract's routes have.

#![expect(dead_code, reason = "the document is made of these types, and no answer is")]

use serde_json::{Value, json};
use utoipa::{IntoResponses, ToSchema};

use crate::contract_a::problem::Problem;
use crate::openapi::refusals::{self, RefusalShape};
use crate::refusal::Refusal;

/// What the document files this contract under.
pub(crate) const TAG: &str = "A: /";

/// Why a request was not carried out.
#[derive(ToSchema)]
#[schema(as = a::Detail)]
pub(crate) struct Detail {
    detail: String,
}

/// Everything that is wrong with the inputs of a request.
#[derive(ToSchema)]
#[schema(as = a::Problems)]
pub(crate) struct Problems {
    detail: Vec<Problem>,
}

#[derive(IntoResponses)]
#[response(status = 422, description = "Everything that is wrong with the path, query and body.")]
pub(crate) struct Invalid(Problems);

#[derive(IntoResponses)]
#[response(
    status = 404,
    description = "There is no such subscription.",
    example = json!({"detail": "Subscription not found"}),
)]
pub(crate) struct NoSubscription(Detail);

pub(crate) type Refused = refusals::Refused<Detail>;
pub(crate) type RefusedBody = refusals::RefusedBody<Detail>;
pub(crate) type RefusedEvent = refusals::RefusedEvent<Detail>;
pub(crate) type RefusedStatus = refusals::RefusedStatus<Detail>;

impl RefusalShape for Detail {
    fn example(refusal: &Refusal) -> Value {
        json!({ "detail": refusal.text })
    }
}
