//! `X-Hub-Signature-256`: `sha256=` and 64 hex digits of HMAC-SHA256 over the raw body.
//!
//! Owns the strict reading of that header (SECURITY.md, section 2) and writing it. The order
//! of the checks is the one that the seeds' routes answer by; the routes own the answers.

use subtle::{Choice, ConstantTimeEq as _};

use crate::Secret;

pub(crate) const PREFIX: &str = "sha256=";

/// Why a request's signature was not accepted. Never holds any of the header or the body.
///
/// What the API answers (API.md, A and B; everywhere else each of them is 401):
///
/// | rejection | A | B |
/// |---|---|---|
/// | `Missing` | 401 missing | 401 missing |
/// | `NoMethod` | 401 format | 400 format |
/// | `OtherMethod` | 401 format | 400 method |
/// | `Repeated`, `Malformed`, `Mismatch` | 403 | 401 invalid |
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HubRejection {
    /// There is no signature header, or it is empty.
    #[error("the signature header is missing or empty")]
    Missing,
    /// There are two signature headers or more.
    #[error("the signature header is given more than once")]
    Repeated,
    /// There is no `=`, so no method stands before it.
    #[error("the signature header has no method")]
    NoMethod,
    /// It begins with a method other than `sha256`, in exactly that spelling.
    #[error("the signature's method is not sha256")]
    OtherMethod,
    /// What follows `sha256=` is not exactly 64 hex digits.
    #[error("the signature is not 64 hex digits")]
    Malformed,
    /// It is well formed and no active secret gives it for this body.
    #[error("the signature does not match")]
    Mismatch,
}

/// Accepts a body whose signature header, given once, matches one of the active secrets.
///
/// `header_values` are all values of the signature header, `body` the raw bytes as received.
/// Every secret is tried, with no early exit; without any secret nothing matches.
///
/// # Errors
/// The first rule of [`HubRejection`] that is broken, in the order in which they stand there.
pub fn verify_hub<'a>(
    header_values: impl IntoIterator<Item = &'a [u8]>,
    body: &[u8],
    secrets: &[Secret],
) -> Result<(), HubRejection> {
    let claimed = claimed_digest(header_values)?;
    let mut matches = Choice::from(0);
    for secret in secrets {
        matches |= secret.digest(&[body]).ct_eq(&claimed);
    }
    if bool::from(matches) { Ok(()) } else { Err(HubRejection::Mismatch) }
}

/// The value of `X-Hub-Signature-256` for this body: `sha256=<64 lower-case hex digits>`.
pub fn sign_hub(secret: &Secret, body: &[u8]) -> String {
    format!("{PREFIX}{}", hex::encode(secret.digest(&[body])))
}

