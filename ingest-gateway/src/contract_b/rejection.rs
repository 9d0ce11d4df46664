//! Every answer of contract B that is not a success.

use std::borrow::Cow;

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::Serialize;

use crate::contract_b::field_errors::FieldErrors;
use crate::delivery_lookup::NotFound;
use crate::refusal::Refusal;

const NO_SUBSCRIPTION: &str = "Subscription not found";

/// Why a request was not carried out.
#[derive(Debug)]
pub(crate) enum Rejection {
    /// 400, with everything that is wrong.
    Invalid(FieldErrors),
    SubscriptionNotFound,
    DeliveryTaskNotFound,
    /// A code and a text of the contract.
    Message(StatusCode, Cow<'static, str>),
    /// What every contract refuses.
    Refused(Refusal),
}

impl<E: Into<Refusal>> From<E> for Rejection {
    fn from(error: E) -> Self {
        Self::Refused(error.into())
    }
}

impl From<NotFound> for Rejection {
    fn from(why: NotFound) -> Self {
        match why {
            NotFound::Unknown => Self::DeliveryTaskNotFound,
            NotFound::Refused(refusal) => Self::Refused(refusal),
        }
    }
}

impl IntoResponse for Rejection {
    fn into_response(self) -> Response {
        match self {
            Self::Invalid(errors) => {
                (StatusCode::BAD_REQUEST, Json(Errors { errors })).into_response()
            }
            Self::SubscriptionNotFound => {
                // The seed answers the one and documents the other.
                let both =
                    Message { message: NO_SUBSCRIPTION.into(), error: Some(NO_SUBSCRIPTION) };
                (StatusCode::NOT_FOUND, Json(both)).into_response()
            }
            Self::DeliveryTaskNotFound => message(StatusCode::NOT_FOUND, "Delivery task not found"),
            Self::Message(status, text) => message(status, text),
            Self::Refused(refusal) => refusal.answer(message),
        }
    }
}

#[derive(Serialize)]
struct Errors {
    errors: FieldErrors,
}

#[derive(Serialize)]
struct Message {
    message: Cow<'static, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'static str>,
}

fn message(status: StatusCode, text: impl Into<Cow<'static, str>>) -> Response {
    (status, Json(Message { message: text.into(), error: None })).into_response()
}
