//! Stories of deliveries for tests: the records of both topics, each in its order. Shared by
//! the crate's own tests and `tests/projection.rs`.

#![allow(dead_code, unreachable_pub, reason = "each of the two users needs a part")]

use std::sync::Arc;

use bytes::Bytes;
use jiff::{Timestamp, ToSpan};
use kafka_loop::record::Record;
use pipeline::delivery::Delivery;
use pipeline::ids::{DeliveryId, MessageId, SubscriptionId};
use pipeline::outcome::{Call, Kind, Outcome, Reason, SCHEMA, State};
use proptest::prelude::*;
use uuid::{Builder, Uuid, Version};

pub const DELIVERIES: &str = "deliveries";
pub const OUTCOMES: &str = "outcomes";
/// When the stories are read.
pub const NOW: &str = "2026-11-22T12:00:00Z";
const IDS: u128 = 4;

#[derive(Debug, Clone)]
pub struct Story {
    pub deliveries: Vec<Record>,
    pub outcomes: Vec<Record>,
}

impl Story {
    pub fn delivery_ids(&self) -> impl Iterator<Item = DeliveryId> {
        (0..IDS).map(delivery_id)
    }

    /// Both topics in one order of reading: each pick says from which the next record is.
    pub fn interleaved(&self, picks: Vec<bool>) -> Vec<Record> {
        let (mut deliveries, mut outcomes) = (self.deliveries.iter(), self.outcomes.iter());
        let mut read: Vec<Record> = picks
            .into_iter()
            .filter_map(|pick| if pick { deliveries.next() } else { outcomes.next() })
            .cloned()
            .collect();
        read.extend(deliveries.chain(outcomes).cloned());
        read
    }
}

pub fn record(topic: &str, offset: i64, value: Vec<u8>) -> Record {
    Record {
        topic: Arc::from(topic),
        partition: 0,
        offset,
        appended_at_millis: 0,
        key: None,
        value: Some(Bytes::from(value)),
        headers: Vec::new(),
    }
}

/// Half of them are derived.
fn delivery_id(id: u128) -> DeliveryId {
    let version = if id.is_multiple_of(2) { Version::Sha1 } else { Version::SortRand };
    DeliveryId::from_uuid(Builder::from_u128(id).with_version(version).into_uuid())
}

/// When a repeat was accepted, after the first: the second time as one more of the same, the
/// third time as something new.
pub const REPEATED_AFTER_HOURS: [i64; 3] = [0, 10, 30];

/// The delivery, accepted once more.
pub fn repeated(delivery: &Delivery, time: usize) -> Delivery {
    let accepted_at = delivery.accepted_at + REPEATED_AFTER_HOURS[time].hours();
    Delivery { accepted_at, ..delivery.clone() }
}

/// Equal for every record of a delivery that is not a repeat, across a midnight for different
/// ones.
fn accepted_at(id: u128) -> Timestamp {
    let now: Timestamp = NOW.parse().unwrap();
    now - (id as i64 * 10).hours()
}

pub fn delivery(id: u128) -> Delivery {
    Delivery {
        id: delivery_id(id),
        subscription_id: SubscriptionId::from_uuid(Uuid::from_u128(id + 100)),
        subscription_version: 1,
        message_id: MessageId::from_uuid(Uuid::from_u128(id + 200)),
        event_type: id.is_multiple_of(2).then(|| "order.paid".to_owned()),
        content_type: "application/json".to_owned(),
        accepted_at: accepted_at(id),
        attempt: 1,
        release: 0,
        wait: None,
        replay_of: (id == 3).then(|| DeliveryId::from_uuid(Uuid::from_u128(77))),
        attributes: vec![("source".into(), "/shop".into()), ("id".into(), "1".into())],
        body: Bytes::from(format!("body of {id}")),
    }
}

/// A call that failed and will be repeated.
pub fn failed(delivery: &Delivery) -> Outcome {
    Outcome {
        schema: SCHEMA,
        delivery_id: delivery.id,
        subscription_id: delivery.subscription_id,
        message_id: delivery.message_id,
        event_type: delivery.event_type.clone(),
        accepted_at: delivery.accepted_at,
        attempt: delivery.attempt,
        release: delivery.release,
        kind: Kind::Attempt,
        state: State::Retrying,
        reason: None,
        occurred_at: delivery.accepted_at + 1.second(),
        next_attempt_at: Some(delivery.accepted_at + 2.seconds()),
        late: false,
        call: Some(Call {
            target_url: "http://127.0.0.1/hook".to_owned(),
            succeeded: false,
            http_status: Some(500),
            error_kind: Some("http_status".to_owned()),
            error: Some("the receiver answered 500".to_owned()),
            latency_micros: 1_500,
            response_excerpt: "oops".to_owned(),
            response_truncated: false,
        }),
    }
}

