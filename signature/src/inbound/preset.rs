//! Which signature a subscription's ingest URL expects, as the API writes it:
//! `{"preset":"stripe","tolerance_seconds":300}`.

use std::borrow::Cow;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How a producer signs. Unknown fields are refused: a misspelled tolerance must not read as
/// the default.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "preset", rename_all = "snake_case", deny_unknown_fields)]
pub enum Preset {
    /// `sha256=<hex>` over the body, in a header of any name; the seeds' scheme.
    Hub {
        /// Default `x-hub-signature-256`.
        #[serde(default)]
        header: HeaderName,
    },
    /// GitHub: `X-Hub-Signature-256: sha256=<hex>` over the body.
    #[serde(rename = "github")]
    GitHub {},
    /// Stripe: `Stripe-Signature: t=<seconds>,v1=<hex>` over `t.body`.
    Stripe {
        /// How old or how far ahead a request may be.
        #[serde(default)]
        tolerance_seconds: Tolerance,
    },
    /// Shopify: `X-Shopify-Hmac-Sha256: <base64>` over the body.
    Shopify {},
    /// Slack: `X-Slack-Signature: v0=<hex>` over `v0:timestamp:body`.
    Slack {
        /// How old or how far ahead a request may be.
        #[serde(default)]
        tolerance_seconds: Tolerance,
    },
    /// Standard Webhooks with a shared secret: `webhook-signature: v1,<base64>`.
    StandardWebhooks {
        /// How old or how far ahead a request may be.
        #[serde(default)]
        tolerance_seconds: Tolerance,
    },
    /// Any other HMAC in a header of its own.
    Generic(Generic),
}

/// An HMAC in a header of its own: over the body, or, with a timestamp header, over
/// `timestamp.body`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Generic {
    /// The hash.
    #[serde(default)]
    pub algorithm: Algorithm,
    /// How the signature is written.
    #[serde(default)]
    pub encoding: Encoding,
    /// The header with the signature.
    pub header: HeaderName,
    /// What stands before the signature, exactly; often `sha256=`, or nothing.
    #[serde(default)]
    pub prefix: String,
    /// The header with the seconds since 1970 that are signed too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timestamp_header: Option<HeaderName>,
    /// How old or how far ahead a request may be; counts only with a timestamp header.
    #[serde(default)]
    pub tolerance_seconds: Tolerance,
}

/// The hash that the secret keys.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Algorithm {
    /// HMAC-SHA256.
    #[default]
    Sha256,
    /// HMAC-SHA1, for older providers; as an HMAC it is not broken (RFC 6194, section 3.3).
    Sha1,
    /// HMAC-SHA512.
    Sha512,
}

impl Algorithm {
    /// How many bytes a signature has.
    pub(super) fn digest_length(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }
}

/// How the signature's bytes are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Encoding {
    /// Hex digits of either case.
    #[default]
    Hex,
    /// Base64 of the standard alphabet, with padding.
    Base64,
}

/// The name of a header, in lower case. Default `x-hub-signature-256`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct HeaderName(Cow<'static, str>);

/// Why a preset cannot be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PresetError {
    /// It is no token of RFC 9110, section 5.6.2, or longer than [`HeaderName::MAX_LENGTH`].
    #[error("a header name is 1 to {max} letters, digits or -_.!#$%&'*+^`|~", max = HeaderName::MAX_LENGTH)]
    HeaderName,
    /// It is 0, or longer than [`Tolerance::MAX`].
    #[error("a tolerance is 1 to {} seconds", Tolerance::MAX.as_secs())]
    Tolerance,
}

impl HeaderName {
    /// How many bytes a name may have.
    pub const MAX_LENGTH: usize = 100;
    pub(super) const HUB: Self = Self::known("x-hub-signature-256");

    /// Takes a name in any case.
    ///
    /// # Errors
    /// [`PresetError::HeaderName`] if no request can have such a header.
    pub fn new(name: &str) -> Result<Self, PresetError> {
        let is_token =
            |byte: u8| byte.is_ascii_alphanumeric() || b"-_.!#$%&'*+^`|~".contains(&byte);
        if name.is_empty() || name.len() > Self::MAX_LENGTH || !name.bytes().all(is_token) {
            return Err(PresetError::HeaderName);
        }
        Ok(Self(Cow::Owned(name.to_ascii_lowercase())))
    }

    /// One of the names in this crate, written in lower case.
    pub(super) const fn known(name: &'static str) -> Self {
        Self(Cow::Borrowed(name))
    }

    /// The name in lower case.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for HeaderName {
    fn default() -> Self {
        Self::HUB
    }
}

impl TryFrom<String> for HeaderName {
    type Error = PresetError;

    fn try_from(name: String) -> Result<Self, PresetError> {
        Self::new(&name)
    }
}

