//! Records of version 1 as files: whatever changes, they keep decoding to the same values, and
//! what is written today is still what was written then.
//!
//! A file that is missing is written by this test once; a file that is there is never changed.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use pipeline::dead_letter::DeadLetter;
use pipeline::delivery::{Delivery, Wait};
use pipeline::ids::{DeliveryId, MessageId, SubscriptionId};
use pipeline::outcome::{self, Call, Kind, Outcome, Reason, State};
use pipeline::payload_filter::PayloadFilter;
use pipeline::retry_on::RetryOn;
use pipeline::retry_policy::RetryPolicy;
use pipeline::subscription::{
    Options, PauseReason, SecretText, Signing, SigningKey, SigningScheme, Subscription,
    Verification,
};
use signature::Preset;
use uuid::Uuid;

fn fixture(name: &str, written_now: &[u8]) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name);
    if !path.exists() {
        fs::write(&path, written_now).expect("write the new fixture");
    }
    fs::read(&path).expect("read the fixture")
}

fn instant(micros: i64) -> Timestamp {
    Timestamp::from_microsecond(micros).unwrap()
}

fn delivery() -> Delivery {
    Delivery {
        id: DeliveryId::from_uuid(Uuid::from_u128(0x0193_5b5e_7f6a_7c61_8d2e_0a1b_2c3d_4e5f)),
        subscription_id: SubscriptionId::from_uuid(Uuid::from_u128(0x11)),
        subscription_version: 3,
        message_id: MessageId::from_uuid(Uuid::from_u128(0x22)),
        event_type: Some("order.created".into()),
        content_type: "application/json".into(),
        accepted_at: instant(1_795_000_000_123_456),
        attempt: 2,
        release: 1,
        wait: Some(Wait {
            due_at: instant(1_795_000_010_123_456),
            delay: Duration::from_millis(10_250),
            doubles: false,
        }),
        replay_of: Some(DeliveryId::from_uuid(Uuid::from_u128(0x33))),
        attributes: Vec::new(),
        body: Bytes::from_static(b"{\"payload\": {\"n\": 1}}\0\xff"),
    }
}

fn outcome() -> Outcome {
    Outcome {
        schema: outcome::SCHEMA,
        delivery_id: delivery().id,
        subscription_id: delivery().subscription_id,
        message_id: delivery().message_id,
        event_type: Some("order.created".into()),
        accepted_at: delivery().accepted_at,
        attempt: 1,
        release: 0,
        kind: Kind::Attempt,
        state: State::DeadLettered,
        reason: Some(Reason::Exhausted),
        occurred_at: instant(1_795_000_000_500_000),
        next_attempt_at: Some(instant(1_795_000_010_123_456)),
        late: false,
        call: Some(Call {
            target_url: "https://example.com/hook".into(),
            succeeded: false,
            http_status: Some(500),
            error_kind: Some("http_status".into()),
            error: Some("the receiver answered 500".into()),
            latency_micros: 1_234,
            response_excerpt: "no".into(),
            response_truncated: true,
        }),
    }
}

fn subscription() -> Subscription {
    let created_at = instant(1_795_000_000_000_000);
    Subscription {
        version: 3,
        secret: Some(SecretText::Plain("s".into())),
        event_types: Some(vec!["order.created".into()]),
        updated_at: instant(1_795_000_000_000_001),
        ..Subscription::new(delivery().subscription_id, "https://example.com/hook", created_at)
    }
}

