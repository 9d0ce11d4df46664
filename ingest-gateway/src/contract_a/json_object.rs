//! Reads a few fields of a JSON object and leaves the rest alone.
//!
//! The values stay as they were written: nothing is built of what is not asked for, and a body
//! that is nested deeply costs no stack. Of a key that stands twice the last one counts.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::contract_a::problem::Problem;

/// The body as a whole, and the fields that were asked for, in their order.
pub(crate) struct Fields<'a, const N: usize> {
    pub whole: &'a RawValue,
    pub values: [Option<&'a RawValue>; N],
}

/// Reads the fields with these names.
///
/// # Errors
/// The body is empty, not UTF-8, not JSON, or no object.
pub(crate) fn read<'a, const N: usize>(
    body: &'a [u8],
    names: [&str; N],
) -> Result<Fields<'a, N>, Problem> {
    if body.is_empty() {
        return Err(Problem::no_body());
    }
    let text = str::from_utf8(body)
        .map_err(|error| Problem::json_invalid(error.valid_up_to(), "invalid UTF-8"))?;
    let whole: &RawValue = parse(text)?;
    if !whole.get().starts_with('{') {
        return Err(Problem::not_an_object(whole));
    }
    let mut reader = serde_json::Deserializer::from_str(whole.get());
    let values = ObjectSeed { names }
        .deserialize(&mut reader)
        .map_err(|error| invalid(whole.get(), &error))?;
    Ok(Fields { whole, values })
}

fn parse(text: &str) -> Result<&RawValue, Problem> {
    serde_json::from_str(text).map_err(|error| invalid(text, &error))
}

/// The words before serde's own " at line 1 column 2"; they never hold any of the input.
fn invalid(text: &str, error: &serde_json::Error) -> Problem {
    let lines: usize =
        text.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum();
    let words = error.to_string();
    let words = words.split(" at line ").next().unwrap_or_default();
    Problem::json_invalid(lines + error.column().saturating_sub(1), words)
}

struct ObjectSeed<'n, const N: usize> {
    names: [&'n str; N],
}

impl<'a, const N: usize> DeserializeSeed<'a> for ObjectSeed<'_, N> {
    type Value = [Option<&'a RawValue>; N];

    fn deserialize<D: Deserializer<'a>>(self, reader: D) -> Result<Self::Value, D::Error> {
        reader.deserialize_map(self)
    }
}

impl<'a, const N: usize> Visitor<'a> for ObjectSeed<'_, N> {
    type Value = [Option<&'a RawValue>; N];

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<M: MapAccess<'a>>(self, mut map: M) -> Result<Self::Value, M::Error> {
        let mut values = [None; N];
        while let Some(place) = map.next_key_seed(NameSeed { names: &self.names })? {
            match place {
                Some(place) => values[place] = Some(map.next_value()?),
                None => _ = map.next_value::<IgnoredAny>()?,
            }
        }
        Ok(values)
    }
}

/// The place of a key among the names, if it is one of them.
struct NameSeed<'n> {
    names: &'n [&'n str],
}

impl<'a> DeserializeSeed<'a> for NameSeed<'_> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'a>>(self, reader: D) -> Result<Self::Value, D::Error> {
        reader.deserialize_str(self)
    }
}

impl Visitor<'_> for NameSeed<'_> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        Ok(self.names.iter().position(|name| *name == key))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn problem(body: &[u8]) -> Value {
        serde_json::to_value(read(body, ["a"]).err().unwrap()).unwrap()
    }

    #[test]
    fn the_last_of_two_equal_keys_counts_and_other_fields_are_left_alone() {
        let fields = read(br#" {"a": 1, "b": [{}], "a": 2e0, "A": 3} "#, ["a", "c"]).unwrap();
        let values = fields.values.map(|value| value.map(RawValue::get));
        assert_eq!(values, [Some("2e0"), None]);
    }

    #[test]
    fn whatever_is_no_json_object_is_one_problem() {
        assert_eq!(
            problem(b""),
            json!({"type": "missing", "loc": ["body"], "msg": "Field required", "input": null})
        );
        assert_eq!(
            problem(b"[1]"),
            json!({"type": "model_attributes_type", "loc": ["body"], "input": [1],
                "msg": "Input should be a valid dictionary or object to extract fields from"})
        );
        for body in [&b"{"[..], b"{} x", b"{\"a\": NaN}", b"{\"b\": \"\xff\"}", b"{\"b\":\"\x00\"}"]
        {
            assert_eq!(problem(body)["type"], "json_invalid");
        }
        assert_eq!(problem(b"{\n\"a\": x}")["loc"], json!(["body", 7]));
    }

    #[test]
    fn deep_nesting_costs_no_stack() {
        let deep = format!("{{\"b\": {}{}}}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(read(deep.as_bytes(), ["a"]).is_ok());
        assert!(read(&deep.as_bytes()[..100_000], ["a"]).is_err());
    }
}
