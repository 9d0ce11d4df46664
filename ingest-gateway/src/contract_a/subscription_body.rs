//! What a client may say about a subscription: the body of POST and PUT.

use egress::{EgressPolicy, UrlRejection};
use pipeline::subscription::SecretText;
use serde_json::value::RawValue;
use signature::Secret;

use crate::contract_a::json_object;
use crate::contract_a::problem::{BODY, Expected, Problem, Step};
use crate::subscription_store::Wanted;

/// Reads the body. A field that is left out has its default, also on PUT; unknown fields are
/// ignored.
///
/// # Errors
/// Everything that is wrong.
pub(crate) fn read(body: &[u8], policy: &EgressPolicy) -> Result<Wanted, Vec<Problem>> {
    let fields = json_object::read(body, ["target_url", "secret", "event_types"])
        .map_err(|problem| vec![problem])?;
    let [url, secret, types] = fields.values;
    let mut problems = Vec::new();
    let target_url = match url {
        Some(url) => note(target_url(url, policy), &mut problems),
        None => {
            problems.push(Problem::missing(&[BODY, Step::Name("target_url")], fields.whole));
            None
        }
    };
    let secret = note(optional(secret).map(self::secret).transpose(), &mut problems);
    let event_types = match types {
        None => Some(Some(Vec::new())),
        Some(types) => event_types(types, &mut problems),
    };
    match (target_url, secret, event_types) {
        (Some(target_url), Some(secret), Some(event_types)) if problems.is_empty() => {
            Ok(Wanted { target_url, secret, event_types })
        }
        _ => Err(problems),
    }
}

/// A string of JSON as text that every store can hold.
///
/// # Errors
/// It is no string, no Unicode, or holds a NUL.
pub(crate) fn text(value: &RawValue, loc: &[Step]) -> Result<String, Problem> {
    if !value.get().starts_with('"') {
        return Err(Problem::not_a(Expected::Text, loc, value));
    }
    let text: String = serde_json::from_str(value.get())
        .map_err(|_| Problem::not_a(Expected::Unicode, loc, value))?;
    if text.contains('\0') {
        return Err(Problem::value_error(loc, "the text must not hold a NUL character", value));
    }
    Ok(text)
}

/// A field that is null is as one that is left out.
pub(crate) fn optional(value: Option<&RawValue>) -> Option<&RawValue> {
    value.filter(|value| value.get() != "null")
}

fn target_url(value: &RawValue, policy: &EgressPolicy) -> Result<String, Problem> {
    let loc = [BODY, Step::Name("target_url")];
    if !value.get().starts_with('"') {
        return Err(Problem::not_a(Expected::Url, &loc, value));
    }
    let raw = text(value, &loc)?;
    match policy.judge_url(&raw) {
        Ok(target) => Ok(target.as_str().to_owned()),
        Err(UrlRejection::Scheme) => Err(match url::Url::parse(&raw) {
            Err(error) => Problem::url_parsing(&loc, &error.to_string(), value),
            Ok(_) => Problem::url_scheme(&loc, value),
        }),
        Err(UrlRejection::Invalid(error)) => Err(Problem::url_parsing(&loc, &error, value)),
        Err(rejection) => Err(Problem::value_error(&loc, &rejection.to_string(), value)),
    }
}

fn secret(value: &RawValue) -> Result<SecretText, Problem> {
    let loc = [BODY, Step::Name("secret")];
    let text = text(value, &loc)?;
    match Secret::from_text(&text) {
        // The older service took an empty secret, and then checked nothing.
        Err(_) if text.is_empty() => Ok(SecretText::Plain(text)),
        Ok(_) => Ok(SecretText::Plain(text)),
        Err(error) => Err(Problem::value_error(&loc, &error.to_string(), value)),
    }
}

/// `Some(None)` is a null, which is kept as such.
fn event_types(value: &RawValue, problems: &mut Vec<Problem>) -> Option<Option<Vec<String>>> {
    let field = Step::Name("event_types");
    if value.get() == "null" {
        return Some(None);
    }
    let Ok(items) = serde_json::from_str::<Vec<&RawValue>>(value.get()) else {
        problems.push(Problem::not_a(Expected::List, &[BODY, field], value));
        return None;
    };
    let read = items
        .into_iter()
        .enumerate()
        .map(|(index, item)| note(text(item, &[BODY, field, Step::Index(index)]), problems));
    // All of them are read before one that is missing counts: each problem is to be told.
    let read: Vec<Option<String>> = read.collect();
    read.into_iter().collect::<Option<Vec<String>>>().map(Some)
}

