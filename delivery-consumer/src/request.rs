//! The headers of one call.

use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use jiff::Timestamp;
use pipeline::delivery::Delivery;
use signature::{Secret, sign_standard};

const WEBHOOK_ID: HeaderName = HeaderName::from_static("webhook-id");
const WEBHOOK_TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const WEBHOOK_SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");
const CE_SPECVERSION: HeaderName = HeaderName::from_static("ce-specversion");
const OUR_USER_AGENT: HeaderValue =
    HeaderValue::from_static(concat!("hooklog/", env!("CARGO_PKG_VERSION")));
const DEFAULT_CONTENT_TYPE: HeaderValue = HeaderValue::from_static("application/json");

/// The headers of an attempt that is made at `now` (Standard Webhooks, "Webhook headers").
/// Without a secret there is no signature.
pub(crate) fn headers(delivery: &Delivery, secrets: &[Secret], now: Timestamp) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(5);
    let message_id = delivery.message_id.to_string();
    let seconds = now.as_second();
    headers.insert(USER_AGENT, OUR_USER_AGENT);
    // What was received was a header value once; anything else came from outside the gateway.
    let content_type = HeaderValue::from_str(&delivery.content_type);
    headers.insert(CONTENT_TYPE, content_type.unwrap_or(DEFAULT_CONTENT_TYPE));
    headers.insert(WEBHOOK_TIMESTAMP, HeaderValue::from(seconds));
    if !secrets.is_empty() {
        let signature = sign_standard(secrets, &message_id, seconds, &delivery.body);
        insert_ascii(&mut headers, WEBHOOK_SIGNATURE, signature);
    }
    insert_ascii(&mut headers, WEBHOOK_ID, message_id);
    if !delivery.attributes.is_empty() {
        headers.insert(CE_SPECVERSION, HeaderValue::from_static("1.0"));
    }
    for (name, value) in &delivery.attributes {
        // A name that is no header name came from a producer past the front door's check.
        if let Ok(name) = HeaderName::try_from(format!("ce-{name}")) {
            insert_ascii(&mut headers, name, percent_encoded(value));
        }
    }
    headers
}

/// An attribute's value as a header's: everything but printable ASCII, and space, double quote
/// and percent, is percent-encoded (CloudEvents HTTP binding 1.0, section 3.1.3.2).
fn percent_encoded(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for byte in value.bytes() {
        match byte {
            b'"' | b'%' => out.push_str(&format!("%{byte:02X}")),
            0x21..=0x7e => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// A UUID, base64 and percent-encoded text are always header values.
fn insert_ascii(headers: &mut HeaderMap, name: HeaderName, text: String) {
    if let Ok(value) = HeaderValue::try_from(text) {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use signature::{StandardHeaders, verify_standard};

    use super::*;
    use crate::decision::tests::delivery;

    #[test]
    fn a_receiver_can_verify_what_is_sent() {
        let now = Timestamp::from_second(1_795_000_000).unwrap();
        let secret = Secret::from_text("s3cret").unwrap();
        let headers = headers(&delivery(), std::slice::from_ref(&secret), now);
        let text = |name: &str| headers[name].to_str().unwrap();
        assert_eq!(text("webhook-id"), delivery().message_id.to_string());
        let sent = StandardHeaders {
            id: text("webhook-id"),
            timestamp: text("webhook-timestamp"),
            signature: text("webhook-signature"),
        };
        let verified =
            verify_standard(&[secret], sent, &delivery().body, now.as_second(), Duration::ZERO);
        assert_eq!(verified, Ok(()));
    }

    #[test]
    fn a_cloud_event_goes_out_in_http_binary_mode() {
        // The examples of the HTTP binding's section 3.1.3.2 among them.
        let given =
            [("id", "1"), ("type", "a.b"), ("subject", "Euro \u{20ac} \u{1F600}"), ("x", "\"%\n")];
        let mut delivery = delivery();
        delivery.attributes =
            given.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let headers = headers(&delivery, &[], Timestamp::UNIX_EPOCH);
        let text = |name: &str| headers[name].to_str().unwrap();
        assert_eq!(text("ce-specversion"), "1.0");
        assert_eq!(text("ce-type"), "a.b");
        assert_eq!(text("ce-subject"), "Euro%20%E2%82%AC%20%F0%9F%98%80");
        assert_eq!(text("ce-x"), "%22%25%0A");
    }

    #[test]
    fn without_a_secret_there_is_no_signature_and_a_bad_content_type_is_replaced() {
        let mut delivery = delivery();
        delivery.content_type = "a\nb".into();
        let headers = headers(&delivery, &[], Timestamp::UNIX_EPOCH);
        assert!(!headers.contains_key("webhook-signature"));
        assert_eq!(headers[CONTENT_TYPE], "application/json");
    }
}
