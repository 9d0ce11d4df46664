//! Every answer of contract A that is not a success.

use std::borrow::Cow;

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::Serialize;

use crate::contract_a::problem::Problem;
use crate::delivery_lookup::NotFound;
use crate::refusal::Refusal;

/// Why a request was not carried out.
#[derive(Debug)]
pub(crate) enum Rejection {
    /// 422, with everything that is wrong.
    Invalid(Vec<Problem>),
    /// A code and a text of the contract.
    Detail(StatusCode, Cow<'static, str>),
    /// What every contract refuses.
    Refused(Refusal),
}

impl Rejection {
    pub(crate) const fn subscription_not_found() -> Self {
        Self::Detail(StatusCode::NOT_FOUND, Cow::Borrowed("Subscription not found"))
    }
}

impl<E: Into<Refusal>> From<E> for Rejection {
    fn from(error: E) -> Self {
        Self::Refused(error.into())
    }
}

impl From<NotFound> for Rejection {
    fn from(why: NotFound) -> Self {
        match why {
            NotFound::Unknown => {
                Self::Detail(StatusCode::NOT_FOUND, Cow::Borrowed("Webhook not found"))
            }
            NotFound::Refused(refusal) => Self::Refused(refusal),
        }
    }
}

impl IntoResponse for Rejection {
    fn into_response(self) -> Response {
        match self {
            Self::Invalid(problems) => detail(StatusCode::UNPROCESSABLE_ENTITY, problems),
            Self::Detail(status, text) => detail(status, text),
            Self::Refused(refusal) => refusal.answer(detail),
        }
    }
}

/// Written as it is and never built as a `Value`: an echoed input may be nested deeply or hold
/// numbers that no type has.
#[derive(Serialize)]
struct Detail<T> {
    detail: T,
}

fn detail(status: StatusCode, detail: impl Serialize) -> Response {
    (status, Json(Detail { detail })).into_response()
}
