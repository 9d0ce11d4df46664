//! What the API document says of answers that several of this contract's routes have.

#![expect(dead_code, reason = "the document is made of these types, and no answer is")]

use std::collections::BTreeMap;

use serde_json::{Value, json};
use utoipa::{IntoResponses, ToSchema};

use crate::openapi::refusals::{self, RefusalShape};
use crate::refusal::Refusal;

/// What the document files this contract under.
pub(crate) const TAG: &str = "B: /api/v1";

/// Why a request was not carried out.
#[derive(ToSchema)]
#[schema(as = b::Message)]
pub(crate) struct Message {
    message: String,
}

/// Everything that is wrong with the fields of a body: texts by field.
#[derive(ToSchema)]
#[schema(as = b::Errors)]
pub(crate) struct Errors {
    #[schema(example = json!({"target_url": ["Missing data for required field."]}))]
    errors: BTreeMap<String, Vec<String>>,
}

#[derive(ToSchema)]
#[schema(as = b::Invalid)]
#[serde(untagged)]
pub(crate) enum ErrorsOrMessage {
    Errors(Errors),
    Message(Message),
}

/// Goes after [`RefusedBody`], whose 400 it also tells.
#[derive(IntoResponses)]
#[response(
    status = 400,
    description = "Everything that is wrong with the body's fields; or the body broke off."
)]
pub(crate) struct Invalid(ErrorsOrMessage);

/// Goes after [`RefusedBody`], whose 415 it also tells.
#[derive(IntoResponses)]
#[response(
    status = 415,
    description = "The content type is not `application/json` (or `application/...+json`), the \
                   body is empty or not JSON, or it is compressed.",
    example = json!({"message": "Request body must be JSON"}),
)]
pub(crate) struct NotJson(Message);

/// Both texts are the same.
#[derive(ToSchema)]
#[schema(as = b::NoSubscription)]
pub(crate) struct MessageAndError {
    #[schema(example = "Subscription not found")]
    message: String,
    #[schema(example = "Subscription not found")]
    error: String,
}

#[derive(IntoResponses)]
#[response(status = 404, description = "There is no such subscription.")]
pub(crate) struct NoSubscription(MessageAndError);

pub(crate) type Refused = refusals::Refused<Message>;
pub(crate) type RefusedBody = refusals::RefusedBody<Message>;
pub(crate) type RefusedEvent = refusals::RefusedEvent<Message>;
pub(crate) type RefusedStatus = refusals::RefusedStatus<Message>;

impl RefusalShape for Message {
    fn example(refusal: &Refusal) -> Value {
        json!({ "message": refusal.text })
    }
}
