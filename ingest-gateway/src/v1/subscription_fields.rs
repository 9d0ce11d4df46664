//! The rules for each field of a subscription, as `/v1` takes it. `docs/subscriptions.md` has
//! them as a table.
//!
//! A value that is missing, or was cleared with a null, is read as the field's default.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::ops::RangeInclusive;

use egress::EgressPolicy;
use pipeline::custom_headers;
use pipeline::payload_filter::PayloadFilter;
use pipeline::retry_on::RetryOn;
use pipeline::retry_policy::RetryPolicy;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::v1::values::{self, Read, wrong};

pub(crate) const MAX_CONCURRENCY: RangeInclusive<u32> = 1..=1_000;
/// Per second.
pub(crate) const RATE_LIMIT: RangeInclusive<u32> = 1..=100_000;
pub(crate) const TIMEOUT_SECONDS: RangeInclusive<u32> = 1..=60;

const MOST_EVENT_TYPES: usize = 100;
const EVENT_TYPE_CHARACTERS: RangeInclusive<usize> = 1..=255;
const DESCRIPTION_CHARACTERS: RangeInclusive<usize> = 0..=1_000;
const MOST_LABELS: usize = 20;
const LONGEST_LABEL: usize = 63;
const LABEL_CHARACTERS: RangeInclusive<usize> = 0..=255;
/// A longer URL is refused by the egress policy, in its own words.
const URL_CHARACTERS: RangeInclusive<usize> = 0..=usize::MAX;

/// Where deliveries go, normalised. It has no default.
pub(crate) fn target_url(value: Option<&Value>, policy: &EgressPolicy) -> Read<String> {
    const AT: &str = "/target_url";
    let Some(value) = value else { return wrong(AT, "It is required.") };
    let text = values::text(value, AT, URL_CHARACTERS)?;
    match policy.judge_url(&text) {
        Ok(target) => Ok(target.as_str().to_owned()),
        Err(rejection) => not_taken(AT, &rejection),
    }
}

pub(crate) fn description(value: Option<&Value>) -> Read<Option<String>> {
    value.map(|value| values::text(value, "/description", DESCRIPTION_CHARACTERS)).transpose()
}

/// Patterns as [`pipeline::filter::match_wildcard`] reads them.
pub(crate) fn event_types(value: Option<&Value>) -> Read<Vec<String>> {
    let Some(value) = value else { return Ok(Vec::new()) };
    values::list(value, "/event_types", 0..=MOST_EVENT_TYPES, "event types", event_type)
}

fn event_type(value: &Value, at: &str) -> Read<String> {
    let text = values::text(value, at, EVENT_TYPE_CHARACTERS)?;
    let before_star = text.strip_suffix('*').unwrap_or(&text);
    let star_in_place = text == "*" || before_star.len() == text.len() || {
        before_star.len() > 1 && before_star.ends_with('.')
    };
    if !star_in_place || before_star.contains('*') {
        return wrong(at, "A * stands alone, or at the end after a dot, as in order.*.");
    }
    Ok(text)
}

/// A JSONPath query, which is compiled here.
pub(crate) fn filter(value: Option<&Value>) -> Read<Option<PayloadFilter>> {
    value.map(|value| by_serde(value, "/filter")).transpose()
}

/// Names in lower case, as the record has them.
pub(crate) fn headers(value: Option<&Value>) -> Read<BTreeMap<String, String>> {
    const AT: &str = "/headers";
    let Some(value) = value else { return Ok(BTreeMap::new()) };
    let read =
        values::map(value, AT, custom_headers::MOST_HEADERS, "headers", |name, value, at| {
            let Value::String(value) = value else { return wrong(at, "It must be a text.") };
            match custom_headers::check(name, value) {
                Ok(()) => Ok((name.to_owned(), value.clone())),
                Err(refusal) => not_taken(at, &refusal),
            }
        })?;
    let mut headers = BTreeMap::new();
    for (name, value) in read {
        if headers.insert(name.to_ascii_lowercase(), value).is_some() {
            return wrong(&values::member(AT, &name), "It is given twice, in different case.");
        }
    }
    Ok(headers)
}

/// A limit; without one the installation's default holds.
pub(crate) fn limit(
    value: Option<&Value>,
    at: &str,
    range: RangeInclusive<u32>,
) -> Read<Option<u32>> {
    value.map(|value| values::number(value, at, range)).transpose()
}