fn claimed_digest<'a>(
    header_values: impl IntoIterator<Item = &'a [u8]>,
) -> Result<[u8; 32], HubRejection> {
    let mut values = header_values.into_iter();
    let value = values.next().ok_or(HubRejection::Missing)?;
    if values.next().is_some() {
        return Err(HubRejection::Repeated);
    }
    if value.is_empty() {
        return Err(HubRejection::Missing);
    }
    let Some(digits) = value.strip_prefix(PREFIX.as_bytes()) else {
        let has_method = value.contains(&b'=');
        return Err(if has_method { HubRejection::OtherMethod } else { HubRejection::NoMethod });
    };
    let mut digest = [0; 32];
    // Refuses any length but 64 before it looks at a digit.
    hex::decode_to_slice(digits, &mut digest).map_err(|_| HubRejection::Malformed)?;
    Ok(digest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const EVERYBODY: &str = "It's a Secret to Everybody";
    const HELLO: &str = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";

    fn secret(text: &str) -> Secret {
        Secret::from_text(text).unwrap()
    }

    fn verify(values: &[&str], body: &[u8], secrets: &[&str]) -> Result<(), HubRejection> {
        let secrets: Vec<Secret> = secrets.iter().map(|text| secret(text)).collect();
        verify_hub(values.iter().map(|value| value.as_bytes()), body, &secrets)
    }

    #[test]
    fn the_vectors_of_the_contract_hold() {
        for (key, body, digest) in [
            (
                EVERYBODY,
                &b"Hello, World!"[..],
                "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
            ),
            (EVERYBODY, b"", "66a0c074deaa0f489ead6537e0d32f9a344b90bbeda705b6ed45ecd3b413fb40"),
            (
                EVERYBODY,
                b"\xff\xfe\x00\x0a",
                "ee2fd9ff21ffd335390d92b5b345906835d63ab135a8358d72830556e4562ca2",
            ),
            (
                "Jefe",
                b"what do ya want for nothing?",
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
            ),
            // Computed with `openssl dgst -sha256 -hmac`, for API.md, B.
            (
                "my-secure-secret-for-signing",
                br#"{"event": "order.created"}"#,
                "6b726643d33d99628613af687bc0783ae66f857ee9fbb860585fc31df88c9c46",
            ),
        ] {
            let header = format!("sha256={digest}");
            assert_eq!(sign_hub(&secret(key), body), header);
            assert_eq!(verify(&[&header], body, &[key]), Ok(()));
        }
    }

    #[test]
    fn hex_digits_may_have_either_case() {
        let upper = HELLO.to_uppercase().replace("SHA256", "sha256");
        assert_eq!(verify(&[&upper], b"Hello, World!", &[EVERYBODY]), Ok(()));
    }

    #[test]
    fn whatever_is_not_exactly_one_well_formed_header_is_rejected() {
        use HubRejection::{Malformed, Mismatch, Missing, NoMethod, OtherMethod, Repeated};
        let digits = &HELLO["sha256=".len()..];
        let flipped = HELLO.replace("sha256=7", "sha256=6");
        let base64 = "sha256=dXEH6g6yUJ/CESIczphLijdXC211hsIsRvQ3nIsEPhc=";
        let table: &[(&str, &[&str], HubRejection)] = &[
            ("no header", &[], Missing),
            ("an empty header", &[""], Missing),
            ("the header twice", &[HELLO, HELLO], Repeated),
            ("the header and an empty one", &[HELLO, ""], Repeated),
            ("digits without a method", &[digits], NoMethod),
            ("one word", &["sha256"], NoMethod),
            ("sha1", &["sha1=0beec7b5ea3f0fdbc95d0dd47f3c5bc275da8a33"], OtherMethod),
            ("a method in capitals", &[&HELLO.replace("sha", "SHA")], OtherMethod),
            ("a space before the method", &[&format!(" {HELLO}")], OtherMethod),
            ("no digits", &["sha256="], Malformed),
            ("a digit too few", &[&HELLO[..HELLO.len() - 1]], Malformed),
            ("a byte too few", &[&HELLO[..HELLO.len() - 2]], Malformed),
            ("a byte too many", &[&format!("{HELLO}00")], Malformed),
            ("a trailing space", &[&format!("{HELLO} ")], Malformed),
            ("a digit that is none", &[&HELLO.replacen("=7", "=g", 1)], Malformed),
            ("a list in one header", &[&format!("{HELLO},{HELLO}")], Malformed),
            ("base64", &[base64], Malformed),
            ("hex of the right length in two pieces", &[&HELLO.replacen("75", " 7", 1)], Malformed),
            ("a flipped bit", &[&flipped], Mismatch),
        ];
        for (what, values, rejection) in table {
            assert_eq!(verify(values, b"Hello, World!", &[EVERYBODY]), Err(*rejection), "{what}");
        }
    }

    #[test]
    fn a_header_that_is_not_text_is_rejected() {
        let secrets = [secret(EVERYBODY)];
        let mut value = HELLO.as_bytes().to_vec();
        value[20] = 0xff;
        assert_eq!(verify_hub([&value[..]], b"", &secrets), Err(HubRejection::Malformed));
        assert_eq!(verify_hub([&b"\xff\xfe"[..]], b"", &secrets), Err(HubRejection::NoMethod));
    }

    #[test]
    fn a_body_changed_by_one_byte_is_rejected() {
        for body in [&b"Hello, World?"[..], b"Hello, World! ", b"Hello, World", b""] {
            assert_eq!(verify(&[HELLO], body, &[EVERYBODY]), Err(HubRejection::Mismatch));
        }
    }

    #[test]
    fn any_of_the_active_secrets_may_match_and_without_one_nothing_does() {
        let body = b"Hello, World!";
        assert_eq!(verify(&[HELLO], body, &["new", EVERYBODY]), Ok(()));
        assert_eq!(verify(&[HELLO], body, &[EVERYBODY, "old"]), Ok(()));
        assert_eq!(verify(&[HELLO], body, &[EVERYBODY, EVERYBODY]), Ok(()));
        assert_eq!(verify(&[HELLO], body, &["new", "old"]), Err(HubRejection::Mismatch));
        assert_eq!(verify(&[HELLO], body, &[]), Err(HubRejection::Mismatch));
    }

    proptest! {
        #[test]
        fn what_is_signed_verifies_and_no_flipped_bit_does(
            key in proptest::collection::vec(any::<u8>(), 1..200),
            body: Vec<u8>,
            bit in 0usize..256,
        ) {
            let secret = Secret::from_bytes(&key).unwrap();
            let header = sign_hub(&secret, &body);
            let secrets = [secret];
            prop_assert_eq!(verify_hub([header.as_bytes()], &body, &secrets), Ok(()));

            let mut digest = hex::decode(&header["sha256=".len()..]).unwrap();
            digest[bit / 8] ^= 1 << (bit % 8);
            let flipped = format!("sha256={}", hex::encode(digest));
            prop_assert_eq!(
                verify_hub([flipped.as_bytes()], &body, &secrets),
                Err(HubRejection::Mismatch)
            );
        }

        #[test]
        fn no_header_makes_it_panic(value: Vec<u8>, body: Vec<u8>) {
            let with_prefix = [b"sha256=", &value[..]].concat();
            let secrets = [secret("key")];
            prop_assert!(verify_hub([&value[..]], &body, &secrets).is_err());
            prop_assert!(verify_hub([&with_prefix[..]], &body, &secrets).is_err());
        }
    }
}
