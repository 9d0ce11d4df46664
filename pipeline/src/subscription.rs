//! The configuration record: the values of the compacted topic `subscriptions`.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ids::SubscriptionId;

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
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<SecretText>,
    /// `None` and empty both mean every event; the older services tell them apart in answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_types: Option<Vec<String>>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

impl Subscription {
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
