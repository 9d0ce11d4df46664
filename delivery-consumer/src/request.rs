//! The headers of one call.

use std::collections::BTreeMap;

use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use jiff::Timestamp;
use pipeline::custom_headers;
use pipeline::delivery::Delivery;

use crate::signer::Signer;

const WEBHOOK_ID: HeaderName = HeaderName::from_static("webhook-id");
const WEBHOOK_TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const WEBHOOK_SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");
const HUB_SIGNATURE: HeaderName = HeaderName::from_static("x-hub-signature-256");
const CE_SPECVERSION: HeaderName = HeaderName::from_static("ce-specversion");
const OUR_USER_AGENT: HeaderValue =
    HeaderValue::from_static(concat!("hooklog/", env!("CARGO_PKG_VERSION")));
const DEFAULT_CONTENT_TYPE: HeaderValue = HeaderValue::from_static("application/json");

/// The headers of an attempt that is made at `now` (Standard Webhooks, "Webhook headers"), with
/// the subscription's `own` ones beside them. Without a key there is no signature.
pub(crate) fn headers(
    delivery: &Delivery,
    own: &BTreeMap<String, String>,
    signer: &Signer,
    now: Timestamp,
) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(5 + own.len() + delivery.attributes.len());
    let message_id = delivery.message_id.to_string();
    let seconds = now.as_second();
    insert_own(&mut headers, own);
    headers.insert(USER_AGENT, OUR_USER_AGENT);
    // What was received was a header value once; anything else came from outside the gateway.
    let content_type = HeaderValue::from_str(&delivery.content_type);
    headers.insert(CONTENT_TYPE, content_type.unwrap_or(DEFAULT_CONTENT_TYPE));
    headers.insert(WEBHOOK_TIMESTAMP, HeaderValue::from(seconds));
    if let Some(signature) = signer.standard(&message_id, seconds, &delivery.body) {
        insert_ascii(&mut headers, WEBHOOK_SIGNATURE, signature);
    }
    if let Some(signature) = signer.hub(&delivery.body) {
        insert_ascii(&mut headers, HUB_SIGNATURE, signature);
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

/// What the API would refuse came from a producer past it, and does not go out.
fn insert_own(headers: &mut HeaderMap, own: &BTreeMap<String, String>) {
    for (name, value) in own {
        if custom_headers::check(name, value).is_ok()
            && let Ok(name) = HeaderName::try_from(name)
        {
            insert_ascii(headers, name, value.clone());
        }
    }
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

/// A UUID, base64, percent-encoded and checked text are always header values.
fn insert_ascii(headers: &mut HeaderMap, name: HeaderName, text: String) {
    if let Ok(value) = HeaderValue::try_from(text) {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::time::Duration;

    use pipeline::subscription::{SecretText, Signing, SigningKey, SigningScheme, Subscription};
    use signature::{Secret, StandardHeaders, verify_hub, verify_standard};

    use super::*;
    use crate::decision::tests::delivery;
    use crate::signer::tests::{at, unsigned};

    fn plain_headers(delivery: &Delivery) -> HeaderMap {
        headers(delivery, &BTreeMap::new(), &Signer::default(), at(0))
    }

    #[test]
    fn a_receiver_can_verify_what_is_sent() {
        let now = at(0);
        let key = SigningKey { key: SecretText::Plain("s3cret".into()), expires_at: None };
        let signing = Signing {
            schemes: vec![SigningScheme::Standard, SigningScheme::Hub],
            secrets: vec![key],
            key_pairs: Vec::new(),
        };
        let subscription = Subscription { signing: Some(signing), ..unsigned() };
        let signer = Signer::of(&subscription, now).unwrap();
        let headers = headers(&delivery(), &BTreeMap::new(), &signer, now);
        let secrets = [Secret::from_text("s3cret").unwrap()];
        let text = |name: &str| headers[name].to_str().unwrap();
        assert_eq!(text("webhook-id"), delivery().message_id.to_string());
        let sent = StandardHeaders {
            id: text("webhook-id"),
            timestamp: text("webhook-timestamp"),
            signature: text("webhook-signature"),
        };
        let verified =
            verify_standard(&secrets, sent, &delivery().body, now.as_second(), Duration::ZERO);
        assert_eq!(verified, Ok(()));
        let hub = headers["x-hub-signature-256"].as_bytes();
        assert_eq!(verify_hub([hub], &delivery().body, &secrets), Ok(()));
    }

    /// The reference library of Standard Webhooks verifies what is sent, with either secret of a
    /// rotation. Skipped, with a line that says so, where PyPI's `standardwebhooks` is not
    /// installed.
    #[test]
    fn the_reference_library_verifies_what_is_sent() {
        const VERIFY: &str = "import sys\nfrom standardwebhooks import Webhook\n\
            secret, body, *pairs = sys.argv[1:]\n\
            Webhook(secret).verify(body, dict(p.split('=', 1) for p in pairs))";
        let python = |arguments: &[String]| {
            let mut command = Command::new("python3");
            command.arg("-c").arg(VERIFY).args(arguments).output()
        };
        let found = Command::new("python3").args(["-c", "import standardwebhooks"]).output();
        if !found.is_ok_and(|found| found.status.success()) {
            #[allow(clippy::print_stderr, reason = "a skipped test says so")]
            {
                eprintln!("not compared: python3 with standardwebhooks is not installed");
            }
            return;
        }
        const SECRETS: [&str; 2] = ["whsec_bmV3bmV3bmV3bmV3", "whsec_b2xkb2xkb2xkb2xk"];
        let now = Timestamp::now();
        let pair = signature::SigningKey::from_seed(&[7; 32]).to_secret_text();
        let key = |text: &str| SigningKey { key: SecretText::Plain(text.into()), expires_at: None };
        let signing = Signing {
            schemes: vec![SigningScheme::Standard, SigningScheme::Ed25519],
            secrets: SECRETS.map(key).to_vec(),
            key_pairs: vec![key(&pair)],
        };
        let subscription = Subscription { signing: Some(signing), ..unsigned() };
        let signer = Signer::of(&subscription, now).unwrap();
        let delivery = delivery();
        let headers = headers(&delivery, &BTreeMap::new(), &signer, now);
        let pairs: Vec<String> = headers
            .iter()
            .map(|(name, value)| format!("{name}={}", value.to_str().unwrap()))
            .collect();
        let body = String::from_utf8(delivery.body.to_vec()).unwrap();
        for secret in SECRETS {
            let arguments = [&[secret.to_owned(), body.clone()], &pairs[..]].concat();
            let verified = python(&arguments).unwrap();
            assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stderr));
        }
        let changed = [&[SECRETS[0].to_owned(), format!("{body} ")], &pairs[..]].concat();
        assert!(!python(&changed).unwrap().status.success());
    }

    #[test]
    fn a_subscriptions_own_headers_go_out_and_never_replace_ours() {
        let mut delivery = delivery();
        delivery.attributes = vec![("type".into(), "a.b".into())];
        let own = [
            ("authorization", "Bearer x"),
            ("x-tenant", "7"),
            ("webhook-id", "forged"),
            ("User-Agent", "forged"),
            ("content-type", "forged"),
            ("ce-type", "forged"),
            ("ce-more", "forged"),
            ("x-hub-signature-256", "forged"),
            ("webhook-signature", "forged"),
            ("x-broken", "a\r\nb: c"),
            ("no token", "1"),
        ];
        let own = own.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let headers = headers(&delivery, &own, &Signer::default(), at(0));
        assert_eq!(headers["authorization"], "Bearer x");
        assert_eq!(headers["x-tenant"], "7");
        assert_eq!(headers["ce-type"], "a.b");
        assert!(headers.values().all(|value| value != "forged"));
        // Ours: user-agent, content-type, webhook-id and -timestamp, ce-specversion and -type.
        assert_eq!(headers.len(), 2 + 6);
    }

    #[test]
    fn a_cloud_event_goes_out_in_http_binary_mode() {
        // The examples of the HTTP binding's section 3.1.3.2 among them.
        let given =
            [("id", "1"), ("type", "a.b"), ("subject", "Euro \u{20ac} \u{1F600}"), ("x", "\"%\n")];
        let mut delivery = delivery();
        delivery.attributes =
            given.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let headers = plain_headers(&delivery);
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
        let headers = plain_headers(&delivery);
        assert!(!headers.contains_key("webhook-signature"));
        assert_eq!(headers[CONTENT_TYPE], "application/json");
    }
}
