//! From one event to a delivery for each subscription that it is for.
//!
//! The ids are derived and not drawn: whoever fans the same event out again, after a crash or
//! because its producer sent it twice, makes the same deliveries, and the repeat is recognised.

use bytes::Bytes;
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::cloud_event::{CloudEvent, SUBSCRIPTION_EXTENSION};
use crate::delivery::Delivery;
use crate::filter::{Match, match_wildcard};
use crate::ids::{DeliveryId, MessageId, SubscriptionId};
use crate::payload_filter::Payload;
use crate::subscription::Subscription;

/// The namespace of derived delivery ids (RFC 9562, section 5.5); drawn once.
const NAMESPACE: Uuid = Uuid::from_u128(0x6f2f_5d7a_3b0e_4c51_9d3a_7a5e_1c84_20b6);

const DEFAULT_CONTENT_TYPE: &str = "application/json";

/// Whom an event addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Address {
    /// Every subscription whose filter lets it through.
    All,
    /// One subscription, if its filter lets it through.
    One(SubscriptionId),
    /// The extension is there and is no subscription's id.
    Unreadable,
}

/// Whom the event addresses.
pub fn address(event: &CloudEvent) -> Address {
    match event.attribute(SUBSCRIPTION_EXTENSION) {
        None => Address::All,
        Some(id) => id.parse().map_or(Address::Unreadable, Address::One),
    }
}

/// What a subscription's filter says about an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Wanted,
    /// It names types, and this is none of them.
    OtherType,
    /// Its payload filter does not let the event through.
    OtherPayload,
}

/// Judges an event by a subscription's types, with wildcards, and by its payload filter.
/// `payload` is the event's data.
pub fn judge(event: &CloudEvent, payload: &Payload<'_>, subscription: &Subscription) -> Verdict {
    let filter = subscription.options.filter.as_ref();
    if match_wildcard(subscription.event_types(), Some(&event.event_type)) != Match::Yes {
        Verdict::OtherType
    } else if filter.is_some_and(|filter| !filter.lets_through(payload)) {
        Verdict::OtherPayload
    } else {
        Verdict::Wanted
    }
}

/// Whether the event is for the subscription.
pub fn is_for(event: &CloudEvent, payload: &Payload<'_>, subscription: &Subscription) -> bool {
    !subscription.deleted && judge(event, payload, subscription) == Verdict::Wanted
}

/// What makes an event the same event: a hash over its source, id, type and data, each with its
/// length, so that no two different events share one. Made once, however many deliveries follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventDigest([u8; 32]);

