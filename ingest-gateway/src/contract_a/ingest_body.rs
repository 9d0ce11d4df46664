//! What the ingest route needs to know of an event's body: that it has a payload, and its type.

use serde_json::value::RawValue;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::contract_a::problem::{BODY, Expected, Problem, Step};
use crate::contract_a::subscription_body::{optional, text};
use crate::event_type::MAX_LENGTH;
use crate::json_fields;

/// An event. All of it is delivered, as it is; further fields may follow.
#[derive(ToSchema)]
#[schema(
    as = a::Event,
    example = json!({
        "event_type": "user.created",
        "payload": {"action": "created", "timestamp": "...", "user_id": 123},
    }),
)]
#[expect(dead_code, reason = "only the schema is used; the body is read field by field")]
pub(crate) struct EventBody {
    #[schema(value_type = Object)]
    payload: Map<String, Value>,
    /// Required if the subscription has a filter.
    #[schema(max_length = 1024, pattern = r"^[^\u0000]*$")]
    event_type: Option<String>,
}

/// Reads the body's event type.
///
/// # Errors
/// Everything that is wrong with the body.
pub(crate) fn event_type(body: &[u8]) -> Result<Option<String>, Vec<Problem>> {
    let fields = json_fields::read(body, ["payload", "event_type"])
        .map_err(|why| vec![Problem::no_fields(why)])?;
    let [payload, event_type] = fields.values;
    let loc = [BODY, Step::Name("payload")];
    let payload = match payload {
        Some(payload) if payload.get().starts_with('{') => Ok(()),
        Some(payload) => Err(Problem::not_a(Expected::Object, &loc, payload)),
        None => Err(Problem::missing(&loc, fields.whole)),
    };
    let event_type = optional(event_type).map(bounded_text).transpose();
    match (payload, event_type) {
        (Ok(()), Ok(event_type)) => Ok(event_type),
        (payload, event_type) => Err(payload.err().into_iter().chain(event_type.err()).collect()),
    }
}

fn bounded_text(value: &RawValue) -> Result<String, Problem> {
    let loc = [BODY, Step::Name("event_type")];
    let text = text(value, &loc)?;
    if text.chars().count() > MAX_LENGTH {
        return Err(Problem::too_long(&loc, value, MAX_LENGTH));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn problems(body: &str) -> Value {
        serde_json::to_value(event_type(body.as_bytes()).unwrap_err()).unwrap()
    }

    #[test]
    fn a_payload_and_an_event_type_are_all_that_is_looked_at() {
        let read = |body: &str| event_type(body.as_bytes()).unwrap();
        assert_eq!(read(r#"{"payload": {}}"#), None);
        assert_eq!(read(r#"{"payload": {}, "event_type": null}"#), None);
        assert_eq!(read(r#"{"event_type": "a\n\u00e9", "payload": {}}"#), Some("a\n\u{e9}".into()));
        assert_eq!(read(r#"{"payload": {"n": 1e999, "m": -0}, "x": "\ud800\u0000"}"#), None);
    }

    #[test]
    fn what_is_wrong_is_worded_like_pydantic() {
        assert_eq!(
            problems(r#"{"x": 1}"#),
            json!([{"type": "missing", "loc": ["body", "payload"], "msg": "Field required",
                "input": {"x": 1}}])
        );
        assert_eq!(
            problems(r#"{"payload": [], "event_type": 5}"#),
            json!([
                {"type": "dict_type", "loc": ["body", "payload"], "input": [],
                    "msg": "Input should be a valid dictionary"},
                {"type": "string_type", "loc": ["body", "event_type"], "input": 5,
                    "msg": "Input should be a valid string"},
            ])
        );
        let long = format!(r#"{{"payload": {{}}, "event_type": "{}"}}"#, "x".repeat(1_025));
        assert_eq!(problems(&long)[0]["type"], "string_too_long");
        assert_eq!(
            problems(r#"{"payload": {}, "event_type": "\u0000"}"#)[0]["type"],
            "value_error"
        );
    }
}
