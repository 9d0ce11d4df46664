//! In which of its forms a request carries events. Pure: the headers decide, and for one form
//! the body's first byte.

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName};
use pipeline::cloud_event_http::HEADER_PREFIX;

use crate::event_type::MAX_LENGTH as MAX_EVENT_TYPE;
use crate::v1::idempotency::IdempotencyKey;
use crate::v1::item_splitter::BatchForm;
use crate::v1::problem::Problem;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// How an item of a batch, or a request that is one event, describes itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ItemForm {
    /// The bytes are the body, and this is its type.
    Raw(String),
    /// A JSON event of CloudEvents.
    CloudEvent,
    /// `{"event_type":..., "data":...}`, or a JSON event of CloudEvents.
    Described,
}

/// How a request is to be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RequestForm {
    One(ItemForm),
    /// Attributes in headers, data in the body.
    BinaryCloudEvent,
    Batch(BatchForm, ItemForm),
    /// One described event, or an array of them.
    OneOrArray,
}

/// Reads the form off the headers. `event_type_header` is where an event's type stands.
///
/// # Errors
/// The type is missing where nothing else can say it, or cannot be one.
pub(crate) fn form(
    headers: &HeaderMap,
    event_type_header: &HeaderName,
) -> Result<RequestForm, Problem> {
    let content_type = essence(headers);
    let event_type = event_type(headers, event_type_header)?;
    let is_cloud_event = || headers.keys().any(|name| name.as_str().starts_with(HEADER_PREFIX));
    Ok(match (content_type.as_str(), event_type) {
        ("application/cloudevents+json", _) => RequestForm::One(ItemForm::CloudEvent),
        ("application/cloudevents-batch+json", _) => {
            RequestForm::Batch(BatchForm::Array, ItemForm::CloudEvent)
        }
        ("application/x-ndjson" | "application/ndjson" | "application/jsonl", event_type) => {
            let item = event_type.map_or(ItemForm::Described, ItemForm::Raw);
            RequestForm::Batch(BatchForm::Lines, item)
        }
        _ if is_cloud_event() => RequestForm::BinaryCloudEvent,
        (_, Some(event_type)) => RequestForm::One(ItemForm::Raw(event_type)),
        (json, None) if is_json(json) => RequestForm::OneOrArray,
        (_, None) => {
            let detail = format!(
                "Say the event's type in the header {event_type_header}, or send a CloudEvent, \
                 NDJSON, or JSON with event_type and data."
            );
            return Err(Problem::bad_request("event_type_missing", detail));
        }
    })
}

/// Whether a media type is JSON; one that is not given counts as JSON.
pub(crate) fn is_json(essence: &str) -> bool {
    essence.is_empty() || essence == "application/json" || essence.ends_with("+json")
}

/// The request's media type in lower case and without parameters; empty if there is none.
pub(crate) fn essence(headers: &HeaderMap) -> String {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// The request's idempotency key, if it has one.
///
/// # Errors
/// There are two, or it cannot be one.
pub(crate) fn idempotency_key(headers: &HeaderMap) -> Result<Option<IdempotencyKey>, Problem> {
    let mut values = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let refused = |detail: String| Problem::bad_request("invalid_idempotency_key", detail);
    if values.next().is_some() {
        return Err(refused("There is more than one Idempotency-Key.".to_owned()));
    }
    let text = value.to_str().unwrap_or_default();
    let key = IdempotencyKey::new(text).map_err(|why| refused(format!("{why}.")))?;
    Ok(Some(key))
}

fn event_type(headers: &HeaderMap, name: &HeaderName) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get(name).filter(|value| !value.is_empty()) else { return Ok(None) };
    let text = str::from_utf8(value.as_bytes()).ok();
    let text = text.filter(|text| text.chars().count() <= MAX_EVENT_TYPE);
    text.map(|text| Some(text.to_owned())).ok_or_else(|| {
        let detail = format!("An event's type is UTF-8 of at most {MAX_EVENT_TYPE} characters.");
        Problem::bad_request("invalid_event_type", detail)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TYPE: HeaderName = HeaderName::from_static("x-event-type");

    fn read(pairs: &[(&'static str, &'static str)]) -> Result<RequestForm, Problem> {
        let pairs = pairs.iter().map(|(name, value)| {
            (HeaderName::from_static(name), http::HeaderValue::from_static(value))
        });
        form(&pairs.collect(), &TYPE)
    }

    #[test]
    fn the_headers_say_how_a_request_carries_events() {
        let raw = |event_type: &str| ItemForm::Raw(event_type.to_owned());
        let json = ("content-type", "application/json; charset=utf-8");
        let lines = ("content-type", "application/x-ndjson");
        let typed = ("x-event-type", "a.b");
        for (headers, form) in [
            (&[json, typed][..], RequestForm::One(raw("a.b"))),
            (&[("content-type", "image/png"), typed], RequestForm::One(raw("a.b"))),
            (&[typed], RequestForm::One(raw("a.b"))),
            (&[json], RequestForm::OneOrArray),
            (&[], RequestForm::OneOrArray),
            (&[lines], RequestForm::Batch(BatchForm::Lines, ItemForm::Described)),
            (&[lines, typed], RequestForm::Batch(BatchForm::Lines, raw("a.b"))),
            (&[json, ("ce-id", "1")], RequestForm::BinaryCloudEvent),
            (
                &[("content-type", "Application/CloudEvents+JSON")],
                RequestForm::One(ItemForm::CloudEvent),
            ),
            (
                &[("content-type", "application/cloudevents-batch+json")],
                RequestForm::Batch(BatchForm::Array, ItemForm::CloudEvent),
            ),
        ] {
            assert_eq!(read(headers).unwrap(), form, "{headers:?}");
        }
        assert_eq!(
            read(&[("content-type", "image/png")]).unwrap_err().code(),
            "event_type_missing"
        );
    }

    #[test]
    fn a_key_or_a_type_that_cannot_be_one_is_refused() {
        let mut headers = HeaderMap::new();
        assert_eq!(idempotency_key(&headers).unwrap(), None);
        headers.append(IDEMPOTENCY_KEY, "k".parse().unwrap());
        assert_eq!(idempotency_key(&headers).unwrap(), IdempotencyKey::new("k").ok());
        headers.append(IDEMPOTENCY_KEY, "k".parse().unwrap());
        assert!(idempotency_key(&headers).is_err());
        headers.insert(IDEMPOTENCY_KEY, "a b".parse().unwrap());
        assert!(idempotency_key(&headers).is_err());
        for bad in [&b"\xff"[..], &b"x".repeat(MAX_EVENT_TYPE + 1)] {
            headers.insert(TYPE, http::HeaderValue::from_bytes(bad).unwrap());
            assert_eq!(form(&headers, &TYPE).unwrap_err().code(), "invalid_event_type");
        }
    }
}
