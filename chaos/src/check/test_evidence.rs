//! Small runs in which everything is as it must be; a test changes one thing.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use pipeline::delivery::{Delivery, Wait};
use pipeline::ids::{DeliveryId, MessageId, SubscriptionId};
use pipeline::outcome::{self, Kind, Outcome, Reason, State};
use signature::{Secret, sign_standard};
use uuid::Uuid;

use crate::cast;
use crate::evidence::{
    Answered, Call, Commit, DeadLetter, Digests, Evidence, Marker, Place, Placed, Row, Sent,
    Subscribed, Told,
};

const SECRET: &str = "secret";
const BODY: &[u8] = br#"{"marker":1}"#;
const DELAY: Duration = Duration::from_secs(1);
const START: i64 = 1_795_000_000;

pub fn id(n: u128) -> DeliveryId {
    DeliveryId::from_uuid(Uuid::from_u128(n))
}

fn subscription_id() -> SubscriptionId {
    SubscriptionId::from_uuid(Uuid::from_u128(1_000))
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(START + seconds).unwrap()
}

fn delivery(release: u32) -> Delivery {
    Delivery {
        id: id(1),
        subscription_id: subscription_id(),
        subscription_version: 1,
        message_id: MessageId::from_uuid(id(1).uuid()),
        event_type: None,
        content_type: String::new(),
        accepted_at: at(0),
        attempt: release + 1,
        release,
        wait: (release > 0).then(|| Wait { due_at: at(1), delay: DELAY, doubles: false }),
        replay_of: None,
        attributes: Vec::new(),
        body: Bytes::from_static(BODY),
    }
}

fn placed<T>(offset: i64, after_millis: i64, value: T) -> Placed<T> {
    let appended_at_millis = START * 1_000 + after_millis;
    Placed { place: Place { partition: 0, offset }, appended_at_millis, value }
}

fn outcome(release: u32, state: State, status: u16) -> Outcome {
    let delivery = delivery(release);
    let occurred_at = at(i64::from(release) * 2);
    Outcome {
        late: false,
        schema: outcome::SCHEMA,
        delivery_id: delivery.id,
        subscription_id: delivery.subscription_id,
        message_id: delivery.message_id,
        event_type: None,
        accepted_at: delivery.accepted_at,
        attempt: delivery.attempt,
        release,
        kind: Kind::Attempt,
        state,
        reason: (state == State::DeadLettered).then_some(Reason::Exhausted),
        occurred_at,
        next_attempt_at: (state == State::Retrying)
            .then(|| occurred_at + SignedDuration::try_from(DELAY).unwrap()),
        call: Some(outcome::Call {
            target_url: String::new(),
            succeeded: status == 200,
            http_status: Some(status),
            error_kind: None,
            error: None,
            latency_micros: 1_000,
            response_excerpt: String::new(),
            response_truncated: false,
        }),
    }
}

fn call(second: i64, status: u16) -> Call {
    let secret = Secret::from_text(SECRET).unwrap();
    let message_id = id(1).to_string();
    Call {
        subscription: subscription_id(),
        timestamp: at(second).as_second().to_string(),
        signature: sign_standard(&[secret], &message_id, at(second).as_second(), BODY),
        message_id,
        body: Bytes::from_static(BODY),
        received_at: at(second),
        answered: Answered::Status(status),
    }
}

/// One event, accepted and delivered at the first attempt.
pub fn good() -> Evidence {
    let mut member = cast::cast(1).remove(0);
    member.delays = vec![DELAY];
    let topic = "deliveries".to_owned();
    Evidence {
        subscriptions: vec![Subscribed {
            id: subscription_id(),
            member,
            secrets: vec![SECRET.to_owned()],
            deleted: false,
        }],
        sent: vec![Sent {
            marker: Marker(1),
            body: Bytes::from_static(BODY),
            way: "test",
            told: Told::Accepted(vec![(id(1), subscription_id())]),
            tries: 1,
            derived: false,
            must: BTreeSet::from([subscription_id()]),
            may: BTreeSet::new(),
        }],
        calls: vec![call(0, 200)],
        deliveries: vec![placed(0, 0, delivery(0))],
        outcomes: vec![placed(0, 100, outcome(0, State::Delivered, 200))],
        commits: vec![commit(1, 200)],
        ends: [((topic.clone(), 0), 1)].into(),
        readers: [(topic.clone(), "group".to_owned())].into(),
        deliveries_topic: topic,
        rows: vec![Row { id: id(1), state: "delivered".to_owned(), attempts: 1, calls: 1 }],
        tables: Some((Digests::new(), Digests::new())),
        ..Evidence::default()
    }
}

fn commit(offset: i64, after_millis: i64) -> Commit {
    Commit {
        group: "group".to_owned(),
        topic: "deliveries".to_owned(),
        partition: 0,
        offset,
        finished: Vec::new(),
        committed_at_millis: START * 1_000 + after_millis,
    }
}

/// The same event, given up after two attempts.
pub fn exhausted() -> Evidence {
    let good = good();
    Evidence {
        calls: vec![call(0, 500), call(2, 500)],
        deliveries: vec![placed(0, 0, delivery(0)), placed(1, 1_100, delivery(1))],
        waiting: vec![placed(0, 110, delivery(1))],
        outcomes: vec![
            placed(0, 100, outcome(0, State::Retrying, 500)),
            placed(1, 2_000, outcome(1, State::DeadLettered, 500)),
        ],
        dead_letters: vec![DeadLetter {
            delivery: Some(id(1)),
            reason: "exhausted".to_owned(),
            value: Bytes::new(),
        }],
        commits: vec![commit(1, 200), commit(2, 2_100)],
        ends: [((good.deliveries_topic.clone(), 0), 2)].into(),
        rows: vec![Row { id: id(1), state: "dead_lettered".to_owned(), attempts: 2, calls: 2 }],
        ..good
    }
}
