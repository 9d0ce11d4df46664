//! Whether a request was signed by who has one of the subscription's secrets, and which bytes
//! that signature is for.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use jiff::Timestamp;
use signature::canonical_json::canonical;
use signature::{HubRejection, InboundRejection, Secret, verify_hub};

use crate::inbound_verifiers::InboundVerifier;

/// A larger body's canonical form is made beside the threads that serve connections, for it
/// takes milliseconds, and anybody can ask for it with a signature that does not match.
const MADE_IN_PLACE: usize = 16 << 10;

/// Why a signature was not accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SignatureRejection {
    /// By the seeds' scheme: each contract has words of its own, with the header's name.
    Hub { header: String, why: HubRejection },
    /// By the scheme of another preset.
    Preset(InboundRejection),
}

/// The bytes that were signed, which are what is delivered: the body as it was received, or
/// else, in the seeds' scheme, the canonical form of it, which the first older service's own
/// script signs.
///
/// # Errors
/// The rejection of the body as it was received.
pub(crate) async fn signed_bytes(
    headers: &HeaderMap,
    verifier: &InboundVerifier,
    body: Bytes,
    now: Timestamp,
) -> Result<Bytes, SignatureRejection> {
    match verifier {
        InboundVerifier::Hub { header, keys } => raw_or_canonical(headers, header, keys, body)
            .await
            .map_err(|why| SignatureRejection::Hub { header: header.clone(), why }),
        InboundVerifier::Preset(verifier) => {
            let values = |name: &str| headers.get_all(name).iter().map(HeaderValue::as_bytes);
            let checked = match verifier {
                Some(verifier) => verifier.verify(values, &body, now.as_second()),
                None => Err(InboundRejection::Mismatch),
            };
            checked.map(|()| body).map_err(SignatureRejection::Preset)
        }
    }
}

/// What every contract says of a preset's rejection. It never holds any of the request.
pub(crate) fn sentence(rejection: InboundRejection) -> String {
    let words = rejection.to_string();
    let mut letters = words.chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase());
    first.into_iter().chain(letters).chain(['.']).collect()
}