fn note<T>(read: Result<T, Problem>, problems: &mut Vec<Problem>) -> Option<T> {
    read.map_err(|problem| problems.push(problem)).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use settings::Environment;

    use super::*;

    fn read_body(body: &str) -> Result<Wanted, Vec<Value>> {
        let env = Environment::from_pairs([]).unwrap();
        let policy = EgressPolicy::from_settings(&env, Vec::new()).unwrap();
        read(body.as_bytes(), &policy).map_err(|problems| {
            problems.iter().map(|problem| serde_json::to_value(problem).unwrap()).collect()
        })
    }

    fn wanted(body: &str) -> Wanted {
        read_body(body).ok().unwrap()
    }

    fn kinds(body: &str) -> Vec<(String, Value)> {
        let problems = read_body(body).err().unwrap();
        let kind = |p: &Value| (p["type"].as_str().unwrap().to_owned(), p["loc"].clone());
        problems.iter().map(kind).collect()
    }

    #[test]
    fn what_is_left_out_has_its_default_and_the_url_is_normalised() {
        let read = wanted(r#"{"target_url": "HTTPS://Example.com", "more": 1}"#);
        assert_eq!(read.target_url, "https://example.com/");
        assert_eq!(read.secret, None);
        assert_eq!(read.event_types, Some(vec![]));
        let read =
            wanted(r#"{"target_url": "https://example.com", "secret": null, "event_types": null}"#);
        assert_eq!(read.secret, None);
        assert_eq!(read.event_types, None);
    }

    #[test]
    fn every_wrong_field_is_told_at_once() {
        assert_eq!(
            kinds(r#"{"secret": 1, "event_types": ["a", 2, null]}"#),
            [
                ("missing".to_owned(), json!(["body", "target_url"])),
                ("string_type".to_owned(), json!(["body", "secret"])),
                ("string_type".to_owned(), json!(["body", "event_types", 1])),
                ("string_type".to_owned(), json!(["body", "event_types", 2])),
            ]
        );
    }

    #[test]
    fn a_missing_field_is_worded_like_pydantic() {
        assert_eq!(
            read_body(r#"{"secret": null}"#).err().unwrap(),
            [json!({"type": "missing", "loc": ["body", "target_url"], "msg": "Field required",
                "input": {"secret": null}})]
        );
    }

    #[test]
    fn each_wrong_value_has_its_type() {
        for (field, value, kind) in [
            ("target_url", "null", "url_type"),
            ("target_url", "7", "url_type"),
            ("target_url", r#""example.com""#, "url_parsing"),
            ("target_url", r#""ftp://example.com/""#, "url_scheme"),
            ("target_url", r#""http://127.0.0.1/""#, "value_error"),
            ("target_url", r#""https://a@example.com/""#, "value_error"),
            ("target_url", r#""https://example.com/\u0000""#, "value_error"),
            ("secret", "[]", "string_type"),
            ("secret", r#""a\u0000b""#, "value_error"),
            ("secret", r#""whsec_""#, "value_error"),
            ("secret", r#""whsec_%""#, "value_error"),
            ("event_types", "{}", "list_type"),
            ("event_types", r#""a""#, "list_type"),
            ("event_types", r#"["\u0000"]"#, "value_error"),
        ] {
            let mut fields = vec![format!("\"{field}\": {value}")];
            if field != "target_url" {
                fields.push(r#""target_url": "https://example.com""#.to_owned());
            }
            let body = format!("{{{}}}", fields.join(","));
            assert_eq!(kinds(&body)[0].0, kind, "{body}");
        }
    }

    #[test]
    fn half_a_surrogate_pair_is_no_text_and_is_echoed_as_it_was_written() {
        let env = Environment::from_pairs([]).unwrap();
        let policy = EgressPolicy::from_settings(&env, Vec::new()).unwrap();
        let body = br#"{"target_url": "https://example.com", "secret": "\ud800"}"#;
        let problems = serde_json::to_string(&read(body, &policy).err().unwrap()).unwrap();
        assert!(problems.contains(r#""type":"string_unicode""#), "{problems}");
        assert!(problems.contains(r#""input":"\ud800""#), "{problems}");
    }
}
