//! The values of `outcomes`, and the headers of `dead-letters`.

use std::collections::BTreeSet;
use std::fmt;

use jiff::Timestamp;
use pipeline::dead_letter::DeadLetter;
use pipeline::ids::{DeliveryId, MessageId, SubscriptionId};
use pipeline::outcome::{Call, Kind, Outcome, Reason, SCHEMA, State};
use proptest::prelude::*;
use serde::Deserialize;
use serde::de::value::Error;
use serde::de::{self, Deserializer, Visitor};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{assert_valid, docs, json, published};

const OUTCOME: &str = "outcome.schema.json";
const DEAD_LETTER: &str = "dead-letter-headers.schema.json";

/// Asks an enum which words it reads, and gives it nothing to read.
struct Words<'a>(&'a mut BTreeSet<&'static str>);

impl<'de> Deserializer<'de> for Words<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
        Err(de::Error::custom("not an enum"))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Error> {
        self.0.extend(variants);
        Err(de::Error::custom("asked for its words only"))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option unit
        unit_struct newtype_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

fn words<T: for<'de> Deserialize<'de> + fmt::Debug>() -> BTreeSet<&'static str> {
    let mut words = BTreeSet::new();
    T::deserialize(Words(&mut words)).unwrap_err();
    assert!(!words.is_empty());
    words
}

/// One of an enum's values, whichever there are.
fn any_of<T: for<'de> Deserialize<'de> + fmt::Debug>() -> impl Strategy<Value = T> {
    let words = words::<T>().into_iter().collect::<Vec<_>>();
    prop::sample::select(words).prop_map(|word| serde_json::from_value(json!(word)).unwrap())
}

fn any_instant() -> impl Strategy<Value = Timestamp> {
    (0..=Timestamp::MAX.as_microsecond()).prop_map(|at| Timestamp::from_microsecond(at).unwrap())
}

prop_compose! {
    fn any_call()(
        (target_url, response_excerpt) in any::<(String, String)>(),
        (succeeded, response_truncated) in any::<(bool, bool)>(),
        http_status in prop::option::of(100_u16..=999),
        // The words of `error_kind` are the delivery consumer's; its tests hold them.
        error_kind in prop::option::of(Just("http_status".to_owned())),
        error in any::<Option<String>>(),
        latency_micros in any::<u64>(),
    ) -> Call {
        Call {
            target_url,
            succeeded,
            http_status,
            error_kind,
            error,
            latency_micros,
            response_excerpt,
            response_truncated,
        }
    }
}

prop_compose! {
    fn any_outcome()(
        ids in any::<[u128; 3]>(),
        event_type in any::<Option<String>>(),
        (accepted_at, occurred_at) in (any_instant(), any_instant()),
        (attempt, release) in (1_u32.., any::<u32>()),
        (kind, state) in (any_of::<Kind>(), any_of::<State>()),
        reason in prop::option::of(any_of::<Reason>()),
        next_attempt_at in prop::option::of(any_instant()),
        late in any::<bool>(),
        call in prop::option::of(any_call()),
    ) -> Outcome {
        let [delivery, subscription, message] = ids.map(Uuid::from_u128);
        Outcome {
            schema: SCHEMA,
            delivery_id: DeliveryId::from_uuid(delivery),
            subscription_id: SubscriptionId::from_uuid(subscription),
            message_id: MessageId::from_uuid(message),
            event_type,
            accepted_at,
            attempt,
            release,
            kind,
            state,
            reason,
            occurred_at,
            next_attempt_at,
            late,
            call,
        }
    }
}

fn written(outcome: &Outcome) -> Value {
    serde_json::from_slice(&outcome.encode()).unwrap()
}

/// The outcome of `tests/fixtures`, in which every field stands.
fn fixture() -> Value {
    json(&docs().join("../pipeline/tests/fixtures/outcome-v1.json"))
}

#[test]
fn every_outcome_that_is_written_is_of_the_published_schema() {
    let schema = published(OUTCOME);
    assert_valid(&schema, &fixture());
    proptest!(|(outcome in any_outcome())| assert_valid(&schema, &written(&outcome)));
}