/// How far a request's timestamp may be from now, either way. Default five minutes, as Stripe,
/// Slack and the Standard Webhooks libraries have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub struct Tolerance(Duration);

impl Tolerance {
    /// The longest tolerance: within it a recorded request can be sent again.
    pub const MAX: Duration = Duration::from_secs(24 * 60 * 60);

    /// Takes whole seconds.
    ///
    /// # Errors
    /// [`PresetError::Tolerance`] if there are none, or more than [`Self::MAX`].
    pub fn from_seconds(seconds: u64) -> Result<Self, PresetError> {
        let tolerance = Duration::from_secs(seconds);
        if tolerance.is_zero() || tolerance > Self::MAX {
            return Err(PresetError::Tolerance);
        }
        Ok(Self(tolerance))
    }

    /// The tolerance, in whole seconds.
    pub fn duration(self) -> Duration {
        self.0
    }
}

impl Default for Tolerance {
    fn default() -> Self {
        Self(Duration::from_secs(300))
    }
}

impl TryFrom<u64> for Tolerance {
    type Error = PresetError;

    fn try_from(seconds: u64) -> Result<Self, PresetError> {
        Self::from_seconds(seconds)
    }
}

impl From<Tolerance> for u64 {
    fn from(tolerance: Tolerance) -> Self {
        tolerance.0.as_secs()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn read(value: &Value) -> Result<Preset, String> {
        serde_json::from_str(&value.to_string()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_preset_is_read_with_its_defaults_and_written_in_full() {
        for (short, full) in [
            (json!({"preset": "hub"}), json!({"preset": "hub", "header": "x-hub-signature-256"})),
            (
                json!({"preset": "hub", "header": "X-Seed"}),
                json!({"preset": "hub", "header": "x-seed"}),
            ),
            (json!({"preset": "github"}), json!({"preset": "github"})),
            (json!({"preset": "shopify"}), json!({"preset": "shopify"})),
            (json!({"preset": "stripe"}), json!({"preset": "stripe", "tolerance_seconds": 300})),
            (
                json!({"preset": "slack", "tolerance_seconds": 60}),
                json!({"preset": "slack", "tolerance_seconds": 60}),
            ),
            (
                json!({"preset": "standard_webhooks"}),
                json!({"preset": "standard_webhooks", "tolerance_seconds": 300}),
            ),
            (
                json!({"preset": "generic", "header": "X-Sig"}),
                json!({"preset": "generic", "algorithm": "sha256", "encoding": "hex",
                    "header": "x-sig", "prefix": "", "tolerance_seconds": 300}),
            ),
            (
                json!({"preset": "generic", "algorithm": "sha1", "encoding": "base64",
                    "header": "x-sig", "prefix": "v=", "timestamp_header": "X-Time"}),
                json!({"preset": "generic", "algorithm": "sha1", "encoding": "base64",
                    "header": "x-sig", "prefix": "v=", "timestamp_header": "x-time",
                    "tolerance_seconds": 300}),
            ),
        ] {
            let preset = read(&short).unwrap();
            assert_eq!(serde_json::to_value(&preset).unwrap(), full);
            assert_eq!(read(&full), Ok(preset));
        }
    }

    #[test]
    fn what_is_no_preset_is_refused_with_its_reason() {
        for (value, reason) in [
            (json!({}), "missing field `preset`"),
            (json!({"preset": "paypal"}), "unknown variant `paypal`"),
            (json!({"preset": "GitHub"}), "unknown variant `GitHub`"),
            (json!({"preset": "github", "header": "x"}), "unknown field `header`"),
            (json!({"preset": "stripe", "tolerance": 9}), "unknown field `tolerance`"),
            (json!({"preset": "stripe", "tolerance_seconds": 0}), "1 to 86400 seconds"),
            (json!({"preset": "slack", "tolerance_seconds": 86_401}), "1 to 86400 seconds"),
            (json!({"preset": "slack", "tolerance_seconds": -1}), "invalid value"),
            (json!({"preset": "slack", "tolerance_seconds": 1.5}), "invalid type"),
            (json!({"preset": "generic"}), "missing field `header`"),
            (json!({"preset": "generic", "header": ""}), "a header name is"),
            (json!({"preset": "generic", "header": "x y"}), "a header name is"),
            (json!({"preset": "generic", "header": "x\n"}), "a header name is"),
            (json!({"preset": "generic", "header": "h\u{e9}"}), "a header name is"),
            (json!({"preset": "generic", "header": "x".repeat(101)}), "a header name is"),
            (json!({"preset": "generic", "header": "x", "extra": 1}), "unknown field `extra`"),
            (json!({"preset": "generic", "header": "x", "algorithm": "md5"}), "unknown variant"),
        ] {
            let refusal = read(&value).unwrap_err();
            assert!(refusal.contains(reason), "{value}: {refusal}");
        }
    }
}