pub(crate) fn retry(value: Option<&Value>) -> Read<Option<RetryPolicy>> {
    value.map(|value| by_serde(value, "/retry")).transpose()
}

pub(crate) fn retry_on(value: Option<&Value>) -> Read<Option<RetryOn>> {
    value.map(|value| by_serde(value, "/retry_on")).transpose()
}

pub(crate) fn labels(value: Option<&Value>) -> Read<BTreeMap<String, String>> {
    let Some(value) = value else { return Ok(BTreeMap::new()) };
    values::map(value, "/labels", MOST_LABELS, "labels", |key, value, at| {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-/".contains(&byte);
        if !(1..=LONGEST_LABEL).contains(&key.len()) || !key.bytes().all(fits) {
            let rule = format!("A label's key has 1 to {LONGEST_LABEL} letters, digits or _.-/.");
            return wrong(at, rule);
        }
        Ok((key.to_owned(), values::text(value, at, LABEL_CHARACTERS)?))
    })
}

/// A value whose form is its type's own.
pub(crate) fn by_serde<T: DeserializeOwned>(value: &Value, at: &str) -> Read<T> {
    T::deserialize(value).or_else(|error| not_taken(at, &error))
}

fn not_taken<T>(at: &str, why: &dyn Display) -> Read<T> {
    wrong(at, format!("It cannot be taken: {why}."))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn places<T: std::fmt::Debug>(read: Read<T>) -> Vec<String> {
        read.unwrap_err().into_iter().map(|error| error.pointer).collect()
    }

    #[test]
    fn a_star_stands_alone_or_ends_a_prefix() {
        let read = |types: Value| event_types(Some(&types));
        assert!(read(json!(["a.b", "*", "a.*", "a.b.*", ".a", "a b"])).is_ok());
        let bad = json!(["a*", "*.a", "a.*.b", "**", "a.**", ".*", "*.*", ""]);
        assert_eq!(places(read(bad)).len(), 8);
        assert!(read(json!(vec!["a"; 100])).is_ok());
        assert_eq!(places(read(json!(vec!["a"; 101]))), ["/event_types"]);
        assert!(read(json!(["\u{e9}".repeat(255)])).is_ok());
        assert_eq!(places(read(json!(["a", "\u{e9}".repeat(256)]))), ["/event_types/1"]);
    }

    #[test]
    fn headers_are_kept_in_lower_case_and_none_is_given_twice() {
        let read = |value: Value| headers(Some(&value));
        let kept = read(json!({"X-A": "1", "Authorization": "Bearer t"})).unwrap();
        assert_eq!(kept.into_keys().collect::<Vec<_>>(), ["authorization", "x-a"]);
        assert_eq!(places(read(json!({"x-a": "1", "X-A": "2"}))), ["/headers/x-a"]);
        assert_eq!(
            places(read(json!({"a/b": "1", "x": 7, "Host": "a", "y": "1"}))),
            ["/headers/Host", "/headers/a~1b", "/headers/x"]
        );
        let many = |count| (0..count).map(|i| (format!("x-{i}"), json!(""))).collect::<Value>();
        assert!(read(many(20)).is_ok());
        assert_eq!(places(read(many(21))), ["/headers"]);
    }

    #[test]
    fn a_labels_key_is_short_and_plain() {
        let read = |value: Value| labels(Some(&value));
        assert!(read(json!({"team/a.b-c_D": "", "e": "\u{e9}".repeat(255)})).is_ok());
        assert!(read(json!({"k".repeat(63): "v"})).is_ok());
        let long = "k".repeat(64);
        let bad = json!({"": "v", "a b": "v", "c": 1, "d": "\0", "e": "x".repeat(256), &long: "v"});
        assert_eq!(places(read(bad)).len(), 6);
        assert_eq!(places(read(json!(["a"]))), ["/labels"]);
    }

    #[test]
    fn a_retry_policy_is_refused_in_its_own_words() {
        let read = |value: Value| retry(Some(&value));
        assert!(read(json!({"schedule": [5, 60.5]})).is_ok());
        let said = read(json!({"linear": [1]})).unwrap_err()[0].detail.clone();
        assert!(said.contains("unknown variant `linear`"), "{said}");
        let said = retry_on(Some(&json!(["6xx"]))).unwrap_err()[0].detail.clone();
        assert!(said.contains("is no failure"), "{said}");
    }
}
