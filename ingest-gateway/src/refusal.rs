//! What every contract refuses for the same reasons and in the same words; the shape around
//! the words is each contract's own.

use std::sync::Arc;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::{CONNECTION, RETRY_AFTER};
use http::{HeaderName, HeaderValue, StatusCode};

use crate::publisher::NotWritten;
use crate::request_body::{self, BodyError};
use crate::storage::StorageError;

/// What a client is told to wait before it asks again, in seconds.
const RETRY_AFTER_SECONDS: HeaderValue = HeaderValue::from_static("1");

/// A code, a text, and what else the answer's head says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub status: StatusCode,
    pub text: &'static str,
    pub header: Option<(HeaderName, HeaderValue)>,
}

impl Refusal {
    pub(crate) const NO_ROUTE: Self = Self::of(StatusCode::NOT_FOUND, "Not Found");
    const NO_METHOD: Self = Self::of(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed");
    /// Before this process can answer anything.
    pub(crate) const STARTING: Self = Self::unavailable("hooklog is starting.");
    /// The projection is behind the log.
    pub(crate) const STATUS_NOT_KNOWN_YET: Self =
        Self::unavailable("The status is not known yet. Try again.");
    /// A body, or what is to be delivered in its place, is larger than is taken.
    pub(crate) const TOO_LARGE: Self =
        Self::of(StatusCode::PAYLOAD_TOO_LARGE, "Payload too large.");
    /// As many batches as may run are running.
    pub(crate) const BUSY: Self = Self::unavailable("Too many batches at once. Try again.");
    /// Every process has as many cancellations in memory as it keeps.
    pub(crate) const TOO_MANY_CANCELLED: Self =
        Self::unavailable("Too many deliveries are cancelled at once. Try again later.");
    /// As many readers follow outcomes as may.
    pub(crate) const TOO_MANY_READERS: Self =
        Self::unavailable("Too many follow outcomes at once. Try again.");
    /// The broker does not say where a topic ends.
    pub(crate) const BROKER_AWAY: Self =
        Self::unavailable("The broker is not available. Try again.");
    /// Every try met somebody else's change.
    pub(crate) const CHANGED_BY_OTHERS: Self =
        Self::unavailable("The subscription is being changed by others. Try again.");
    pub(crate) const DATABASE_AWAY: Self =
        Self::unavailable("The database is not available. Try again.");
    /// A read would have taken longer than one may.
    pub(crate) const TOO_MUCH_TO_READ: Self = Self::unavailable(
        "There is too much to read in the time that one request may take. Narrow it down.",
    );

    const fn of(status: StatusCode, text: &'static str) -> Self {
        Self { status, text, header: None }
    }

    /// 503: nothing is wrong with the request, and the same one may succeed soon.
    const fn unavailable(text: &'static str) -> Self {
        let header = Some((RETRY_AFTER, RETRY_AFTER_SECONDS));
        Self { status: StatusCode::SERVICE_UNAVAILABLE, text, header }
    }

    /// The answer, around the body that a contract makes of the code and the text.
    pub(crate) fn answer(
        self,
        shape: impl FnOnce(StatusCode, &'static str) -> Response,
    ) -> Response {
        let mut answer = shape(self.status, self.text);
        answer.headers_mut().extend(self.header);
        answer
    }
}

/// What was not read of the body ends its connection.
impl From<BodyError> for Refusal {
    fn from(error: BodyError) -> Self {
        let refusal = match error {
            BodyError::TooLarge => Self::TOO_LARGE,
            BodyError::TooSlow => {
                Self::of(StatusCode::REQUEST_TIMEOUT, "The request body did not arrive in time.")
            }
            BodyError::Encoded => Self::of(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "Compressed request bodies are not accepted.",
            ),
            BodyError::Incomplete => {
                Self::of(StatusCode::BAD_REQUEST, "The request body is incomplete.")
            }
        };
        Self { header: Some((CONNECTION, HeaderValue::from_static("close"))), ..refusal }
    }
}

impl From<NotWritten> for Refusal {
    fn from(_: NotWritten) -> Self {
        Self::unavailable("The event could not be stored. Send it again.")
    }
}

/// The system has no random bytes for a secret.
impl From<getrandom::Error> for Refusal {
    fn from(error: getrandom::Error) -> Self {
        tracing::error!(%error, "no secret can be made: the system gives no random bytes");
        Self::unavailable("No secret could be made. Try again.")
    }
}

impl From<StorageError> for Refusal {
    fn from(error: StorageError) -> Self {
        match &error {
            StorageError::NoConnection(_) | StorageError::Timeout => {
                tracing::debug!(error = format!("{:#}", anyhow::Error::new(error)), "no answer");
            }
            StorageError::TooMuch => return Self::TOO_MUCH_TO_READ,
            StorageError::Statement(_) | StorageError::NoRow => {
                tracing::warn!(error = format!("{:#}", anyhow::Error::new(error)), "no answer");
            }
        }
        Self::DATABASE_AWAY
    }
}

impl From<Arc<StorageError>> for Refusal {
    fn from(error: Arc<StorageError>) -> Self {
        tracing::debug!(error = format!("{:#}", anyhow::Error::new(error)), "no answer");
        Self::DATABASE_AWAY
    }
}

/// No such route, in the words of contract `R`.
pub(crate) async fn no_route<R: From<Refusal> + IntoResponse>(body: Body) -> R {
    request_body::discard(body).await;
    Refusal::NO_ROUTE.into()
}

/// A route, and none for this method, in the words of contract `R`.
pub(crate) async fn no_method<R: From<Refusal> + IntoResponse>(body: Body) -> R {
    request_body::discard(body).await;
    Refusal::NO_METHOD.into()
}