#[test]
fn a_field_of_a_later_version_is_of_the_schema_too() {
    let mut later = fixture();
    later["new"] = json!([1]);
    later["call"]["new"] = json!({});
    assert_valid(&published(OUTCOME), &later);
}

#[test]
fn an_outcome_with_a_missing_or_mistyped_field_is_not_of_the_schema() {
    let schema = published(OUTCOME);
    let optional = ["event_type", "reason", "next_attempt_at", "call"];
    let optional_in_call = ["http_status", "error_kind", "error", "response_excerpt"];
    for (place, optional) in [("", &optional), ("/call", &optional_in_call)] {
        let whole = fixture();
        for name in whole.pointer(place).unwrap().as_object().unwrap().keys() {
            let with = |change: &dyn Fn(&mut serde_json::Map<String, Value>)| {
                let mut changed = whole.clone();
                change(changed.pointer_mut(place).unwrap().as_object_mut().unwrap());
                schema.is_valid(&changed)
            };
            let left_out = with(&|fields| drop(fields.remove(name)));
            assert_eq!(left_out, optional.contains(&name.as_str()), "{name} left out");
            for wrong in [json!([]), json!(-1), json!(null)] {
                let taken = with(&|fields| drop(fields.insert(name.clone(), wrong.clone())));
                assert!(!taken, "{name} is {wrong}");
            }
        }
    }
    for (place, wrong) in [
        ("/schema", json!(2)),
        ("/delivery_id", json!("1")),
        ("/accepted_at", json!("yesterday")),
        ("/attempt", json!(0)),
        ("/kind", json!("retry")),
        ("/call/http_status", json!(1000)),
    ] {
        let mut changed = fixture();
        *changed.pointer_mut(place).unwrap() = wrong;
        assert!(!schema.is_valid(&changed), "{place}");
    }
}

#[test]
fn the_schemas_know_the_words_of_the_code_and_no_others() {
    let listed = |file: &str, name: &str| -> BTreeSet<String> {
        let schema = json(&docs().join("schemas").join(file));
        serde_json::from_value(schema["properties"][name]["enum"].clone()).unwrap()
    };
    let own = |words: BTreeSet<&str>| words.into_iter().map(str::to_owned).collect::<BTreeSet<_>>();
    assert_eq!(listed(OUTCOME, "kind"), own(words::<Kind>()));
    assert_eq!(listed(OUTCOME, "state"), own(words::<State>()));
    assert_eq!(listed(OUTCOME, "reason"), own(words::<Reason>()));
    // These put nothing among the dead letters.
    let mut given_up = own(words::<Reason>());
    given_up.remove(Reason::SubscriptionDeleted.as_str());
    given_up.remove(Reason::CancelRequested.as_str());
    given_up.remove(Reason::ConfigurationBehind.as_str());
    given_up.remove(Reason::Paused.as_str());
    given_up.remove(Reason::Limited.as_str());
    given_up.remove(Reason::Overloaded.as_str());
    given_up.remove(Reason::BreakerOpen.as_str());
    assert_eq!(listed(DEAD_LETTER, "hooklog-reason"), given_up);
}

#[test]
fn a_dead_letters_headers_are_of_the_published_schema() {
    let schema = published(DEAD_LETTER);
    let headers = |reason| {
        let (detail, topic) = ("not a delivery".to_owned(), "hooklog.retries.10s".to_owned());
        let letter = DeadLetter { reason, detail, topic, partition: 3, offset: 42 };
        Value::from_iter(letter.headers())
    };
    for reason in [Reason::Exhausted, Reason::Permanent, Reason::Expired, Reason::Poison] {
        assert_valid(&schema, &headers(reason));
    }
    for name in headers(Reason::Poison).as_object().unwrap().keys() {
        let mut without = headers(Reason::Poison);
        without.as_object_mut().unwrap().remove(name);
        assert!(!schema.is_valid(&without), "{name}");
    }
    assert!(!schema.is_valid(&headers(Reason::ConfigurationBehind)));
}
