//! Fields of an answer as words. An answer of a later version may have more of them, and one that
//! is missing is shown as one that is null. Pure.

use serde_json::Value;

use crate::cli::moment;

/// What stands where there is nothing.
pub(crate) const NONE: &str = "-";

/// A field as text.
pub(crate) fn text(value: &Value, name: &str) -> String {
    word(&value[name])
}

/// A field that is a time, to the second.
pub(crate) fn time(value: &Value, name: &str) -> String {
    value[name].as_str().map_or_else(|| NONE.to_owned(), moment::shown)
}

/// A field that is a number of things, 0 if it is missing.
pub(crate) fn count(value: &Value, name: &str) -> i64 {
    value[name].as_i64().unwrap_or_default()
}

/// Any value on its own.
pub(crate) fn word(value: &Value) -> String {
    match value {
        Value::Null => NONE.to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) if items.is_empty() => NONE.to_owned(),
        Value::Array(items) => items.iter().map(word).collect::<Vec<_>>().join(", "),
        Value::Object(fields) if fields.is_empty() => NONE.to_owned(),
        other => other.to_string(),
    }
}

/// A share of 1 as per cent, rounded down: only all is 100.
pub(crate) fn percent(value: &Value) -> String {
    let shown = |share: f64| format!("{:.1} %", (share * 1_000.0).floor() / 10.0);
    value.as_f64().map_or_else(|| NONE.to_owned(), shown)
}

/// Milliseconds.
pub(crate) fn millis(value: &Value) -> String {
    let shown = |millis: f64| match millis {
        ..10.0 => format!("{millis:.1} ms"),
        _ => format!("{millis:.0} ms"),
    };
    value.as_f64().map_or_else(|| NONE.to_owned(), shown)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_missing_is_shown_as_nothing() {
        let value =
            json!({"a": null, "list": ["x", 1], "none": [], "at": "2026-03-04T05:06:07.1Z"});
        assert_eq!(text(&value, "a"), "-");
        assert_eq!(text(&value, "b"), "-");
        assert_eq!(text(&value, "list"), "x, 1");
        assert_eq!(text(&value, "none"), "-");
        assert_eq!(time(&value, "at"), "2026-03-04T05:06:07Z");
        assert_eq!(time(&value, "b"), "-");
        assert_eq!(count(&value, "b"), 0);
        assert_eq!(percent(&json!(0.9999)), "99.9 %");
        assert_eq!(percent(&json!(1)), "100.0 %");
        assert_eq!(percent(&Value::Null), "-");
        assert_eq!(millis(&json!(9.25)), "9.2 ms");
        assert_eq!(millis(&json!(1234.5)), "1234 ms");
    }
}
