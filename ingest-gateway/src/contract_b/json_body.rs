//! A request's body that says that it is JSON, and is.
//!
//! The content type is asked for as the seed did; it also keeps a page of another origin from
//! sending anything that no preflight has allowed.

use std::borrow::Cow;

use axum::body::Body;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode};

use crate::config::RequestLimits;
use crate::contract_b::rejection::Rejection;
use crate::json_fields;
use crate::request_body;

/// The body as it was received; any JSON value is one.
///
/// # Errors
/// 415 with `otherwise` for another content type, an empty body, or one that is not JSON; and
/// whatever keeps a body from being read.
pub(crate) async fn read(
    headers: &HeaderMap,
    body: Body,
    limits: RequestLimits,
    otherwise: &'static str,
) -> Result<Bytes, Rejection> {
    let body = request_body::read(headers, body, limits).await?;
    check(headers, &body, otherwise).map(|()| body)
}

/// Whether a body that was read is what [`read`] returns.
///
/// # Errors
/// 415 with `otherwise`.
pub(crate) fn check(
    headers: &HeaderMap,
    body: &[u8],
    otherwise: &'static str,
) -> Result<(), Rejection> {
    if says_json(headers) && json_fields::value(body).is_ok() {
        Ok(())
    } else {
        Err(Rejection::Message(StatusCode::UNSUPPORTED_MEDIA_TYPE, Cow::Borrowed(otherwise)))
    }
}

/// `application/json` or `application/<anything>+json`, whatever its parameters.
fn says_json(headers: &HeaderMap) -> bool {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = value.and_then(|text| text.split(';').next()).unwrap_or_default();
    let essence = essence.trim().to_ascii_lowercase();
    let subtype = essence.strip_prefix("application/");
    subtype.is_some_and(|subtype| subtype == "json" || subtype.ends_with("+json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_content_types_of_json_say_json() {
        let says = |text: &'static str| {
            says_json(&HeaderMap::from_iter([(CONTENT_TYPE, text.parse().unwrap())]))
        };
        for text in [
            "application/json",
            "Application/JSON; charset=utf-8",
            "application/cloudevents+json",
            "application/json ;x=y",
        ] {
            assert!(says(text), "{text}");
        }
        for text in ["", "text/plain", "text/json", "application/jsonp", "json", "application/xml"]
        {
            assert!(!says(text), "{text}");
        }
        assert!(!says_json(&HeaderMap::new()));
    }
}
