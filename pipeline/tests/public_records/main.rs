//! `docs/asyncapi.json` and `docs/schemas/` say what stands in the public topics. Here they are
//! held against what the code writes and reads.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod asyncapi;
mod events;
mod outcomes;

use std::fs;
use std::path::{Path, PathBuf};

use jsonschema::Validator;
use serde_json::Value;

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs")
}

fn json(path: &Path) -> Value {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path:?}: {error}"))
}

fn validator(schema: &Value) -> Validator {
    jsonschema::options().should_validate_formats(true).build(schema).unwrap()
}

/// A schema of `docs/schemas`.
fn published(name: &str) -> Validator {
    validator(&json(&docs().join("schemas").join(name)))
}

/// Panics with everything that is wrong.
fn assert_valid(validator: &Validator, value: &Value) {
    let said: Vec<String> = validator
        .iter_errors(value)
        .map(|error| format!("{} at {}", error, error.instance_path()))
        .collect();
    assert!(said.is_empty(), "{said:#?}\n{value:#}");
}
