//! Standard Webhooks: the signature over `id.timestamp.body` and its strict reading.
//!
//! Source: the Standard Webhooks specification 1.0, "Signature scheme". Owns
//! `webhook-signature` in both directions. The three header names belong to whoever sends or
//! receives the request.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use subtle::{Choice, ConstantTimeEq as _};

use crate::replay_window::{self, TimestampRejection};
use crate::{PublicKey, Secret, SigningKey};

const SHARED: &str = "v1";
const KEY_PAIR: &str = "v1a";

/// The three headers of a received request, as text.
#[derive(Debug, Clone, Copy)]
pub struct StandardHeaders<'a> {
    /// `webhook-id`.
    pub id: &'a str,
    /// `webhook-timestamp`, in seconds since 1970.
    pub timestamp: &'a str,
    /// `webhook-signature`, one or several `version,base64` separated by spaces.
    pub signature: &'a str,
}

/// Why a received request's signature was not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StandardRejection {
    /// The timestamp is not a plain decimal number of seconds.
    #[error("the timestamp is not a number of seconds")]
    Timestamp,
    /// The timestamp is further in the past than the tolerance.
    #[error("the timestamp is too old")]
    TooOld,
    /// The timestamp is further in the future than the tolerance.
    #[error("the timestamp is in the future")]
    TooNew,
    /// No entry of the signature header has the version that the key is for.
    #[error("there is no signature of the expected version")]
    NoSignature,
    /// There are entries of that version, and none matches.
    #[error("no signature matches")]
    Mismatch,
}

impl From<TimestampRejection> for StandardRejection {
    fn from(rejection: TimestampRejection) -> Self {
        match rejection {
            TimestampRejection::NotSeconds => Self::Timestamp,
            TimestampRejection::TooOld => Self::TooOld,
            TimestampRejection::TooNew => Self::TooNew,
        }
    }
}

/// The value of `webhook-signature`: one `v1,<base64>` for each secret, separated by spaces.
///
/// `timestamp_seconds` is the time of this attempt since 1970, and goes into
/// `webhook-timestamp` as it is. While a secret is rotated both are given, the new one first.
pub fn sign_standard(secrets: &[Secret], id: &str, timestamp_seconds: i64, body: &[u8]) -> String {
    let timestamp = timestamp_seconds.to_string();
    let content = signed_content(id, &timestamp, body);
    let entries: Vec<String> = secrets
        .iter()
        .map(|secret| format!("{SHARED},{}", STANDARD.encode(secret.digest(&content))))
        .collect();
    entries.join(" ")
}

/// The same with an ed25519 key: `v1a,<base64>`. Several entries, of either version, are
/// joined by a space.
pub fn sign_standard_with_key_pair(
    key: &SigningKey,
    id: &str,
    timestamp_seconds: i64,
    body: &[u8],
) -> String {
    let timestamp = timestamp_seconds.to_string();
    let signature = key.sign(&signed_content(id, &timestamp, body));
    format!("{KEY_PAIR},{}", STANDARD.encode(signature))
}

/// Accepts a request of which one `v1` entry matches one of the secrets, and whose timestamp
/// is at most `tolerance` away from `now_seconds` (since 1970), either way.
///
/// Entries of other versions, and entries that do not decode, are passed over: a sender may
/// use several schemes at once. Every secret is compared with every entry.
///
/// # Errors
/// [`StandardRejection`]; the timestamp is judged first.
pub fn verify_standard(
    secrets: &[Secret],
    headers: StandardHeaders<'_>,
    body: &[u8],
    now_seconds: i64,
    tolerance: Duration,
) -> Result<(), StandardRejection> {
    replay_window::judge(headers.timestamp, now_seconds, tolerance)?;
    let claimed: Vec<[u8; 32]> = entries(headers.signature, SHARED)?;
    let content = signed_content(headers.id, headers.timestamp, body);
    let mut matches = Choice::from(0);
    for secret in secrets {
        let digest = secret.digest(&content);
        for claim in &claimed {
            matches |= digest.ct_eq(claim);
        }
    }
    if bool::from(matches) { Ok(()) } else { Err(StandardRejection::Mismatch) }
}

