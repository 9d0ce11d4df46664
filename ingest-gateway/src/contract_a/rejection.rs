//! Every answer of contract A that is not a success.

use std::borrow::Cow;
use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{CONNECTION, RETRY_AFTER};
use serde::Serialize;

use crate::contract_a::problem::Problem;
use crate::publisher::NotWritten;
use crate::request_body::{self, BodyError};
use crate::storage::StorageError;

/// What a client is told to wait before it asks again, in seconds.
const RETRY_AFTER_SECONDS: &str = "1";

const DATABASE_AWAY: Rejection =
    Rejection::Unavailable("The database is not available. Try again.");

/// Why a request was not carried out.
#[derive(Debug)]
pub(crate) enum Rejection {
    /// 422, with everything that is wrong.
    Invalid(Vec<Problem>),
    /// A code and a text of the contract.
    Detail(StatusCode, Cow<'static, str>),
    /// The body was not read: its connection ends.
    Body(BodyError),
    /// 503: nothing is wrong with the request, and the same one may succeed soon.
    Unavailable(&'static str),
}

impl Rejection {
    pub(crate) const fn subscription_not_found() -> Self {
        Self::Detail(StatusCode::NOT_FOUND, Cow::Borrowed("Subscription not found"))
    }

    pub(crate) const fn webhook_not_found() -> Self {
        Self::Detail(StatusCode::NOT_FOUND, Cow::Borrowed("Webhook not found"))
    }
}

impl From<BodyError> for Rejection {
    fn from(error: BodyError) -> Self {
        Self::Body(error)
    }
}

impl From<NotWritten> for Rejection {
    fn from(_: NotWritten) -> Self {
        Self::Unavailable("The event could not be stored. Send it again.")
    }
}

impl From<StorageError> for Rejection {
    fn from(error: StorageError) -> Self {
        match &error {
            StorageError::NoConnection(_) | StorageError::Timeout => {
                tracing::debug!(error = format!("{:#}", anyhow::Error::new(error)), "no answer");
            }
            StorageError::Statement(_) | StorageError::NoRow => {
                tracing::warn!(error = format!("{:#}", anyhow::Error::new(error)), "no answer");
            }
        }
        DATABASE_AWAY
    }
}

impl From<Arc<StorageError>> for Rejection {
    fn from(error: Arc<StorageError>) -> Self {
        tracing::debug!(error = format!("{:#}", anyhow::Error::new(error)), "no answer");
        DATABASE_AWAY
    }
}

impl IntoResponse for Rejection {
    fn into_response(self) -> Response {
        match self {
            Self::Invalid(problems) => detail(StatusCode::UNPROCESSABLE_ENTITY, problems),
            Self::Detail(status, text) => detail(status, text),
            Self::Unavailable(text) => {
                let retry_after = [(RETRY_AFTER, RETRY_AFTER_SECONDS)];
                (retry_after, detail(StatusCode::SERVICE_UNAVAILABLE, text)).into_response()
            }
            Self::Body(error) => {
                let (status, text) = body_error(error);
                ([(CONNECTION, "close")], detail(status, text)).into_response()
            }
        }
    }
}

fn body_error(error: BodyError) -> (StatusCode, &'static str) {
    match error {
        BodyError::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "Payload too large."),
        BodyError::TooSlow => {
            (StatusCode::REQUEST_TIMEOUT, "The request body did not arrive in time.")
        }
        BodyError::Encoded => {
            (StatusCode::UNSUPPORTED_MEDIA_TYPE, "Compressed request bodies are not accepted.")
        }
        BodyError::Incomplete => (StatusCode::BAD_REQUEST, "The request body is incomplete."),
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

/// No such route.
pub(crate) async fn not_found(body: Body) -> Rejection {
    request_body::discard(body).await;
    Rejection::Detail(StatusCode::NOT_FOUND, Cow::Borrowed("Not Found"))
}

/// A route, and none for this method.
pub(crate) async fn method_not_allowed(body: Body) -> Rejection {
    request_body::discard(body).await;
    Rejection::Detail(StatusCode::METHOD_NOT_ALLOWED, Cow::Borrowed("Method Not Allowed"))
}
