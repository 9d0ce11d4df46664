//! Every answer of `/v1` that is not a success: a problem document (RFC 9457).
//!
//! `code` is stable and meant for programs; `detail` says to a person what to do. Neither ever
//! holds a secret, and of a payload only the place where something is wrong.

use std::borrow::Cow;

use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;
use http::{HeaderName, HeaderValue, StatusCode};
use serde::Serialize;
use utoipa::ToSchema;

use crate::refusal::Refusal;

const MEDIA_TYPE: HeaderValue = HeaderValue::from_static("application/problem+json");

/// A problem, before it is written.
#[derive(Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    code: &'static str,
    detail: Cow<'static, str>,
    errors: Vec<FieldError>,
    /// Boxed, so that a result with a problem stays small.
    header: Option<Box<(HeaderName, HeaderValue)>>,
}

/// What is wrong with one part of a body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = v1::FieldError)]
pub(crate) struct FieldError {
    /// Where: a JSON pointer (RFC 6901) into the body.
    pub pointer: String,
    pub detail: Cow<'static, str>,
}

impl FieldError {
    /// Something wrong at a place; `pointer` is empty for the whole body.
    pub(crate) fn at(pointer: impl Into<String>, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { pointer: pointer.into(), detail: detail.into() }
    }
}

/// A problem document (RFC 9457).
#[derive(Serialize, ToSchema)]
#[schema(as = v1::Problem)]
pub(crate) struct Document {
    /// A name, not an address: `urn:hooklog:problem:` and the code.
    r#type: String,
    title: &'static str,
    status: u16,
    detail: Cow<'static, str>,
    code: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    errors: Vec<FieldError>,
}

impl Problem {
    pub(crate) fn new(
        status: StatusCode,
        code: &'static str,
        detail: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { status, code, detail: detail.into(), errors: Vec::new(), header: None }
    }

    /// 400: the request cannot be understood.
    pub(crate) fn bad_request(code: &'static str, detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, detail)
    }

    /// 400: a parameter of the query is none, or not of its form; `detail` says what is allowed.
    pub(crate) fn invalid_query(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::bad_request("invalid_query", detail)
    }

    /// 422: the body is understood, and these fields cannot be taken.
    pub(crate) fn invalid(errors: Vec<FieldError>) -> Self {
        let detail = "Some fields cannot be taken; errors names each of them.";
        Self { errors, ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_fields", detail) }
    }

    /// 404, also for an id that is none.
    pub(crate) fn subscription_not_found() -> Self {
        let detail = "There is no subscription with this id.";
        Self::new(StatusCode::NOT_FOUND, "subscription_not_found", detail)
    }

    /// 404, also for an id that is none.
    pub(crate) fn delivery_not_found() -> Self {
        let detail = "There is no delivery with this id.";
        Self::new(StatusCode::NOT_FOUND, "delivery_not_found", detail)
    }

    /// 404, also for an id that is none.
    pub(crate) fn replay_not_found() -> Self {
        let detail = "There is no replay with this id.";
        Self::new(StatusCode::NOT_FOUND, "replay_not_found", detail)
    }

    pub(crate) fn with_header(self, name: HeaderName, value: HeaderValue) -> Self {
        Self { header: Some(Box::new((name, value))), ..self }
    }

    /// The stable code.
    #[cfg(test)]
    pub(crate) fn code(&self) -> &'static str {
        self.code
    }

    /// What a person reads.
    #[cfg(test)]
    pub(crate) fn detail(&self) -> &str {
        &self.detail
    }
}

/// The code of what every contract refuses alike.
fn code_of(status: StatusCode) -> &'static str {
    match status {
        StatusCode::NOT_FOUND => "no_such_route",
        StatusCode::METHOD_NOT_ALLOWED => "method_not_allowed",
        StatusCode::REQUEST_TIMEOUT => "body_too_slow",
        StatusCode::PAYLOAD_TOO_LARGE => "payload_too_large",
        StatusCode::UNSUPPORTED_MEDIA_TYPE => "unsupported_media_type",
        StatusCode::SERVICE_UNAVAILABLE => "unavailable",
        _ => "bad_request",
    }
}

impl<E: Into<Refusal>> From<E> for Problem {
    fn from(error: E) -> Self {
        let Refusal { status, text, header } = error.into();
        Self { header: header.map(Box::new), ..Self::new(status, code_of(status), text) }
    }
}

impl From<Problem> for Document {
    fn from(problem: Problem) -> Self {
        let Problem { status, code, detail, errors, .. } = problem;
        Self {
            r#type: format!("urn:hooklog:problem:{code}"),
            title: status.canonical_reason().unwrap_or("Error"),
            status: status.as_u16(),
            detail,
            code,
            errors,
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (status, header) = (self.status, self.header.clone());
        let mut answer = (status, axum::Json(Document::from(self))).into_response();
        answer.headers_mut().insert(CONTENT_TYPE, MEDIA_TYPE);
        answer.headers_mut().extend(header.map(|header| *header));
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_problem_is_a_document_of_rfc_9457_with_a_code() {
        let problem = Problem::invalid(vec![FieldError::at("/target_url", "It is missing.")]);
        let answer = problem.into_response();
        assert_eq!(answer.status(), 422);
        assert_eq!(answer.headers()[CONTENT_TYPE], "application/problem+json");
        let body = axum::body::to_bytes(answer.into_body(), 1_000).await.unwrap();
        assert_eq!(
            str::from_utf8(&body).unwrap(),
            r#"{"type":"urn:hooklog:problem:invalid_fields","title":"Unprocessable Entity","status":422,"detail":"Some fields cannot be taken; errors names each of them.","code":"invalid_fields","errors":[{"pointer":"/target_url","detail":"It is missing."}]}"#
        );
    }

    #[test]
    fn what_every_contract_refuses_has_a_code_and_its_header() {
        let problem = Problem::from(Refusal::STARTING);
        assert_eq!((problem.status.as_u16(), problem.code()), (503, "unavailable"));
        assert_eq!(problem.header.unwrap().0, "retry-after");
    }
}
