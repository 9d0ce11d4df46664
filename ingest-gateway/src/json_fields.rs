//! Reads a few fields of a JSON object and leaves the rest alone.
//!
//! The values stay as they were written: nothing is built of what is not asked for, and a body
//! that is nested deeply costs no stack. Of a key that stands twice the last one counts. What
//! is wrong is said in no contract's words.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

/// The body as a whole, and the fields that were asked for, in their order.
pub(crate) struct Fields<'a, const N: usize> {
    pub whole: &'a RawValue,
    pub values: [Option<&'a RawValue>; N],
}

/// Why a body has no fields.
#[derive(Debug)]
pub(crate) enum NoFields<'a> {
    Empty,
    NotJson(NotJson),
    /// It is JSON, and no object.
    NotAnObject(&'a RawValue),
}

/// Why a body is not JSON.
#[derive(Debug)]
pub(crate) struct NotJson {
    /// The byte where that shows.
    pub at: usize,
    /// They never hold any of the body.
    pub words: String,
}

/// Why a value is no text that every store can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotText {
    NotAString,
    /// JSON can escape half a surrogate pair, which no text has.
    NotUnicode,
    /// Postgres refuses it in text.
    HasNul,
}

/// Reads the fields with these names.
///
/// # Errors
/// The body is empty, not UTF-8, not JSON, or no object.
pub(crate) fn read<'a, const N: usize>(
    body: &'a [u8],
    names: [&str; N],
) -> Result<Fields<'a, N>, NoFields<'a>> {
    read_noting(body, names, |_| {})
}

/// The same; each key that has another name is told to `other`.
///
/// # Errors
/// As [`read`].
pub(crate) fn read_noting<'a, const N: usize>(
    body: &'a [u8],
    names: [&str; N],
    other: impl FnMut(&str),
) -> Result<Fields<'a, N>, NoFields<'a>> {
    if body.is_empty() {
        return Err(NoFields::Empty);
    }
    let whole = value(body).map_err(NoFields::NotJson)?;
    if !whole.get().starts_with('{') {
        return Err(NoFields::NotAnObject(whole));
    }
    let mut reader = serde_json::Deserializer::from_str(whole.get());
    let values = ObjectSeed { names, other }
        .deserialize(&mut reader)
        .map_err(|error| NoFields::NotJson(invalid(whole.get(), &error)))?;
    Ok(Fields { whole, values })
}

/// A body that is one JSON value, as it was written.
///
/// # Errors
/// It is not UTF-8, or not JSON.
pub(crate) fn value(body: &[u8]) -> Result<&RawValue, NotJson> {
    let text = str::from_utf8(body)
        .map_err(|error| NotJson { at: error.valid_up_to(), words: "invalid UTF-8".to_owned() })?;
    serde_json::from_str(text).map_err(|error| invalid(text, &error))
}

/// A string of JSON as text.
///
/// # Errors
/// [`NotText`].
pub(crate) fn text(value: &RawValue) -> Result<String, NotText> {
    if !value.get().starts_with('"') {
        return Err(NotText::NotAString);
    }
    let text: String = serde_json::from_str(value.get()).map_err(|_| NotText::NotUnicode)?;
    if text.contains('\0') { Err(NotText::HasNul) } else { Ok(text) }
}

/// Whether a field's value is a null, which many fields take for none.
pub(crate) fn is_null(value: &RawValue) -> bool {
    value.get() == "null"
}

/// The words before serde's own " at line 1 column 2".
fn invalid(text: &str, error: &serde_json::Error) -> NotJson {
    let lines: usize =
        text.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum();
    let words = error.to_string();
    let words = words.split(" at line ").next().unwrap_or_default();
    NotJson { at: lines + error.column().saturating_sub(1), words: words.to_owned() }
}

struct ObjectSeed<'n, F, const N: usize> {
    names: [&'n str; N],
    other: F,
}

impl<'a, F: FnMut(&str), const N: usize> DeserializeSeed<'a> for ObjectSeed<'_, F, N> {
    type Value = [Option<&'a RawValue>; N];

    fn deserialize<D: Deserializer<'a>>(self, reader: D) -> Result<Self::Value, D::Error> {
        reader.deserialize_map(self)
    }
}

impl<'a, F: FnMut(&str), const N: usize> Visitor<'a> for ObjectSeed<'_, F, N> {
    type Value = [Option<&'a RawValue>; N];

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<M: MapAccess<'a>>(mut self, mut map: M) -> Result<Self::Value, M::Error> {
        let mut values = [None; N];
        loop {
            let name = NameSeed { names: &self.names, other: &mut self.other };
            match map.next_key_seed(name)? {
                Some(Some(place)) => values[place] = Some(map.next_value()?),
                Some(None) => _ = map.next_value::<IgnoredAny>()?,
                None => return Ok(values),
            }
        }
    }
}

/// The place of a key among the names, if it is one of them.
struct NameSeed<'n, F> {
    names: &'n [&'n str],
    other: &'n mut F,
}

impl<'a, F: FnMut(&str)> DeserializeSeed<'a> for NameSeed<'_, F> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'a>>(self, reader: D) -> Result<Self::Value, D::Error> {
        reader.deserialize_str(self)
    }
}

impl<F: FnMut(&str)> Visitor<'_> for NameSeed<'_, F> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        let place = self.names.iter().position(|name| *name == key);
        if place.is_none() {
            (self.other)(key);
        }
        Ok(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_of_two_equal_keys_counts_and_other_fields_are_left_alone() {
        let body = br#" {"a": 1, "b": [{}], "a": 2e0, "A": 3} "#;
        let mut others = Vec::new();
        let fields = read_noting(body, ["a", "c"], |key| others.push(key.to_owned())).ok().unwrap();
        let values = fields.values.map(|value| value.map(RawValue::get));
        assert_eq!(values, [Some("2e0"), None]);
        assert_eq!(others, ["b", "A"]);
    }

    #[test]
    fn whatever_is_no_json_object_has_no_fields() {
        let why = |body: &'static [u8]| read(body, ["a"]).err().unwrap();
        assert!(matches!(why(b""), NoFields::Empty));
        assert!(matches!(why(b" [1]"), NoFields::NotAnObject(whole) if whole.get() == "[1]"));
        for body in [&b"{"[..], b"{} x", b"{\"a\": NaN}", b"{\"b\": \"\xff\"}", b"{\"b\":\"\x00\"}"]
        {
            assert!(matches!(why(body), NoFields::NotJson(_)));
        }
        assert!(matches!(why(b"{\n\"a\": x}"), NoFields::NotJson(NotJson { at: 7, .. })));
    }

    #[test]
    fn deep_nesting_costs_no_stack() {
        let deep = format!("{{\"b\": {}{}}}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(read(deep.as_bytes(), ["a"]).is_ok());
        assert!(read(&deep.as_bytes()[..100_000], ["a"]).is_err());
    }

    #[test]
    fn a_text_is_a_string_of_unicode_without_nul() {
        let read = |json: &str| text(&RawValue::from_string(json.to_owned()).unwrap());
        assert_eq!(read(r#""a\n\u00e9""#), Ok("a\n\u{e9}".to_owned()));
        assert_eq!(read("7"), Err(NotText::NotAString));
        assert_eq!(read("null"), Err(NotText::NotAString));
        assert_eq!(read(r#""\ud800""#), Err(NotText::NotUnicode));
        assert_eq!(read(r#""a\u0000""#), Err(NotText::HasNul));
    }
}
