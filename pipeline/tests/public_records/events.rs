//! The records of `events`: whatever keeps to the published schemas, the front door reads.

use std::cell::Cell;
use std::collections::BTreeMap;

use bytes::Bytes;
use pipeline::cloud_event::CloudEvent;
use pipeline::fan_out::{self, Address};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::{assert_valid, published};

const STRUCTURED: &str = "event.schema.json";
const BINARY: &str = "event-headers.schema.json";

/// An event's smallest document.
fn smallest() -> Map<String, Value> {
    let document = json!({ "specversion": "1.0", "id": "1", "source": "/s", "type": "t" });
    document.as_object().unwrap().clone()
}

/// Whether the front door reads a document, and whom it is for.
fn is_read(document: &Value) -> bool {
    CloudEvent::from_structured(document.to_string().as_bytes())
        .is_ok_and(|event| fan_out::address(&event) != Address::Unreadable)
}

/// The same for a record in binary mode.
fn is_read_from_headers(headers: &BTreeMap<String, String>) -> bool {
    let headers: Vec<(String, Bytes)> =
        headers.iter().map(|(name, value)| (name.clone(), value.clone().into())).collect();
    CloudEvent::from_kafka(&headers, Some(Bytes::from_static(b"\xff")))
        .is_ok_and(|event| fan_out::address(&event) != Address::Unreadable)
}

fn any_member() -> impl Strategy<Value = (String, Value)> {
    let names = "specversion|id|source|type|subject|time|datacontenttype|subscription|data";
    let name = prop_oneof![
        names.prop_map(String::from),
        "data_base64|[a-z0-9]{1,8}|[A-Za-z_-]{0,4}".prop_map(String::from),
    ];
    let value = prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "1\\.0|AP8=|application/json|text/plain".prop_map(Value::from),
        "[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-a[0-9a-f]{3}-[0-9a-f]{12}".prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        Just(json!({ "n": [1] })),
    ];
    (name, value)
}

#[test]
fn a_document_of_the_schema_is_read() {
    let schema = published(STRUCTURED);
    let taken = Cell::new(0);
    proptest!(|(changes in prop::collection::vec(any_member(), 0..4))| {
        let mut document = smallest();
        document.extend(changes);
        let document = Value::Object(document);
        // That base64 is base64 the schema only notes, as the specification of JSON Schema says.
        let base64 = document["data_base64"].as_str().is_none_or(|text| text == "AP8=");
        if base64 && schema.is_valid(&document) {
            prop_assert!(is_read(&document), "{document}");
            taken.set(taken.get() + 1);
        }
    });
    let taken = taken.get();
    assert!(taken > 20, "only {taken} of the drawn documents were of the schema");
}

#[test]
fn a_document_that_is_not_read_is_not_of_the_schema() {
    let schema = published(STRUCTURED);
    assert_valid(&schema, &Value::Object(smallest()));
    for name in smallest().keys() {
        for wrong in [None, Some(json!("")), Some(json!(null)), Some(json!([]))] {
            let mut document = smallest();
            document.remove(name);
            document.extend(wrong.map(|wrong| (name.clone(), wrong)));
            let document = Value::Object(document);
            assert!(!is_read(&document) && !schema.is_valid(&document), "{document}");
        }
    }
    for wrong in [
        json!({ "specversion": "0.3" }),
        json!({ "subscription": "all" }),
        json!({ "Subject": "s" }),
        json!({ "subject": {} }),
        json!({ "datacontenttype": 1 }),
        json!({ "data": 1, "data_base64": "AP8=" }),
    ] {
        let mut document = smallest();
        document.extend(wrong.as_object().unwrap().clone());
        let document = Value::Object(document);
        assert!(!is_read(&document) && !schema.is_valid(&document), "{document}");
    }
}

#[test]
fn headers_of_the_schema_are_read_and_what_is_not_read_is_not_of_it() {
    let schema = published(BINARY);
    let smallest: BTreeMap<String, String> = smallest()
        .iter()
        .map(|(name, value)| (format!("ce_{name}"), value.as_str().unwrap().to_owned()))
        .collect();
    let id = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff";
    for (name, value) in
        [("ce_x1", ""), ("ce_subscription", id), ("content-type", "a/b"), ("Trace-Id", "\u{20ac}")]
    {
        let mut headers = smallest.clone();
        headers.insert(name.into(), value.into());
        assert_valid(&schema, &json!(headers));
        assert!(is_read_from_headers(&headers), "{headers:?}");
    }
    for name in smallest.keys() {
        let mut headers = smallest.clone();
        headers.remove(name);
        assert!(!is_read_from_headers(&headers) && !schema.is_valid(&json!(headers)), "{name}");
    }
    for (name, value) in [
        ("ce_id", ""),
        ("ce_specversion", "0.3"),
        ("ce_subscription", "all"),
        ("ce_dataSchema", "a"),
    ] {
        let mut headers = smallest.clone();
        headers.insert(name.into(), value.into());
        assert!(!is_read_from_headers(&headers) && !schema.is_valid(&json!(headers)), "{name}");
    }
}