impl EventDigest {
    /// Hashes the event.
    pub fn of(event: &CloudEvent) -> Self {
        let parts: [&[u8]; 4] = [
            event.source.as_bytes(),
            event.id.as_bytes(),
            event.event_type.as_bytes(),
            &event.data,
        ];
        let mut hash = Sha256::new();
        for part in parts {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        Self(hash.finalize().into())
    }

    /// The id of the event's delivery to a subscription.
    pub fn delivery_id(&self, subscription: SubscriptionId) -> DeliveryId {
        let mut name = [0; 48];
        name[..16].copy_from_slice(subscription.uuid().as_bytes());
        name[16..].copy_from_slice(&self.0);
        DeliveryId::from_uuid(Uuid::new_v5(&NAMESPACE, &name))
    }
}

/// The id of an event that its producer named by a key and not by an id: equal for a repeat, and
/// another one for anything else under the same key.
pub fn event_id(source: &str, key: &str, event_type: &str, data: &[u8]) -> Uuid {
    let digest = EventDigest::of(&CloudEvent {
        source: source.to_owned(),
        id: key.to_owned(),
        event_type: event_type.to_owned(),
        content_type: None,
        attributes: Vec::new(),
        data: Bytes::copy_from_slice(data),
    });
    Uuid::new_v5(&NAMESPACE, &digest.0)
}

/// The delivery of `event` to `subscription`. `accepted_at` is when the broker had the event,
/// so that a repeated fan-out of the same record makes an equal delivery.
pub fn delivery(
    event: &CloudEvent,
    digest: EventDigest,
    subscription: &Subscription,
    accepted_at: Timestamp,
) -> Delivery {
    let id = digest.delivery_id(subscription.id);
    Delivery {
        id,
        subscription_id: subscription.id,
        subscription_version: subscription.version,
        message_id: MessageId::from_uuid(id.uuid()),
        event_type: Some(event.event_type.clone()),
        content_type: event.content_type.clone().unwrap_or_else(|| DEFAULT_CONTENT_TYPE.to_owned()),
        accepted_at,
        attempt: 1,
        release: 0,
        wait: None,
        replay_of: None,
        attributes: attributes(event),
        body: event.data.clone(),
    }
}

/// What goes out as `ce-` headers: everything but what only addressed the event.
fn attributes(event: &CloudEvent) -> Vec<(String, String)> {
    let own = [("id", &event.id), ("source", &event.source), ("type", &event.event_type)];
    let own = own.into_iter().map(|(name, value)| (name.to_owned(), value.clone()));
    let kept = event.attributes.iter().filter(|(name, _)| name != SUBSCRIPTION_EXTENSION);
    own.chain(kept.cloned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payload_filter::PayloadFilter;
    use crate::subscription::Options;

    fn event() -> CloudEvent {
        CloudEvent {
            source: "/shop".into(),
            id: "1".into(),
            event_type: "order.created".into(),
            content_type: None,
            attributes: vec![("subject".into(), "o-1".into())],
            data: Bytes::from_static(b"{}"),
        }
    }

    fn subscription(number: u128, types: &[&str]) -> Subscription {
        let id = SubscriptionId::from_uuid(Uuid::from_u128(number));
        Subscription {
            version: 4,
            event_types: Some(types.iter().map(|text| (*text).to_owned()).collect()),
            ..Subscription::new(id, "https://example.com/", Timestamp::UNIX_EPOCH)
        }
    }

    fn id(event: &CloudEvent, subscription: u128) -> DeliveryId {
        let to = self::subscription(subscription, &[]);
        delivery(event, EventDigest::of(event), &to, Timestamp::UNIX_EPOCH).id
    }

    #[test]
    fn the_same_event_makes_the_same_delivery_and_any_difference_another() {
        assert_eq!(id(&event(), 1), id(&event(), 1));
        assert_ne!(id(&event(), 1), id(&event(), 2));
        let changed = [
            CloudEvent { source: "/shop2".into(), ..event() },
            CloudEvent { id: "2".into(), ..event() },
            CloudEvent { event_type: "order.paid".into(), ..event() },
            CloudEvent { data: Bytes::from_static(b"{ }"), ..event() },
            // The same characters in other places.
            CloudEvent { source: "/sho".into(), id: "p1".into(), ..event() },
        ];
        for other in changed {
            assert_ne!(id(&event(), 1), id(&other, 1), "{other:?}");
        }
    }

    #[test]
    fn a_key_names_one_event_for_one_source_type_and_body() {
        let id = |source, key, event_type, data| event_id(source, key, event_type, data);
        let known = id("s", "k", "t", &b"{}"[..]);
        assert_eq!(known, id("s", "k", "t", b"{}"));
        for other in [id("S", "k", "t", b"{}"), id("s", "K", "t", b"{}"), id("s", "k", "t", b"{ }")]
        {
            assert_ne!(known, other);
        }
        assert_ne!(known, id("s", "k", "T", b"{}"));
    }

    #[test]
    fn a_deleted_subscription_another_type_and_another_payload_get_nothing() {
        let event = CloudEvent { data: Bytes::from_static(br#"{"n":1}"#), ..event() };
        let is_for = |to: &Subscription| is_for(&event, &Payload::new(&event.data), to);
        assert!(is_for(&subscription(1, &[])));
        assert!(is_for(&subscription(1, &["order.*"])));
        assert!(!is_for(&subscription(1, &["user.*"])));
        assert!(!is_for(&Subscription { deleted: true, ..subscription(1, &[]) }));
        let filtered = |query: &str| {
            let filter = Some(PayloadFilter::new(query).unwrap());
            let options = Options { filter, ..Options::default() };
            Subscription { options, ..subscription(1, &[]) }
        };
        assert!(is_for(&filtered("$[?@.n == 1]")));
        assert!(!is_for(&filtered("$[?@.n == 2]")));
    }

    #[test]
    fn an_event_addresses_all_or_one_and_its_address_does_not_go_out() {
        assert_eq!(address(&event()), Address::All);
        let one = subscription(7, &[]);
        let addressed = |value: String| CloudEvent {
            attributes: vec![(SUBSCRIPTION_EXTENSION.into(), value)],
            ..event()
        };
        let event = addressed(one.id.to_string());
        assert_eq!(address(&event), Address::One(one.id));
        assert_eq!(address(&addressed("junk".into())), Address::Unreadable);
        let digest = EventDigest::of(&event);
        let out = delivery(&event, digest, &one, Timestamp::UNIX_EPOCH).attributes;
        let names: Vec<&str> = out.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["id", "source", "type"]);
    }
}
