//! A shared secret: what its text means, and the HMAC that it keys.
//!
//! Owns the rule of the seed services' one `secret` field. It keeps the keyed hash state and
//! not the text: whoever must show or store a secret holds the text itself.

use std::fmt;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// What a secret's text begins with if the rest is base64 (Standard Webhooks, "Secrets").
pub const SECRET_PREFIX: &str = "whsec_";

/// Reads base64 with or without its padding, as the reference libraries write both.
pub(crate) const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A secret shared with a producer or a receiver, ready to sign and to verify.
///
/// Holds the HMAC state after the key was taken in: a signature does not repeat that work.
/// `Debug` never shows it, there is no `Display`, and it cannot be compared.
#[derive(Clone)]
pub struct Secret {
    keyed: Hmac<Sha256>,
}

/// Why a text is no secret. Never holds any of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// No key bytes: anyone could sign with it.
    #[error("the secret is empty")]
    Empty,
    /// It begins with `whsec_`, and the rest is not base64.
    #[error("the secret begins with whsec_ and what follows is not base64")]
    NotBase64,
}

impl Secret {
    /// Takes a secret from its text: `whsec_...` decodes as base64, anything else is its
    /// UTF-8 bytes (API.md, "one `secret`").
    ///
    /// # Errors
    /// [`SecretError`] if what follows `whsec_` is not base64, or there are no key bytes.
    pub fn from_text(text: &str) -> Result<Self, SecretError> {
        match text.strip_prefix(SECRET_PREFIX) {
            Some(encoded) => {
                let key = BASE64.decode(encoded).map_err(|_| SecretError::NotBase64)?;
                Self::from_bytes(&key)
            }
            None => Self::from_bytes(text.as_bytes()),
        }
    }

    /// Takes the key's bytes as they are.
    ///
    /// # Errors
    /// [`SecretError::Empty`] if there are none.
    pub fn from_bytes(key: &[u8]) -> Result<Self, SecretError> {
        if key.is_empty() {
            return Err(SecretError::Empty);
        }
        // HMAC takes a key of any length (RFC 2104, section 2), so this cannot refuse one.
        let keyed = Hmac::new_from_slice(key).map_err(|_| SecretError::Empty)?;
        Ok(Self { keyed })
    }

    /// HMAC-SHA256 over the parts as if they stood in one piece.
    pub(crate) fn digest(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut mac = self.keyed.clone();
        for part in parts {
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(redacted)")
    }
}

/// Writes a new secret as `whsec_<base64>`. The 32 bytes must come from a source of
/// randomness that is fit for keys; the text is shown once and never again.
pub fn generate_secret(random: &[u8; 32]) -> String {
    format!("{SECRET_PREFIX}{}", general_purpose::STANDARD.encode(random))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_prefixed_secret_is_base64_and_any_other_is_its_bytes() {
        let by_text = |text| Secret::from_text(text).unwrap().digest(&[b"body"]);
        let by_bytes = |key: &[u8]| Secret::from_bytes(key).unwrap().digest(&[b"body"]);
        assert_eq!(by_text("whsec_AQID"), by_bytes(&[1, 2, 3]));
        assert_eq!(by_text("AQID"), by_bytes(b"AQID"));
        assert_eq!(by_text("Whsec_AQID"), by_bytes(b"Whsec_AQID"));
        assert_eq!(by_text("schl\u{fc}ssel"), by_bytes("schl\u{fc}ssel".as_bytes()));
    }

    #[test]
    fn base64_padding_may_be_left_out() {
        let digest = |text| Secret::from_text(text).unwrap().digest(&[b"body"]);
        assert_eq!(digest("whsec_AQIDBA=="), digest("whsec_AQIDBA"));
    }

    #[test]
    fn a_secret_that_does_not_decode_or_is_empty_is_refused_at_creation() {
        for (text, refusal) in [
            ("", SecretError::Empty),
            ("whsec_", SecretError::Empty),
            ("whsec_%", SecretError::NotBase64),
            ("whsec_A", SecretError::NotBase64),
            ("whsec_AQ ID", SecretError::NotBase64),
            ("whsec_AQID\n", SecretError::NotBase64),
            ("whsec_-_-_", SecretError::NotBase64),
        ] {
            assert_eq!(Secret::from_text(text).unwrap_err(), refusal, "{text:?}");
        }
    }

    #[test]
    fn debug_never_shows_a_secret() {
        let secret = Secret::from_text("correct horse battery staple").unwrap();
        assert_eq!(format!("{secret:?}"), "Secret(redacted)");
    }

    #[test]
    fn parts_are_signed_as_one_piece() {
        let secret = Secret::from_text("key").unwrap();
        assert_eq!(secret.digest(&[b"a", b"", b"bc"]), secret.digest(&[b"abc"]));
    }

    proptest! {
        #[test]
        fn a_generated_secret_keys_with_its_random_bytes(random: [u8; 32], body: Vec<u8>) {
            let text = generate_secret(&random);
            prop_assert!(text.starts_with("whsec_") && text.len() == 6 + 44);
            prop_assert_eq!(
                Secret::from_text(&text).unwrap().digest(&[&body]),
                Secret::from_bytes(&random).unwrap().digest(&[&body])
            );
        }

        #[test]
        fn no_text_makes_it_panic(text: String) {
            let _ = Secret::from_text(&text);
            let _ = Secret::from_text(&format!("whsec_{text}"));
        }
    }
}
