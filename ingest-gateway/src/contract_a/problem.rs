//! What is wrong with one input, as FastAPI and pydantic 2 word it.

use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::json_fields::{NoFields, NotText};

/// One entry of a 422 answer's `detail`.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = a::Problem)]
pub(crate) struct Problem {
    #[serde(rename = "type")]
    #[schema(example = "missing")]
    kind: &'static str,
    #[schema(example = json!(["body", "target_url"]))]
    loc: Vec<Step>,
    #[schema(example = "Field required")]
    msg: String,
    /// What was given there, as it was given.
    #[schema(value_type = Value)]
    input: Box<RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Object, required = false)]
    ctx: Option<Value>,
}

/// A step on the way to the input: first where it stands, then the field, then an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = a::Step)]
#[serde(untagged)]
pub(crate) enum Step {
    Name(&'static str),
    Index(usize),
}

pub(crate) const BODY: Step = Step::Name("body");
pub(crate) const PATH: Step = Step::Name("path");
pub(crate) const QUERY: Step = Step::Name("query");

impl Problem {
    /// A required field is not there; `whole` is what it should stand in.
    pub(crate) fn missing(loc: &[Step], whole: &RawValue) -> Self {
        Self::new("missing", loc, "Field required", whole.to_owned())
    }

    /// The body has no fields.
    pub(crate) fn no_fields(why: NoFields<'_>) -> Self {
        match why {
            NoFields::Empty => {
                Self::new("missing", &[BODY], "Field required", RawValue::NULL.to_owned())
            }
            NoFields::NotJson(not_json) => {
                let loc = [BODY, Step::Index(not_json.at)];
                Self::new("json_invalid", &loc, "JSON decode error", raw(&json!({})))
                    .with_context(json!({ "error": not_json.words }))
            }
            NoFields::NotAnObject(body) => {
                let msg = "Input should be a valid dictionary or object to extract fields from";
                Self::new("model_attributes_type", &[BODY], msg, body.to_owned())
            }
        }
    }

    /// A value that is no text.
    pub(crate) fn not_text(why: NotText, loc: &[Step], input: &RawValue) -> Self {
        match why {
            NotText::NotAString => Self::not_a(Expected::Text, loc, input),
            NotText::NotUnicode => {
                let msg = "Input should be a valid string, unable to parse raw data as a unicode \
                           string";
                Self::new("string_unicode", loc, msg, input.to_owned())
            }
            NotText::HasNul => {
                Self::value_error(loc, "the text must not hold a NUL character", input)
            }
        }
    }

    /// A value of another type.
    pub(crate) fn not_a(expected: Expected, loc: &[Step], input: &RawValue) -> Self {
        let (kind, msg) = match expected {
            Expected::Object => ("dict_type", "Input should be a valid dictionary"),
            Expected::List => ("list_type", "Input should be a valid list"),
            Expected::Url => ("url_type", "URL input should be a string or URL"),
            Expected::Text => ("string_type", "Input should be a valid string"),
        };
        Self::new(kind, loc, msg, input.to_owned())
    }

    /// A text of more characters than are taken.
    pub(crate) fn too_long(loc: &[Step], input: &RawValue, at_most: usize) -> Self {
        let msg = format!("String should have at most {at_most} characters");
        Self::new("string_too_long", loc, msg, input.to_owned())
            .with_context(json!({ "max_length": at_most }))
    }

    /// A value of the right type that is not taken for another reason.
    pub(crate) fn value_error(loc: &[Step], reason: &str, input: &RawValue) -> Self {
        Self::new("value_error", loc, format!("Value error, {reason}"), input.to_owned())
            .with_context(json!({ "error": reason }))
    }

    /// A URL that cannot be parsed.
    pub(crate) fn url_parsing(loc: &[Step], error: &str, input: &RawValue) -> Self {
        let msg = format!("Input should be a valid URL, {error}");
        Self::new("url_parsing", loc, msg, input.to_owned()).with_context(json!({ "error": error }))
    }

    /// A URL of a scheme that is not taken.
    pub(crate) fn url_scheme(loc: &[Step], input: &RawValue) -> Self {
        let msg = "URL scheme should be 'http' or 'https'";
        Self::new("url_scheme", loc, msg, input.to_owned())
            .with_context(json!({ "expected_schemes": "'http' or 'https'" }))
    }

    /// A path segment that is no UUID. pydantic parses with the same crate, so the words agree.
    pub(crate) fn uuid_parsing(loc: &[Step], error: &uuid::Error, input: &str) -> Self {
        let msg = format!("Input should be a valid UUID, {error}");
        Self::new("uuid_parsing", loc, msg, raw(&json!(input)))
            .with_context(json!({ "error": error.to_string() }))
    }

    /// A query parameter that is no whole number.
    pub(crate) fn int_parsing(loc: &[Step], input: &str) -> Self {
        let msg = "Input should be a valid integer, unable to parse string as an integer";
        Self::new("int_parsing", loc, msg, raw(&json!(input)))
    }

    /// A query parameter below what is taken.
    pub(crate) fn below(loc: &[Step], input: &str, least: i64) -> Self {
        let msg = format!("Input should be greater than or equal to {least}");
        Self::new("greater_than_equal", loc, msg, raw(&json!(input)))
            .with_context(json!({ "ge": least }))
    }

    /// A query parameter above what is taken.
    pub(crate) fn above(loc: &[Step], input: &str, most: i64) -> Self {
        let msg = format!("Input should be less than or equal to {most}");
        Self::new("less_than_equal", loc, msg, raw(&json!(input)))
            .with_context(json!({ "le": most }))
    }

    fn new(kind: &'static str, loc: &[Step], msg: impl Into<String>, input: Box<RawValue>) -> Self {
        Self { kind, loc: loc.to_vec(), msg: msg.into(), input, ctx: None }
    }

    fn with_context(self, ctx: Value) -> Self {
        Self { ctx: Some(ctx), ..self }
    }
}

/// The type that an input should have had.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Expected {
    Object,
    List,
    Url,
    Text,
}

fn raw(value: &Value) -> Box<RawValue> {
    to_raw_value(value).unwrap_or_else(|_| unreachable!("a JSON value has only string keys"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json_fields;

    #[test]
    fn a_body_without_fields_is_one_problem_in_fastapis_words() {
        let problem = |body: &[u8]| {
            let why = json_fields::read(body, ["a"]).err().unwrap();
            serde_json::to_value(Problem::no_fields(why)).unwrap()
        };
        assert_eq!(
            problem(b""),
            json!({"type": "missing", "loc": ["body"], "msg": "Field required", "input": null})
        );
        assert_eq!(
            problem(b"[1]"),
            json!({"type": "model_attributes_type", "loc": ["body"], "input": [1],
                "msg": "Input should be a valid dictionary or object to extract fields from"})
        );
        let invalid = problem(b"{\n\"a\": x}");
        assert_eq!(
            (&invalid["type"], &invalid["loc"]),
            (&json!("json_invalid"), &json!(["body", 7]))
        );
    }
}
