//! The record of one delivery: what `deliveries`, `retries.*` and `spills.*` carry.

use std::time::Duration;

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

pub use crate::delivery_wire::DecodeError;
use crate::delivery_wire::{self, Attribute, Header};
use crate::ids::{DeliveryId, MessageId, SubscriptionId};

/// How far apart two acceptances of one derived id may be for the later one to repeat the
/// earlier: what is submitted again after that is delivered again. The consumer, which
/// suppresses repeats, and the projector, which gives them no row of their own, both go by it;
/// what the one suppressed and the other gave a row would be pending for ever.
pub const REPEAT_SPAN: SignedDuration = SignedDuration::from_hours(24);

/// One event on its way to one subscription, with the state of its retries and the body.
///
/// The body is whatever was received, byte for byte; it is never parsed on the way.
#[derive(Debug, Clone, PartialEq)]
pub struct Delivery {
    pub id: DeliveryId,
    pub subscription_id: SubscriptionId,
    /// The subscription's version when the event was accepted: a reader with an older one does
    /// not know enough to deliver.
    pub subscription_version: u64,
    pub message_id: MessageId,
    pub event_type: Option<String>,
    pub content_type: String,
    /// When the event was accepted; microseconds count, finer parts are dropped.
    pub accepted_at: Timestamp,
    /// The number of the attempt that comes next, from 1.
    pub attempt: u32,
    /// How often this delivery was put back into `deliveries`; 0 on the first way.
    pub release: u32,
    /// The record's wait while it is in a tier, and the last one once it is back in
    /// `deliveries`; `None` if it never waited.
    pub wait: Option<Wait>,
    /// The delivery that this one repeats at somebody's request.
    pub replay_of: Option<DeliveryId>,
    /// The event's CloudEvents attributes, which go out as `ce-` headers; none for an event
    /// that came in without them.
    pub attributes: Vec<(String, String)>,
    pub body: Bytes,
}

/// A wait in the delay tiers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wait {
    pub due_at: Timestamp,
    /// The whole wait as it was decided; the tolerance is a part of it.
    pub delay: Duration,
    /// Whether it is one of a row of waits of which each is twice as long as the one before.
    pub doubles: bool,
}

impl Delivery {
    /// The record's value.
    pub fn encode(&self) -> Bytes {
        let header = Header {
            delivery_id: uuid_bytes(self.id.uuid()),
            subscription_id: uuid_bytes(self.subscription_id.uuid()),
            subscription_version: self.subscription_version,
            message_id: uuid_bytes(self.message_id.uuid()),
            event_type: self.event_type.clone(),
            content_type: self.content_type.clone(),
            accepted_at_micros: self.accepted_at.as_microsecond(),
            attempt: self.attempt,
            release: self.release,
            due_at_micros: self.wait.map(|wait| wait.due_at.as_microsecond()),
            delay_micros: self.wait.map_or(0, |wait| wait.delay.as_micros() as u64),
            delay_doubles: self.wait.is_some_and(|wait| wait.doubles),
            replay_of: self.replay_of.map(|id| uuid_bytes(id.uuid())),
            attributes: self
                .attributes
                .iter()
                .map(|(name, value)| Attribute { name: name.clone(), value: value.clone() })
                .collect(),
        };
        delivery_wire::encode(&header, &self.body)
    }

    /// Reads a record's value; the body shares its memory.
    ///
    /// # Errors
    /// What is not a delivery of a version that this process reads. Such a record goes to
    /// `dead-letters` with its bytes as they are.
    pub fn decode(record: Bytes) -> Result<Self, DecodeError> {
        let (header, body) = delivery_wire::decode(record)?;
        let due_at = header.due_at_micros.map(|micros| timestamp(micros, "due_at")).transpose()?;
        Ok(Self {
            id: DeliveryId::from_uuid(uuid(&header.delivery_id, "delivery_id")?),
            subscription_id: SubscriptionId::from_uuid(uuid(
                &header.subscription_id,
                "subscription_id",
            )?),
            subscription_version: header.subscription_version,
            message_id: MessageId::from_uuid(uuid(&header.message_id, "message_id")?),
            event_type: header.event_type,
            content_type: header.content_type,
            accepted_at: timestamp(header.accepted_at_micros, "accepted_at")?,
            attempt: Some(header.attempt)
                .filter(|&n| n > 0)
                .ok_or(DecodeError::Field("attempt"))?,
            release: header.release,
            wait: due_at.map(|due_at| Wait {
                due_at,
                delay: Duration::from_micros(header.delay_micros),
                doubles: header.delay_doubles,
            }),
            replay_of: header
                .replay_of
                .map(|bytes| uuid(&bytes, "replay_of").map(DeliveryId::from_uuid))
                .transpose()?,
            attributes: header.attributes.into_iter().map(|a| (a.name, a.value)).collect(),
            body,
        })
    }
}

