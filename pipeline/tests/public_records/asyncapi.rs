//! `docs/asyncapi.json` itself.

use std::fs;
use std::path::Path;
use std::time::Duration;

use pipeline::tier::Tiers;
use pipeline::topics::Topics;
use serde_json::Value;

use crate::{assert_valid, docs, json, validator};

fn document() -> Value {
    json(&docs().join("asyncapi.json"))
}

/// What a reference of the document refers to: in itself, or in a file beside it.
fn referred(document: &Value, reference: &str) -> Value {
    let (file, place) = reference.split_once('#').unwrap_or((reference, ""));
    let found =
        if file.is_empty() { document.clone() } else { json(&docs().join(Path::new(file))) };
    found.pointer(place).cloned().unwrap_or_else(|| panic!("{reference} refers to nothing"))
}

fn each_reference(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            found.extend(members.get("$ref").and_then(Value::as_str).map(str::to_owned));
            members.values().for_each(|value| each_reference(value, found));
        }
        Value::Array(values) => values.iter().for_each(|value| each_reference(value, found)),
        _ => {}
    }
}

/// A message's schema, of its payload or its headers.
fn schema_of(document: &Value, message: &Value, part: &str) -> Option<Value> {
    let schema = message.get(part)?;
    let Some(schema) = schema.get("schema") else { return Some(schema.clone()) };
    Some(referred(document, schema["$ref"].as_str().unwrap()))
}

#[test]
fn the_document_is_of_the_published_schema_of_asyncapi_3_0_0() {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    let schema = validator(&json(&own.join("tests/asyncapi/asyncapi-3.0.0.schema.json")));
    assert_valid(&schema, &document());
    let mut wrong = document();
    wrong["operations"]["takeEvent"]["action"] = "take".into();
    assert!(!schema.is_valid(&wrong));
}

#[test]
fn every_reference_refers_to_something_and_every_schema_is_referred_to() {
    let document = document();
    let mut references = Vec::new();
    each_reference(&document, &mut references);
    for reference in &references {
        referred(&document, reference);
    }
    for file in fs::read_dir(docs().join("schemas")).unwrap() {
        let name = format!("schemas/{}", file.unwrap().file_name().to_str().unwrap());
        assert!(references.contains(&name), "{name}");
        let schema = json(&docs().join(&name));
        assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema", "{name}");
        jsonschema::meta::validate(&schema).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

#[test]
fn the_topics_have_the_names_that_the_default_prefix_makes() {
    let defaults = fs::read_to_string(docs().join("../settings/defaults.env")).unwrap();
    let default = |name: &str| {
        let mut lines = defaults.lines().filter_map(|line| line.split_once('='));
        lines.find(|(known, _)| *known == name).unwrap().1.to_owned()
    };
    let tiers = Tiers::new([Duration::from_secs(1)]).unwrap();
    let topics = Topics::new(default("HOOKLOG_TOPIC_PREFIX"), tiers);
    let document = document();
    for (channel, name) in [
        ("events", topics.events()),
        ("outcomes", topics.outcomes()),
        ("deadLetters", topics.dead_letters()),
    ] {
        assert_eq!(document["channels"][channel]["address"], name);
    }
    let brokers = &document["servers"]["kafka"]["variables"]["brokers"]["default"];
    assert_eq!(*brokers, default("HOOKLOG_KAFKA_BROKERS"));
}

#[test]
fn the_examples_are_of_their_own_schemas() {
    let document = document();
    for (name, message) in document["components"]["messages"].as_object().unwrap() {
        let examples = message["examples"].as_array().unwrap();
        assert!(!examples.is_empty(), "{name}");
        for example in examples {
            for (part, value) in example.as_object().unwrap().iter().filter(|(k, _)| *k != "name") {
                let schema = schema_of(&document, message, part).unwrap();
                assert_valid(&validator(&schema), value);
            }
        }
    }
}
