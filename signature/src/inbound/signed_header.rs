//! One header with one signature: a prefix and an encoded HMAC over the body, or over a
//! timestamp and the body.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use subtle::{Choice, ConstantTimeEq as _};

use super::hmac_key::HmacKey;
use super::preset::{Algorithm, Encoding, Generic, HeaderName};
use super::{InboundRejection, Part};
use crate::{SecretError, hub, replay_window};

/// A scheme of this kind, with everything in which providers differ.
#[derive(Debug, Clone)]
pub(super) struct SignedHeader {
    header: HeaderName,
    prefix: String,
    algorithm: Algorithm,
    encoding: Encoding,
    timestamp: Option<SignedTimestamp>,
}

/// The header with the time of signing. Signed are `before`, its value as it stands, `after`,
/// and the body: a timestamp that is not signed would bound nothing.
#[derive(Debug, Clone)]
struct SignedTimestamp {
    header: HeaderName,
    before: &'static str,
    after: &'static str,
    tolerance: Duration,
}

impl SignedHeader {
    /// `X-Hub-Signature-256: sha256=<hex>`, under any name; what [`crate::verify_hub`] reads.
    pub(super) fn hub(header: HeaderName) -> Self {
        Self {
            header,
            prefix: hub::PREFIX.to_owned(),
            algorithm: Algorithm::Sha256,
            encoding: Encoding::Hex,
            timestamp: None,
        }
    }

    /// GitHub, "Validating webhook deliveries".
    pub(super) fn github() -> Self {
        Self::hub(HeaderName::HUB)
    }

    /// Shopify, "Deliver webhooks through HTTPS", step 5: base64 and no prefix.
    pub(super) fn shopify() -> Self {
        Self {
            header: HeaderName::known("x-shopify-hmac-sha256"),
            prefix: String::new(),
            algorithm: Algorithm::Sha256,
            encoding: Encoding::Base64,
            timestamp: None,
        }
    }

    /// Slack, "Verifying requests from Slack": version `v0`, the only one there is.
    pub(super) fn slack(tolerance: Duration) -> Self {
        Self {
            header: HeaderName::known("x-slack-signature"),
            prefix: "v0=".to_owned(),
            algorithm: Algorithm::Sha256,
            encoding: Encoding::Hex,
            timestamp: Some(SignedTimestamp {
                header: HeaderName::known("x-slack-request-timestamp"),
                before: "v0:",
                after: ":",
                tolerance,
            }),
        }
    }

    pub(super) fn generic(generic: &Generic) -> Self {
        let timestamp = generic.timestamp_header.clone().map(|header| SignedTimestamp {
            header,
            before: "",
            after: ".",
            tolerance: generic.tolerance_seconds.duration(),
        });
        Self {
            header: generic.header.clone(),
            prefix: generic.prefix.clone(),
            algorithm: generic.algorithm,
            encoding: generic.encoding,
            timestamp,
        }
    }

    /// The key of a secret whose text is taken as it is.
    ///
    /// # Errors
    /// [`SecretError::Empty`] for an empty text.
    pub(super) fn key(&self, text: &str) -> Result<HmacKey, SecretError> {
        HmacKey::new(self.algorithm, text.as_bytes())
    }

    pub(super) fn verify<'h>(
        &self,
        only: impl Fn(&str, Part) -> Result<&'h str, InboundRejection>,
        body: &[u8],
        keys: &[HmacKey],
        now_seconds: i64,
    ) -> Result<(), InboundRejection> {
        let claimed = self.claimed(only(self.header.as_str(), Part::Signature)?)?;
        let digest = |key: &HmacKey, parts: &[&[u8]]| key.digest(parts).ct_eq(&claimed);
        let mut matches = Choice::from(0);
        match &self.timestamp {
            None => keys.iter().for_each(|key| matches |= digest(key, &[body])),
            Some(signed) => {
                let at = only(signed.header.as_str(), Part::Timestamp)?;
                replay_window::judge(at, now_seconds, signed.tolerance)?;
                let parts =
                    [signed.before.as_bytes(), at.as_bytes(), signed.after.as_bytes(), body];
                keys.iter().for_each(|key| matches |= digest(key, &parts));
            }
        }
        if bool::from(matches) { Ok(()) } else { Err(InboundRejection::Mismatch) }
    }

    fn claimed(&self, value: &str) -> Result<Vec<u8>, InboundRejection> {
        let encoded = value.strip_prefix(&self.prefix);
        let decoded = encoded.and_then(|encoded| match self.encoding {
            Encoding::Hex => hex::decode(encoded).ok(),
            Encoding::Base64 => STANDARD.decode(encoded).ok(),
        });
        decoded
            .filter(|claimed| claimed.len() == self.algorithm.digest_length())
            .ok_or(InboundRejection::Malformed(Part::Signature))
    }
}
