//! The word that a delivery is cancelled: what a gateway writes beside the subscriptions.
//!
//! Its key is `c/<delivery id>`. Every process that makes calls knows it, and ends the delivery
//! when that comes up next. It counts for as long as a record of the delivery may be about: the
//! maximum delivery age and [`KEPT_BEYOND`] from its acceptance. Then a null takes its place.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::delivery::{Delivery, REPEAT_SPAN};
use crate::ids::DeliveryId;

/// How much longer than its delivery may live a cancellation is kept: for a process that was
/// away, and has the delivery's record before it.
pub const KEPT_BEYOND: Duration = Duration::from_secs(7 * 86_400);

/// A delivery that somebody has cancelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cancellation {
    pub delivery_id: DeliveryId,
    /// The delivery's, as its row has it.
    pub accepted_at: Timestamp,
}

impl Cancellation {
    /// The record's key in the compacted topic.
    pub fn key(self) -> String {
        format!("c/{}", self.delivery_id)
    }

    /// The delivery that a key names, for a record that is a null; `None` for any other key.
    pub fn key_id(key: &[u8]) -> Option<DeliveryId> {
        str::from_utf8(key.strip_prefix(b"c/")?).ok()?.parse().ok()
    }

    /// The record's value.
    pub fn encode(self) -> Vec<u8> {
        serde_json::to_vec(&self)
            .unwrap_or_else(|_| unreachable!("a cancellation has an id and a time"))
    }

    /// Reads a record's value.
    ///
    /// # Errors
    /// What is not JSON of this form.
    pub fn decode(value: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(value)
    }

    /// Whether it is this delivery that is cancelled: a repeat of it is, and what was submitted
    /// anew under the same derived id is not.
    pub fn covers(self, delivery: &Delivery) -> bool {
        let apart = delivery.accepted_at.duration_since(self.accepted_at).abs();
        delivery.id == self.delivery_id && apart <= REPEAT_SPAN
    }

    /// When nothing of the delivery can be about any more, if none becomes older than `max_age`.
    pub fn ends_at(self, max_age: Duration) -> Timestamp {
        let kept = SignedDuration::try_from(max_age.saturating_add(KEPT_BEYOND)).ok();
        kept.and_then(|kept| self.accepted_at.checked_add(kept).ok()).unwrap_or(Timestamp::MAX)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::ids::{MessageId, SubscriptionId};

    const TEXT: &str = r#"{"delivery_id":"01935b5e-7f6a-7c61-8d2e-0a1b2c3d4e5f","accepted_at":"2026-03-04T05:06:07.000008Z"}"#;

    fn cancellation() -> Cancellation {
        Cancellation::decode(TEXT.as_bytes()).unwrap()
    }

    #[test]
    fn a_cancellation_reads_as_it_was_written_and_its_form_is_fixed() {
        let cancellation = cancellation();
        assert_eq!(cancellation.encode(), TEXT.as_bytes());
        assert_eq!(cancellation.key(), "c/01935b5e-7f6a-7c61-8d2e-0a1b2c3d4e5f");
        let key_id = |key: &str| Cancellation::key_id(key.as_bytes());
        assert_eq!(key_id(&cancellation.key()), Some(cancellation.delivery_id));
        for other in ["", "c/", "c/x", "s/01935b5e-7f6a-7c61-8d2e-0a1b2c3d4e5f"] {
            assert_eq!(key_id(other), None, "{other}");
        }
    }

    #[test]
    fn it_covers_the_delivery_and_its_repeats_and_nothing_submitted_a_day_later() {
        let cancellation = cancellation();
        let uuid = cancellation.delivery_id.uuid();
        let delivery = |id, after: SignedDuration| Delivery {
            id,
            subscription_id: SubscriptionId::from_uuid(uuid),
            subscription_version: 1,
            message_id: MessageId::from_uuid(uuid),
            event_type: None,
            content_type: String::new(),
            accepted_at: cancellation.accepted_at + after,
            attempt: 1,
            release: 0,
            wait: None,
            replay_of: None,
            attributes: Vec::new(),
            body: Bytes::new(),
        };
        let covers = |after| cancellation.covers(&delivery(cancellation.delivery_id, after));
        assert!(covers(SignedDuration::ZERO) && covers(REPEAT_SPAN) && covers(-REPEAT_SPAN));
        let micro = SignedDuration::from_micros(1);
        assert!(!covers(REPEAT_SPAN + micro) && !covers(-REPEAT_SPAN - micro));
        let other = DeliveryId::from_uuid(uuid::Uuid::nil());
        assert!(!cancellation.covers(&delivery(other, SignedDuration::ZERO)));
    }

    #[test]
    fn it_ends_a_week_after_the_delivery_could_not_be_about_any_more() {
        let ends_at = |days: u64| cancellation().ends_at(Duration::from_secs(days * 86_400));
        assert_eq!(ends_at(7).to_string(), "2026-03-18T05:06:07.000008Z");
        assert_eq!(cancellation().ends_at(Duration::MAX), Timestamp::MAX);
    }
}
