//! The mark that a receiver is gone: what a consumer writes beside the subscriptions after a 410.
//!
//! Its key is `g/<subscription id>`, so that it outlives the processes that know of it, and its
//! version is the subscription's that was called: a later one is another receiver's, or
//! somebody's decision to try again.

use serde::{Deserialize, Serialize};

use crate::ids::SubscriptionId;

/// A version of a subscription whose receiver has answered 410.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gone {
    pub subscription_id: SubscriptionId,
    pub version: u64,
}

impl Gone {
    /// The record's key in the compacted topic.
    pub fn key(self) -> String {
        format!("g/{}", self.subscription_id)
    }

    /// The record's value.
    pub fn encode(self) -> Vec<u8> {
        serde_json::to_vec(&self).unwrap_or_else(|_| unreachable!("a mark has an id and a number"))
    }

    /// Reads a record's value.
    ///
    /// # Errors
    /// What is not JSON of this form.
    pub fn decode(value: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_reads_as_it_was_written_and_its_form_is_fixed() {
        let text = r#"{"subscription_id":"01935b5e-7f6a-7c61-8d2e-0a1b2c3d4e5f","version":7}"#;
        let mark = Gone::decode(text.as_bytes()).unwrap();
        assert_eq!(mark.encode(), text.as_bytes());
        assert_eq!(mark.key(), "g/01935b5e-7f6a-7c61-8d2e-0a1b2c3d4e5f");
    }
}