/// One that sets everything.
fn own_subscription() -> Subscription {
    let key =
        |text: &str, expires_at| SigningKey { key: SecretText::Plain(text.into()), expires_at };
    Subscription {
        secret: None,
        options: Options {
            filter: Some(PayloadFilter::new("$[?@.n > 1]").unwrap()),
            headers: [("x-tenant".into(), "7".into())].into(),
            max_concurrency: Some(4),
            rate_limit: Some(50),
            timeout_seconds: Some(5),
            retry: Some(RetryPolicy::Schedule { delays: vec![Duration::from_secs(5)] }),
            retry_on: Some(RetryOn::new(vec!["network".parse().unwrap(), "5xx".parse().unwrap()])),
        },
        verification: Some(Verification {
            preset: Preset::GitHub {},
            secrets: vec![SecretText::Plain("in".into())],
        }),
        signing: Some(Signing {
            schemes: vec![SigningScheme::Standard, SigningScheme::Hub, SigningScheme::Ed25519],
            secrets: vec![
                key("whsec_bmV3", None),
                key("whsec_b2xk", Some(instant(1_795_000_086_400_000))),
            ],
            key_pairs: vec![key("whsk_a2V5", None)],
        }),
        paused: Some(PauseReason::Operator),
        ..subscription()
    }
}

#[test]
fn a_delivery_of_version_1_keeps_its_bytes_and_its_meaning() {
    let bytes = fixture("delivery-v1.bin", &delivery().encode());
    assert_eq!(Delivery::decode(Bytes::from(bytes.clone())).unwrap(), delivery());
    assert_eq!(delivery().encode(), bytes);
}

#[test]
fn a_delivery_with_attributes_keeps_its_bytes_and_its_meaning() {
    let attributes = [("id", "1"), ("source", "/shop"), ("type", "order.created")];
    let attributes = attributes.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let delivery = Delivery { attributes: attributes.to_vec(), ..delivery() };
    let bytes = fixture("delivery-v1-attributes.bin", &delivery.encode());
    assert_eq!(Delivery::decode(Bytes::from(bytes.clone())).unwrap(), delivery);
    assert_eq!(delivery.encode(), bytes);
}

#[test]
fn an_outcome_of_schema_1_keeps_its_text_and_its_meaning() {
    let bytes = fixture("outcome-v1.json", &outcome().encode());
    assert_eq!(Outcome::decode(&bytes).unwrap(), outcome());
    assert_eq!(outcome().encode(), bytes);
}

#[test]
fn a_subscription_of_schema_1_keeps_its_text_and_its_meaning() {
    let bytes = fixture("subscription-v1.json", &subscription().encode());
    assert_eq!(Subscription::decode(&bytes).unwrap(), subscription());
    assert_eq!(subscription().encode(), bytes);
}

#[test]
fn a_subscription_that_sets_everything_keeps_its_text_and_its_meaning() {
    let bytes = fixture("subscription-v1-own.json", &own_subscription().encode());
    assert_eq!(Subscription::decode(&bytes).unwrap(), own_subscription());
    assert_eq!(own_subscription().encode(), bytes);
}

#[test]
fn fields_of_a_later_version_are_skipped() {
    let later = String::from_utf8(outcome().encode()).unwrap().replacen('{', "{\"new\":[1],", 1);
    assert_eq!(Outcome::decode(later.as_bytes()).unwrap(), outcome());
    let later =
        String::from_utf8(subscription().encode()).unwrap().replacen('{', "{\"new\":{},", 1);
    assert_eq!(Subscription::decode(later.as_bytes()).unwrap(), subscription());

    // Field 100, a varint: two tag bytes and a value, put before the header's first field.
    let record = delivery().encode();
    let header_bytes = u32::from_be_bytes(record[3..7].try_into().unwrap()) + 3;
    let mut later = record[..3].to_vec();
    later.extend_from_slice(&header_bytes.to_be_bytes());
    later.extend_from_slice(&[0xa0, 0x06, 0x2a]);
    later.extend_from_slice(&record[7..]);
    assert_eq!(Delivery::decode(Bytes::from(later)).unwrap(), delivery());
}

#[test]
fn a_dead_letter_says_why_and_where_in_its_headers() {
    let letter = DeadLetter {
        reason: Reason::Poison,
        detail: "the record is not a hooklog delivery".into(),
        topic: "hooklog.deliveries".into(),
        partition: 3,
        offset: 42,
    };
    insta::assert_json_snapshot!(letter.headers());
}