fn uuid_bytes(uuid: Uuid) -> Bytes {
    Bytes::copy_from_slice(uuid.as_bytes())
}

fn uuid(bytes: &[u8], field: &'static str) -> Result<Uuid, DecodeError> {
    Uuid::from_slice(bytes).map_err(|_| DecodeError::Field(field))
}

fn timestamp(micros: i64, field: &'static str) -> Result<Timestamp, DecodeError> {
    Timestamp::from_microsecond(micros).map_err(|_| DecodeError::Field(field))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    prop_compose! {
        fn any_delivery()(
            ids in any::<[u128; 4]>(),
            numbers in (any::<u64>(), 1_u32.., any::<u32>()),
            event_type in any::<Option<String>>(),
            content_type in any::<String>(),
            micros in 0_i64..4_102_444_800_000_000,
            wait in prop::option::of((0_i64..4_102_444_800_000_000, 0_u64..1 << 40, any::<bool>())),
            replay in any::<bool>(),
            attributes in prop::collection::vec(any::<(String, String)>(), 0..4),
            body in prop::collection::vec(any::<u8>(), 0..300),
        ) -> Delivery {
            Delivery {
                id: DeliveryId::from_uuid(Uuid::from_u128(ids[0])),
                subscription_id: SubscriptionId::from_uuid(Uuid::from_u128(ids[1])),
                subscription_version: numbers.0,
                message_id: MessageId::from_uuid(Uuid::from_u128(ids[2])),
                event_type,
                content_type,
                accepted_at: Timestamp::from_microsecond(micros).unwrap(),
                attempt: numbers.1,
                release: numbers.2,
                wait: wait.map(|(due, delay, doubles)| Wait {
                    due_at: Timestamp::from_microsecond(due).unwrap(),
                    delay: Duration::from_micros(delay),
                    doubles,
                }),
                replay_of: replay.then(|| DeliveryId::from_uuid(Uuid::from_u128(ids[3]))),
                attributes,
                body: Bytes::from(body),
            }
        }
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(delivery in any_delivery()) {
            prop_assert_eq!(Delivery::decode(delivery.encode()).unwrap(), delivery);
        }

        #[test]
        fn any_cut_or_flipped_byte_is_decoded_or_refused_but_never_panics(
            delivery in any_delivery(), cut in any::<prop::sample::Index>(), flip in any::<u8>(),
        ) {
            let record = delivery.encode();
            let at = cut.index(record.len());
            let _ = Delivery::decode(record.slice(..at));
            let mut flipped = record.to_vec();
            flipped[at] ^= flip;
            let _ = Delivery::decode(Bytes::from(flipped));
        }

        #[test]
        fn arbitrary_bytes_never_panic(record in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Delivery::decode(Bytes::from(record));
        }
    }

    #[test]
    fn a_foreign_record_and_an_unknown_version_are_told_apart() {
        assert_eq!(Delivery::decode(Bytes::from_static(b"{}")), Err(DecodeError::Magic));
        assert_eq!(Delivery::decode(Bytes::from_static(b"HL\x09")), Err(DecodeError::Version(9)));
        assert_eq!(
            Delivery::decode(Bytes::from_static(b"HL\x01\0\0")),
            Err(DecodeError::Truncated)
        );
        let empty_header = Bytes::from_static(b"HL\x01\0\0\0\0");
        assert_eq!(Delivery::decode(empty_header), Err(DecodeError::Field("delivery_id")));
    }
}