/// A call that was answered 200.
pub fn delivered(delivery: &Delivery) -> Outcome {
    let failed = failed(delivery);
    let call = failed.call.clone().map(|call| Call {
        succeeded: true,
        http_status: Some(200),
        error_kind: None,
        error: None,
        ..call
    });
    Outcome { state: State::Delivered, next_attempt_at: None, call, ..failed }
}

/// An end without a call.
pub fn ended(delivery: &Delivery, state: State, reason: Option<Reason>) -> Outcome {
    Outcome {
        kind: Kind::End,
        state,
        reason,
        next_attempt_at: None,
        call: None,
        ..failed(delivery)
    }
}

prop_compose! {
    fn any_delivery()(
        id in 0..IDS,
        time in 0..REPEATED_AFTER_HOURS.len(),
        release in 0_u32..3,
        body in any::<bool>(),
    ) -> Delivery {
        let first = told_at(id, time);
        // A release that differs from the first record changes nothing all the same.
        let body = if body { first.body.clone() } else { Bytes::from_static(b"other") };
        Delivery { release, body, ..first }
    }
}

/// Only what has a derived id can be told of again with another acceptance.
fn told_at(id: u128, time: usize) -> Delivery {
    let first = delivery(id);
    if first.id.is_derived() { repeated(&first, time) } else { first }
}

prop_compose! {
    fn any_outcome()(
        id in 0..IDS,
        time in 0..REPEATED_AFTER_HOURS.len(),
        attempt in 1_u32..4,
        release in 0_u32..3,
        // Few ends, so that some deliveries stay open.
        kind in 0..24,
        second in 0_i64..5,
        next in prop::option::of(0_i64..9),
    ) -> Outcome {
        let told = Delivery { attempt, release, ..told_at(id, time) };
        let outcome = match kind {
            0 => delivered(&told),
            1 => ended(&told, State::Cancelled, None),
            2 => ended(&told, State::DeadLettered, Some(Reason::Expired)),
            3 => Outcome {
                state: State::DeadLettered,
                reason: Some(Reason::Exhausted),
                ..failed(&told)
            },
            4..10 => Outcome { kind: Kind::Spill, ..ended(&told, State::Pending, None) },
            10..13 => Outcome { late: true, ..failed(&told) },
            _ => failed(&told),
        };
        let mut outcome = Outcome {
            occurred_at: outcome.accepted_at + second.seconds(),
            next_attempt_at: next.map(|next| outcome.accepted_at + next.seconds()),
            ..outcome
        };
        if let Some(call) = &mut outcome.call {
            // Tells equal times and numbers apart.
            call.error = Some(format!("{attempt} {release} {kind} {next:?}"));
        }
        outcome
    }
}

prop_compose! {
    /// Records of a few deliveries, some of which have only outcomes. Repeats come after what
    /// they repeat, in both topics.
    pub fn any_story()(
        mut deliveries in prop::collection::vec(any_delivery(), 0..12),
        mut outcomes in prop::collection::vec(any_outcome(), 0..40),
    ) -> Story {
        for id in 0..IDS {
            let Delivery { id, accepted_at, .. } = delivery(id);
            if let Some(first) = deliveries.iter_mut().find(|told| told.id == id) {
                first.accepted_at = accepted_at;
            }
            if let Some(first) = outcomes.iter_mut().find(|told| told.delivery_id == id) {
                first.accepted_at = accepted_at;
            }
        }
        let deliveries = deliveries.iter().map(|delivery| delivery.encode().to_vec());
        let outcomes = outcomes.iter().map(Outcome::encode);
        Story {
            deliveries: (0..).zip(deliveries).map(|(i, v)| record(DELIVERIES, i, v)).collect(),
            outcomes: (0..).zip(outcomes).map(|(i, v)| record(OUTCOMES, i, v)).collect(),
        }
    }
}
