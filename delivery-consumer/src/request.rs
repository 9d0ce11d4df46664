//! The headers of one call.

use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use jiff::Timestamp;
use pipeline::delivery::Delivery;
use signature::{Secret, sign_standard};

const WEBHOOK_ID: HeaderName = HeaderName::from_static("webhook-id");
const WEBHOOK_TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const WEBHOOK_SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");
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
    headers
}

/// A UUID and base64 are always header values.
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
    fn without_a_secret_there_is_no_signature_and_a_bad_content_type_is_replaced() {
        let mut delivery = delivery();
        delivery.content_type = "a\nb".into();
        let headers = headers(&delivery, &[], Timestamp::UNIX_EPOCH);
        assert!(!headers.contains_key("webhook-signature"));
        assert_eq!(headers[CONTENT_TYPE], "application/json");
    }
}
