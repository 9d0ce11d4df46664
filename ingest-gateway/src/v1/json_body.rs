//! A request's body that says that it is JSON, and is an object.
//!
//! The content type is asked for so that a page of another origin cannot send anything that no
//! preflight has allowed.

use axum::body::Body;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode};
use serde_json::{Map, Value};

use crate::config::RequestLimits;
use crate::request_body;
use crate::v1::problem::{FieldError, Problem};

/// What a body may say that it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MediaType {
    Json,
    /// JSON Merge Patch (RFC 7396), or plain JSON, which is read as one.
    MergePatch,
}

impl MediaType {
    fn names(self) -> &'static [&'static str] {
        match self {
            Self::Json => &["application/json"],
            Self::MergePatch => &["application/merge-patch+json", "application/json"],
        }
    }

    fn is_said(self, headers: &HeaderMap) -> bool {
        let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let essence = value.and_then(|text| text.split(';').next()).unwrap_or_default().trim();
        self.names().iter().any(|name| name.eq_ignore_ascii_case(essence))
    }
}

/// The object that a body is.
///
/// # Errors
/// 415 for another content type, 400 with the place for what is not JSON, 422 for what is no
/// object; and whatever keeps a body from being read.
pub(crate) async fn object(
    headers: &HeaderMap,
    body: Body,
    limits: RequestLimits,
    expected: MediaType,
) -> Result<Map<String, Value>, Problem> {
    let body = request_body::read(headers, body, limits).await?;
    read(headers, &body, expected)
}

/// The same, and an empty object for an empty body, whatever it says that it is.
///
/// # Errors
/// As [`object`].
pub(crate) async fn optional_object(
    headers: &HeaderMap,
    body: Body,
    limits: RequestLimits,
) -> Result<Map<String, Value>, Problem> {
    let body: Bytes = request_body::read(headers, body, limits).await?;
    if body.is_empty() { Ok(Map::new()) } else { read(headers, &body, MediaType::Json) }
}

fn read(
    headers: &HeaderMap,
    body: &[u8],
    expected: MediaType,
) -> Result<Map<String, Value>, Problem> {
    if !expected.is_said(headers) {
        let detail = format!("Send it with Content-Type: {}.", expected.names().join(" or "));
        let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        return Err(Problem::new(status, "unsupported_media_type", detail));
    }
    match serde_json::from_slice(body) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(Problem::invalid(vec![FieldError::at("", "The body must be an object.")])),
        // Of the body it names the place alone.
        Err(error) => {
            let detail = format!("The body is not JSON: {error}.");
            Err(Problem::bad_request("malformed_json", detail))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_as(content_type: &'static str, body: &[u8], expected: MediaType) -> &'static str {
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, content_type.parse().unwrap())]);
        read(&headers, body, expected).map_or_else(|problem| problem.code(), |_| "taken")
    }

    #[test]
    fn only_what_says_that_it_is_json_is_taken() {
        for (content_type, as_json, as_patch) in [
            ("application/json", true, true),
            ("Application/JSON; charset=utf-8", true, true),
            ("application/merge-patch+json", false, true),
            ("application/json-patch+json", false, false),
            ("text/plain", false, false),
            ("", false, false),
        ] {
            for (expected, taken) in [(MediaType::Json, as_json), (MediaType::MergePatch, as_patch)]
            {
                let code = read_as(content_type, b"{}", expected);
                let wanted = if taken { "taken" } else { "unsupported_media_type" };
                assert_eq!(code, wanted, "{content_type} {expected:?}");
            }
        }
        assert!(read(&HeaderMap::new(), b"{}", MediaType::Json).is_err());
    }

    #[test]
    fn what_is_not_json_is_told_with_its_place_and_nothing_of_it() {
        let deep = "[".repeat(100_000);
        for body in [
            &b""[..],
            b"{",
            b"{} x",
            b"{\"a\": NaN}",
            b"\xff",
            b"{\"hunter2\": \"\\ud800\"}",
            deep.as_bytes(),
        ] {
            let code = read_as("application/json", body, MediaType::Json);
            assert_eq!(code, "malformed_json", "{body:?}");
        }
        assert_eq!(read_as("application/json", b"[1]", MediaType::Json), "invalid_fields");
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, "application/json".parse().unwrap())]);
        let problem = read(&headers, b"{\n\"a\": hunter2}", MediaType::Json).unwrap_err();
        assert_eq!(problem.detail(), "The body is not JSON: expected value at line 2 column 6.");
    }
}