/// The same for `v1a` entries and a public key.
///
/// # Errors
/// [`StandardRejection`]; the timestamp is judged first.
pub fn verify_standard_with_public_key(
    key: &PublicKey,
    headers: StandardHeaders<'_>,
    body: &[u8],
    now_seconds: i64,
    tolerance: Duration,
) -> Result<(), StandardRejection> {
    replay_window::judge(headers.timestamp, now_seconds, tolerance)?;
    let claimed: Vec<[u8; 64]> = entries(headers.signature, KEY_PAIR)?;
    let message = signed_content(headers.id, headers.timestamp, body).concat();
    if claimed.iter().any(|signature| key.accepts(&message, signature)) {
        Ok(())
    } else {
        Err(StandardRejection::Mismatch)
    }
}

fn signed_content<'a>(id: &'a str, timestamp: &'a str, body: &'a [u8]) -> [&'a [u8]; 5] {
    [id.as_bytes(), b".", timestamp.as_bytes(), b".", body]
}

/// The entries of one version that have the right length.
fn entries<const N: usize>(header: &str, version: &str) -> Result<Vec<[u8; N]>, StandardRejection> {
    let mut any = false;
    let mut decoded = Vec::new();
    for entry in header.split(' ') {
        let Some((_, encoded)) = entry.split_once(',').filter(|(name, _)| *name == version) else {
            continue;
        };
        any = true;
        if let Some(bytes) = STANDARD.decode(encoded).ok().and_then(|b| b.try_into().ok()) {
            decoded.push(bytes);
        }
    }
    if any { Ok(decoded) } else { Err(StandardRejection::NoSignature) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const AT: i64 = 1_614_265_330;
    const BODY: &[u8] = br#"{"test": 2432232314}"#;
    const SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
    const FIVE_MINUTES: Duration = Duration::from_secs(300);

    /// The test vector of the Svix server, `test_asymmetric_key_signing`.
    const WHSK: &str = "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg==";
    const KEY_PAIR_SIGNATURE: &str = "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg==";

    fn secret(text: &str) -> Secret {
        Secret::from_text(text).unwrap()
    }

    fn headers(signature: &str) -> StandardHeaders<'_> {
        StandardHeaders { id: ID, timestamp: "1614265330", signature }
    }

    fn verify(
        headers: StandardHeaders<'_>,
        body: &[u8],
        now: i64,
    ) -> Result<(), StandardRejection> {
        verify_standard(&[secret(SECRET)], headers, body, now, FIVE_MINUTES)
    }

    #[test]
    fn the_vector_of_the_contract_holds() {
        assert_eq!(sign_standard(&[secret(SECRET)], ID, AT, BODY), SIGNATURE);
        assert_eq!(verify(headers(SIGNATURE), BODY, AT), Ok(()));
    }

    #[test]
    fn the_published_vector_for_a_key_pair_holds() {
        let key = SigningKey::from_text(WHSK).unwrap();
        let public = key.public_key();
        assert_eq!(sign_standard_with_key_pair(&key, ID, AT, BODY), KEY_PAIR_SIGNATURE);
        let verify = |signature, body| {
            verify_standard_with_public_key(&public, headers(signature), body, AT, FIVE_MINUTES)
        };
        assert_eq!(verify(KEY_PAIR_SIGNATURE, BODY), Ok(()));
        assert_eq!(verify(KEY_PAIR_SIGNATURE, b"{}"), Err(StandardRejection::Mismatch));
        assert_eq!(verify("v1a,AAAA", BODY), Err(StandardRejection::Mismatch));
        assert_eq!(verify(SIGNATURE, BODY), Err(StandardRejection::NoSignature));
    }

    #[test]
    fn a_rotation_signs_with_both_and_a_receiver_with_either_accepts() {
        let (new, old) = (secret("new"), secret(SECRET));
        let header = sign_standard(&[new.clone(), old.clone()], ID, AT, BODY);
        assert!(header.ends_with(SIGNATURE) && header.matches("v1,").count() == 2, "{header}");
        for receiver in [vec![new], vec![old]] {
            let verdict = verify_standard(&receiver, headers(&header), BODY, AT, FIVE_MINUTES);
            assert_eq!(verdict, Ok(()));
        }
    }

    #[test]
    fn a_receiver_passes_over_entries_that_it_does_not_know() {
        let header = format!("v2,xyz {KEY_PAIR_SIGNATURE} v1,short junk {SIGNATURE}");
        assert_eq!(verify(headers(&header), BODY, AT), Ok(()));
    }

    #[test]
    fn a_signature_that_is_not_exactly_right_is_rejected() {
        use StandardRejection::{Mismatch, NoSignature};
        let good = headers(SIGNATURE);
        let of = |signature| headers(signature);
        let table = [
            ("an empty header", of(""), BODY, NoSignature),
            ("another version", of(KEY_PAIR_SIGNATURE), BODY, NoSignature),
            ("no version", of(&SIGNATURE[3..]), BODY, NoSignature),
            (
                "capital version",
                of("V1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="),
                BODY,
                NoSignature,
            ),
            ("no padding", of(&SIGNATURE[..SIGNATURE.len() - 1]), BODY, Mismatch),
            ("a byte less", of("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1A=="), BODY, Mismatch),
            (
                "a flipped bit",
                of("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OA="),
                BODY,
                Mismatch,
            ),
            ("another body", good, b"{\"test\": 2432232315}", Mismatch),
            ("another id", StandardHeaders { id: "msg_x", ..good }, BODY, Mismatch),
            ("another time", StandardHeaders { timestamp: "1614265331", ..good }, BODY, Mismatch),
            (
                "a zero before the time",
                StandardHeaders { timestamp: "01614265330", ..good },
                BODY,
                Mismatch,
            ),
        ];
        for (what, headers, body, rejection) in table {
            assert_eq!(verify(headers, body, AT), Err(rejection), "{what}");
        }
        assert_eq!(verify_standard(&[], good, BODY, AT, FIVE_MINUTES), Err(Mismatch));
    }

    #[test]
    fn a_timestamp_is_accepted_up_to_the_tolerance_either_way() {
        use StandardRejection::{TooNew, TooOld};
        for (now, verdict) in [
            (AT + 300, Ok(())),
            (AT + 301, Err(TooOld)),
            (AT - 300, Ok(())),
            (AT - 301, Err(TooNew)),
            (i64::MAX, Err(TooOld)),
            (i64::MIN, Err(TooNew)),
        ] {
            assert_eq!(verify(headers(SIGNATURE), BODY, now), verdict, "{now}");
        }
    }

    #[test]
    fn a_timestamp_that_is_no_plain_number_is_rejected() {
        for timestamp in
            ["", " 1614265330", "+1614265330", "-1", "1e9", "1614265330.0", "99999999999999999999"]
        {
            let headers = StandardHeaders { timestamp, ..headers(SIGNATURE) };
            assert_eq!(verify(headers, BODY, AT), Err(StandardRejection::Timestamp), "{timestamp}");
        }
    }

    proptest! {
        #[test]
        fn what_is_signed_verifies(
            key in proptest::collection::vec(any::<u8>(), 1..100),
            seed: [u8; 32],
            id in "[a-z0-9_.-]{0,40}",
            at in 0..=i64::MAX,
            body: Vec<u8>,
        ) {
            let secrets = [Secret::from_bytes(&key).unwrap()];
            let signing = SigningKey::from_seed(&seed);
            let signature = format!(
                "{} {}",
                sign_standard(&secrets, &id, at, &body),
                sign_standard_with_key_pair(&signing, &id, at, &body)
            );
            let timestamp = at.to_string();
            let headers = StandardHeaders { id: &id, timestamp: &timestamp, signature: &signature };
            prop_assert_eq!(verify_standard(&secrets, headers, &body, at, Duration::ZERO), Ok(()));
            prop_assert_eq!(
                verify_standard_with_public_key(
                    &signing.public_key(), headers, &body, at, Duration::ZERO
                ),
                Ok(())
            );
        }

        #[test]
        fn no_header_makes_it_panic(id: String, timestamp: String, signature: String, now: i64) {
            let headers =
                StandardHeaders { id: &id, timestamp: &timestamp, signature: &signature };
            prop_assert!(verify(headers, b"", now).is_err());
        }
    }
}
