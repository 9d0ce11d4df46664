//! Whether an event was signed by who has the subscription's secret, and which bytes that
//! signature is for.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use signature::canonical_json::canonical;
use signature::{HubRejection, verify_hub};

use crate::inbound_secrets::Keys;

/// A larger body's canonical form is made beside the threads that serve connections, for it
/// takes milliseconds, and anybody can ask for it with a signature that does not match.
const MADE_IN_PLACE: usize = 16 << 10;

/// The bytes that were signed, which are what is delivered: the body as it was received, or
/// else the canonical form of it, which the first older service's own script signs.
///
/// # Errors
/// The rejection of the body as it was received.
pub(crate) async fn signed_bytes(
    headers: &HeaderMap,
    header: &HeaderName,
    keys: &Keys,
    body: Bytes,
) -> Result<Bytes, HubRejection> {
    let verify = |bytes: &[u8]| {
        let values = headers.get_all(header).iter().map(HeaderValue::as_bytes);
        verify_hub(values, bytes, keys)
    };
    match verify(&body) {
        Err(HubRejection::Mismatch) => {
            let canonical = canonical_form(body).await.ok_or(HubRejection::Mismatch)?;
            verify(&canonical).map(|()| canonical)
        }
        checked => checked.map(|()| body),
    }
}

/// `None` if the body is not JSON and has no such form.
async fn canonical_form(body: Bytes) -> Option<Bytes> {
    let made = if body.len() <= MADE_IN_PLACE {
        canonical(&body).ok()
    } else {
        // It dies only with a panic or with the process.
        tokio::task::spawn_blocking(move || canonical(&body)).await.ok()?.ok()
    };
    made.map(Bytes::from)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use signature::{Secret, sign_hub};

    use super::*;

    const HEADER: HeaderName = HeaderName::from_static("x-sig");

    async fn signed(body: &[u8], signed: &[u8]) -> Result<Bytes, HubRejection> {
        let secret = Secret::from_text("s").unwrap();
        let mut headers = HeaderMap::new();
        headers.insert(HEADER, sign_hub(&secret, signed).parse().unwrap());
        let keys: Keys = Arc::new([secret]);
        signed_bytes(&headers, &HEADER, &keys, Bytes::copy_from_slice(body)).await
    }

    #[tokio::test]
    async fn what_was_signed_is_what_is_taken_the_raw_body_first() {
        let (raw, form) = (&br#"{"b": 1, "a": "x"}"#[..], &br#"{"a":"x","b":1}"#[..]);
        assert_eq!(signed(raw, raw).await.unwrap(), raw);
        assert_eq!(signed(raw, form).await.unwrap(), form);
        assert_eq!(signed(form, raw).await, Err(HubRejection::Mismatch));
        assert_eq!(signed(b"no JSON", form).await, Err(HubRejection::Mismatch));
        assert_eq!(signed(b"no JSON", b"no JSON").await.unwrap(), &b"no JSON"[..]);
    }

    #[tokio::test]
    async fn a_large_body_has_a_canonical_form_too() {
        let text = "x".repeat(MADE_IN_PLACE);
        let (raw, form) = (format!("[ \"{text}\" ]"), format!("[\"{text}\"]"));
        assert_eq!(signed(raw.as_bytes(), form.as_bytes()).await.unwrap(), form.as_bytes());
    }
}
