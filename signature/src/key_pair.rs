//! ed25519 keys for receivers that should verify without being able to sign (`v1a`).
//!
//! Owns the keys' text forms: `whsk_` and the base64 of seed and public key (64 bytes),
//! `whpk_` and the base64 of the public key (32 bytes), as Standard Webhooks and Svix write
//! them.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::ed25519::signature::MultipartSigner as _;
use ed25519_dalek::{Signature, VerifyingKey};

use crate::secret::BASE64;

const SIGNING_PREFIX: &str = "whsk_";
const PUBLIC_PREFIX: &str = "whpk_";

/// Why a text is no key. Never holds any of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyPairError {
    /// It does not begin with the prefix of this kind of key.
    #[error("the key does not begin with {0}")]
    Prefix(&'static str),
    /// What follows the prefix is not base64.
    #[error("what follows {0} is not base64")]
    NotBase64(&'static str),
    /// It decodes to a number of bytes that no such key has.
    #[error("the key after {0} has the wrong length")]
    Length(&'static str),
    /// The public half does not belong to the private half, or is no point of the curve.
    #[error("the key after {0} is not a valid ed25519 key")]
    Invalid(&'static str),
}

/// A private key that signs. `Debug` never shows it.
#[derive(Clone)]
pub struct SigningKey(ed25519_dalek::SigningKey);

/// The public key that a receiver verifies with; not a secret.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey(VerifyingKey);

impl SigningKey {
    /// Makes a key from 32 bytes of a source of randomness that is fit for keys.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(ed25519_dalek::SigningKey::from_bytes(seed))
    }

    /// Takes a key from `whsk_<base64>`: 64 bytes, or the seed's 32 alone.
    ///
    /// # Errors
    /// [`KeyPairError`] if it has another form, or its two halves do not belong together.
    pub fn from_text(text: &str) -> Result<Self, KeyPairError> {
        let bytes = decode(text, SIGNING_PREFIX)?;
        if let Ok(seed) = <&[u8; 32]>::try_from(&bytes[..]) {
            return Ok(Self::from_seed(seed));
        }
        let both =
            <&[u8; 64]>::try_from(&bytes[..]).map_err(|_| KeyPairError::Length(SIGNING_PREFIX))?;
        ed25519_dalek::SigningKey::from_keypair_bytes(both)
            .map(Self)
            .map_err(|_| KeyPairError::Invalid(SIGNING_PREFIX))
    }

    /// The key as `whsk_<base64>`, to be sealed or shown once. A secret.
    pub fn to_secret_text(&self) -> String {
        format!("{SIGNING_PREFIX}{}", STANDARD.encode(self.0.to_keypair_bytes()))
    }

    /// The key that receivers verify with.
    pub fn public_key(&self) -> PublicKey {
        PublicKey(self.0.verifying_key())
    }

    /// The signature over the parts as if they stood in one piece (RFC 8032, Ed25519).
    pub(crate) fn sign(&self, parts: &[&[u8]]) -> [u8; 64] {
        self.0.multipart_sign(parts).to_bytes()
    }
}

impl PublicKey {
    /// Takes a key from `whpk_<base64>`, 32 bytes.
    ///
    /// # Errors
    /// [`KeyPairError`] if it has another form or is no key.
    pub fn from_text(text: &str) -> Result<Self, KeyPairError> {
        let bytes = decode(text, PUBLIC_PREFIX)?;
        let bytes =
            <&[u8; 32]>::try_from(&bytes[..]).map_err(|_| KeyPairError::Length(PUBLIC_PREFIX))?;
        VerifyingKey::from_bytes(bytes).map(Self).map_err(|_| KeyPairError::Invalid(PUBLIC_PREFIX))
    }

    /// Whether the signature is this key's over the message. Strict: refuses the weak keys and
    /// the second encodings that RFC 8032 leaves open.
    pub(crate) fn accepts(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        self.0.verify_strict(message, &Signature::from_bytes(signature)).is_ok()
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(redacted)")
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PUBLIC_PREFIX}{}", STANDARD.encode(self.0.as_bytes()))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

fn decode(text: &str, prefix: &'static str) -> Result<Vec<u8>, KeyPairError> {
    let encoded = text.strip_prefix(prefix).ok_or(KeyPairError::Prefix(prefix))?;
    BASE64.decode(encoded).map_err(|_| KeyPairError::NotBase64(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// From the documentation of the Svix server.
    const WHSK: &str = "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg==";
    const WHPK: &str = "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=";

    #[test]
    fn a_published_key_pair_belongs_together_and_keeps_its_text() {
        let key = SigningKey::from_text(WHSK).unwrap();
        assert_eq!(key.public_key().to_string(), WHPK);
        assert_eq!(key.to_secret_text(), WHSK);
        let seed_alone = "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbc=";
        assert_eq!(SigningKey::from_text(seed_alone).unwrap().to_secret_text(), WHSK);
        assert_eq!(PublicKey::from_text(WHPK).unwrap(), key.public_key());
    }

    #[test]
    fn a_text_that_is_no_key_is_refused() {
        let foreign_half = WHSK.replace("lX0dRqSKJp", "laaaaaaaaa");
        for (text, refusal) in [
            (WHPK, KeyPairError::Prefix("whsk_")),
            ("", KeyPairError::Prefix("whsk_")),
            ("whsk_%%", KeyPairError::NotBase64("whsk_")),
            ("whsk_AQID", KeyPairError::Length("whsk_")),
            (&foreign_half, KeyPairError::Invalid("whsk_")),
        ] {
            assert_eq!(SigningKey::from_text(text).unwrap_err(), refusal, "{text}");
        }
        for (text, refusal) in [
            (WHSK, KeyPairError::Prefix("whpk_")),
            ("whpk_AQID", KeyPairError::Length("whpk_")),
            ("whpk_AgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", KeyPairError::Invalid("whpk_")),
        ] {
            assert_eq!(PublicKey::from_text(text).unwrap_err(), refusal, "{text}");
        }
    }

    #[test]
    fn debug_never_shows_a_private_key() {
        let key = SigningKey::from_text(WHSK).unwrap();
        assert_eq!(format!("{key:?}"), "SigningKey(redacted)");
    }

    /// RFC 8032, section 7.1, test 2.
    #[test]
    fn the_vector_of_the_rfc_holds() {
        let seed = "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb";
        let key = SigningKey::from_seed(hex::decode(seed).unwrap()[..].try_into().unwrap());
        assert_eq!(
            hex::encode(key.sign(&[b"\x72"])),
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da\
             085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
        );
    }

    proptest! {
        #[test]
        fn what_is_signed_in_parts_is_accepted_in_one_piece(
            seed: [u8; 32], a: Vec<u8>, b: Vec<u8>, bit in 0usize..512,
        ) {
            let key = SigningKey::from_text(&SigningKey::from_seed(&seed).to_secret_text()).unwrap();
            let public = PublicKey::from_text(&key.public_key().to_string()).unwrap();
            let message = [&a[..], &b[..]].concat();
            let mut signature = key.sign(&[&a, &b]);
            prop_assert!(public.accepts(&message, &signature));
            signature[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(!public.accepts(&message, &signature));
        }
    }
}