async fn raw_or_canonical(
    headers: &HeaderMap,
    header: &str,
    keys: &[Secret],
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
    use http::HeaderName;
    use pipeline::ids::SubscriptionId;
    use pipeline::subscription::{SecretText, Subscription, Verification};
    use signature::inbound::Part;
    use signature::sign_hub;
    use uuid::Uuid;

    use super::*;
    use crate::inbound_verifiers::InboundVerifiers;
    use crate::published_requests::{Request, every_request, hub};

    const HEADER: &str = "X-Sig";

    async fn signed(body: &[u8], signed: &[u8]) -> Result<Bytes, SignatureRejection> {
        let secret = Secret::from_text("s").unwrap();
        let mut headers = HeaderMap::new();
        headers.insert("x-sig", sign_hub(&secret, signed).parse().unwrap());
        let verifier = InboundVerifier::Hub { header: HEADER.to_owned(), keys: vec![secret] };
        signed_bytes(&headers, &verifier, Bytes::copy_from_slice(body), Timestamp::MIN).await
    }

    fn mismatch() -> SignatureRejection {
        SignatureRejection::Hub { header: HEADER.to_owned(), why: HubRejection::Mismatch }
    }

    #[tokio::test]
    async fn what_was_signed_is_what_is_taken_the_raw_body_first() {
        let (raw, form) = (&br#"{"b": 1, "a": "x"}"#[..], &br#"{"a":"x","b":1}"#[..]);
        assert_eq!(signed(raw, raw).await.unwrap(), raw);
        assert_eq!(signed(raw, form).await.unwrap(), form);
        assert_eq!(signed(form, raw).await, Err(mismatch()));
        assert_eq!(signed(b"no JSON", form).await, Err(mismatch()));
        assert_eq!(signed(b"no JSON", b"no JSON").await.unwrap(), &b"no JSON"[..]);
    }

    #[tokio::test]
    async fn a_large_body_has_a_canonical_form_too() {
        let text = "x".repeat(MADE_IN_PLACE);
        let (raw, form) = (format!("[ \"{text}\" ]"), format!("[\"{text}\"]"));
        assert_eq!(signed(raw.as_bytes(), form.as_bytes()).await.unwrap(), form.as_bytes());
    }

    async fn judged(
        request: &Request,
        secrets: &[&str],
        body: &'static [u8],
        now: i64,
    ) -> Result<Bytes, SignatureRejection> {
        let plain = |text: &&str| SecretText::Plain((*text).to_owned());
        let verification = Verification {
            preset: serde_json::from_str(request.preset).unwrap(),
            secrets: secrets.iter().map(plain).collect(),
        };
        let id = SubscriptionId::from_uuid(Uuid::nil());
        let subscription = Subscription {
            verification: Some(verification),
            ..Subscription::new(id, "https://example.com/", Timestamp::UNIX_EPOCH)
        };
        let verifier = InboundVerifiers::new(HEADER).of(&subscription).unwrap();
        let headers = request.headers.iter().map(|(name, value)| {
            (HeaderName::from_static(name), value.parse::<HeaderValue>().unwrap())
        });
        let now = Timestamp::from_second(now).unwrap();
        signed_bytes(&headers.collect(), &verifier, Bytes::from_static(body), now).await
    }

    #[tokio::test]
    async fn what_the_providers_publish_is_taken_as_it_is_at_its_own_time_only() {
        use InboundRejection::{TooNew, TooOld};
        for request in every_request() {
            let at = request.signed_at;
            let judge = async |now| judged(&request, &[request.secret], request.body, now).await;
            assert_eq!(judge(at).await.unwrap(), request.body, "{}", request.preset);
            let (early, late) = (judge(at - 301).await, judge(at + 301).await);
            if request.signed_at > 0 {
                assert_eq!(early, Err(SignatureRejection::Preset(TooNew)), "{}", request.preset);
                assert_eq!(late, Err(SignatureRejection::Preset(TooOld)), "{}", request.preset);
            } else {
                assert_eq!(early.and(late).unwrap(), request.body, "{}", request.preset);
            }
        }
    }

    #[tokio::test]
    async fn no_preset_but_hub_takes_a_body_whose_canonical_form_was_signed() {
        let (raw, form) = (br#"{"b": 1, "a": "x"}"#, br#"{"a":"x","b":1}"#);
        let signature = sign_hub(&Secret::from_text("s").unwrap(), form);
        for (preset, is_taken) in [
            (r#"{"preset":"hub"}"#, true),
            (r#"{"preset":"github"}"#, false),
            (r#"{"preset":"generic","header":"x-hub-signature-256","prefix":"sha256="}"#, false),
        ] {
            let headers = vec![("x-hub-signature-256", signature.clone())];
            let request = Request { preset, secret: "s", headers, body: form, signed_at: 0 };
            let judge = async |body| judged(&request, &[request.secret], body, 0).await;
            assert_eq!(judge(form).await.unwrap(), &form[..], "{preset}");
            let taken = judge(raw).await;
            assert_eq!(taken.is_ok_and(|taken| taken == form[..]), is_taken, "{preset}");
        }
    }

    #[tokio::test]
    async fn a_secret_that_its_preset_cannot_read_lets_nothing_in() {
        for request in every_request() {
            let secrets = [request.secret, ""];
            let judged = judged(&request, &secrets, request.body, request.signed_at).await;
            let expected = if request.preset == hub().preset {
                let header = "x-seed-signature".to_owned();
                SignatureRejection::Hub { header, why: HubRejection::Mismatch }
            } else {
                SignatureRejection::Preset(InboundRejection::Mismatch)
            };
            assert_eq!(judged, Err(expected), "{}", request.preset);
        }
    }

    #[test]
    fn a_rejection_is_told_in_a_sentence() {
        let missing = InboundRejection::Missing(Part::Timestamp);
        assert_eq!(sentence(missing), "The timestamp header is missing or empty.");
        assert_eq!(sentence(InboundRejection::Mismatch), "The signature does not match.");
    }
}
