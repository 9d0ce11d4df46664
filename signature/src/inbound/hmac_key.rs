//! A keyed hash of any of the three kinds that providers use.

use std::fmt;

use hmac::{Hmac, KeyInit as _, Mac};
use sha1::Sha1;
use sha2::Sha512;

use super::preset::Algorithm;
use crate::{Secret, SecretError};

/// The HMAC state after the key was taken in. `Debug` shows the kind only.
#[derive(Clone)]
pub(super) enum HmacKey {
    Sha1(Hmac<Sha1>),
    Sha256(Secret),
    Sha512(Hmac<Sha512>),
}

impl HmacKey {
    pub(super) fn new(algorithm: Algorithm, key: &[u8]) -> Result<Self, SecretError> {
        if key.is_empty() {
            return Err(SecretError::Empty);
        }
        // HMAC takes a key of any length (RFC 2104, section 2), so these cannot refuse one.
        match algorithm {
            Algorithm::Sha1 => Hmac::new_from_slice(key).map(Self::Sha1),
            Algorithm::Sha512 => Hmac::new_from_slice(key).map(Self::Sha512),
            Algorithm::Sha256 => return Secret::from_bytes(key).map(Self::Sha256),
        }
        .map_err(|_| SecretError::Empty)
    }

    /// The HMAC over the parts as if they stood in one piece.
    pub(super) fn digest(&self, parts: &[&[u8]]) -> Vec<u8> {
        match self {
            Self::Sha1(keyed) => digest(keyed.clone(), parts),
            Self::Sha256(secret) => secret.digest(parts).to_vec(),
            Self::Sha512(keyed) => digest(keyed.clone(), parts),
        }
    }
}

fn digest(mut mac: impl Mac, parts: &[&[u8]]) -> Vec<u8> {
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().to_vec()
}

impl fmt::Debug for HmacKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sha1(_) => "HmacKey(sha1, redacted)",
            Self::Sha256(_) => "HmacKey(sha256, redacted)",
            Self::Sha512(_) => "HmacKey(sha512, redacted)",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_vectors_of_each_hash_hold() {
        // "Test case 2" of RFC 2202, section 3, and of RFC 4231, section 4.3.
        for (algorithm, digest) in [
            (Algorithm::Sha1, "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"),
            (Algorithm::Sha256, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
            (
                Algorithm::Sha512,
                "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554\
                 9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737",
            ),
        ] {
            let key = HmacKey::new(algorithm, b"Jefe").unwrap();
            assert_eq!(hex::encode(key.digest(&[b"what do ya want ", b"for nothing?"])), digest);
        }
    }

    #[test]
    fn an_empty_key_is_refused_and_debug_never_shows_one() {
        for algorithm in [Algorithm::Sha1, Algorithm::Sha256, Algorithm::Sha512] {
            assert_eq!(HmacKey::new(algorithm, b"").unwrap_err(), SecretError::Empty);
            let shown = format!("{:?}", HmacKey::new(algorithm, b"hunter2").unwrap());
            assert!(shown.ends_with("redacted)"), "{shown}");
        }
    }
}
