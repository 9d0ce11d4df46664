//! The configuration record: the values of the compacted topic `subscriptions`.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use signature::Preset;

use crate::ids::SubscriptionId;
use crate::payload_filter::PayloadFilter;
use crate::retry_on::RetryOn;
use crate::retry_policy::RetryPolicy;

/// The version of the JSON form.
pub const SCHEMA: u32 = 1;

/// A subscription as every gateway and consumer keeps it in memory.
///
/// Readers ignore fields that they do not know, and a record whose `version` is lower than the
/// one they have.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Subscription {
    pub schema: u32,
    pub id: SubscriptionId,
    /// Grows by one with each change.
    pub version: u64,
    /// A deleted subscription stays as a record, for a null would vanish from under a consumer
    /// that was away.
    #[serde(default)]
    pub deleted: bool,
    pub target_url: String,
    /// The older services' one secret: it verifies what comes in, unless there is a
    /// [`Verification`], and signs what goes out, unless there is a [`Signing`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<SecretText>,
    /// `None` and empty both mean every event; the older services tell them apart in answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_types: Option<Vec<String>>,
    /// How its deliveries are made, as far as that differs from the installation's defaults.
    #[serde(default, skip_serializing_if = "Options::is_default")]
    pub options: Options,
    /// How a request to its ingest URL proves where it comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verification: Option<Verification>,
    /// How its deliveries are signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signing: Option<Signing>,
    /// While it is paused its work is kept and no call is made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused: Option<PauseReason>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// What a subscription's owner may set about its deliveries; what is not set follows the
/// installation's defaults.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Options {
    /// Which bodies it wants, of the events that its types let through.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filter: Option<PayloadFilter>,
    /// Sent with every call, beside hooklog's own headers. Names in lower case.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// Calls under way at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_concurrency: Option<u32>,
    /// Calls per second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate_limit: Option<u32>,
    /// Total time of one call, from connect to the last byte of the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_seconds: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry: Option<RetryPolicy>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_on: Option<RetryOn>,
}

impl Options {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// What a request to an ingest URL must carry.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Verification {
    pub preset: Preset,
    /// Every active secret, as the provider shows it. A signature by any of them counts.
    pub secrets: Vec<SecretText>,
}

/// What a call carries for its receiver to verify.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Signing {
    /// At least one, none twice.
    pub schemes: Vec<SigningScheme>,
    /// Shared secrets (`whsec_...`), the newest first; for `standard` and `hub`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<SigningKey>,
    /// Secret keys (`whsk_...`), the newest first; for `ed25519`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub key_pairs: Vec<SigningKey>,
}

/// A way to sign a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SigningScheme {
    /// Standard Webhooks `v1`: HMAC-SHA256 over id, timestamp and body, with every active secret.
    Standard,
    /// `X-Hub-Signature-256` over the body, with the newest secret: the header holds one.
    Hub,
    /// Standard Webhooks `v1a`: ed25519 over id, timestamp and body, with every active key.
    Ed25519,
}

/// A key, and how long it still signs after a newer one has come.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SigningKey {
    pub key: SecretText,
    /// `None` for the newest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
}

impl SigningKey {
    /// Whether it signs at `now`.
    pub fn is_active(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|end| now < end)
    }
}

/// Why no calls are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PauseReason {
    /// Somebody asked for it.
    Operator,
    /// The receiver answered 410.
    Gone,
}

impl PauseReason {
    /// The word that stands for it in JSON and in Postgres.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Gone => "gone",
        }
    }

    /// The reason for its word.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Operator, Self::Gone].into_iter().find(|reason| reason.as_str() == word)
    }
}

impl Subscription {
    /// A new subscription in version 1: every event, no secret, everything else by default.
    pub fn new(id: SubscriptionId, target_url: impl Into<String>, created_at: Timestamp) -> Self {
        Self {
            schema: SCHEMA,
            id,
            version: 1,
            deleted: false,
            target_url: target_url.into(),
            secret: None,
            event_types: None,
            options: Options::default(),
            verification: None,
            signing: None,
            paused: None,
            created_at,
            updated_at: created_at,
        }
    }

    /// The record's key.
    pub fn key(&self) -> String {
        key(self.id)
    }

    /// The record's value.
    pub fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self)
            .unwrap_or_else(|_| unreachable!("a subscription has only string keys"))
    }

    /// Reads a record's value.
    ///
    /// # Errors
    /// What is not JSON of this form. The error's text never holds the value.
    pub fn decode(value: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(value)
    }

    /// The types that it wants, as a list; empty for every event.
    pub fn event_types(&self) -> &[String] {
        self.event_types.as_deref().unwrap_or_default()
    }
}

/// The key under which a subscription stands in the compacted topic.
pub fn key(id: SubscriptionId) -> String {
    format!("s/{id}")
}

/// A secret as its owner wrote it. It never shows itself in a log line or an error.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SecretText {
    /// Readable by whoever reads the topic.
    Plain(String),
}

impl SecretText {
    /// The text as it was written.
    pub fn expose(&self) -> &str {
        match self {
            Self::Plain(text) => text,
        }
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretText(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_does_not_show_itself() {
        let secret = SecretText::Plain("hunter2".into());
        assert!(!format!("{secret:?}").contains("hunter2"));
        let bad = br#"{"schema":1,"secret":{"plain":"hunter2"},"id":7}"#;
        let said = Subscription::decode(bad).unwrap_err().to_string();
        assert!(!said.contains("hunter2"), "{said}");
    }
}
