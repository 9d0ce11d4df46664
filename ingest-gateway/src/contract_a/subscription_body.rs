//! What a client may say about a subscription: the body of POST and PUT.

use egress::{EgressPolicy, UrlRejection};
use pipeline::subscription::SecretText;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::contract_a::problem::{BODY, Expected, Problem, Step};
use crate::json_fields::{self, NotText};
use crate::subscription_fields::{self, NotASecret, NotATarget};
use crate::subscription_store::Wanted;

/// What a client says of a subscription; other fields are ignored.
#[derive(ToSchema)]
#[schema(as = a::SubscriptionBody)]
#[expect(dead_code, reason = "only the schema is used; the body is read field by field")]
pub(crate) struct SubscriptionBody {
    /// `http` or `https`, without user name, password and fragment, to a host and port that the
    /// operator's policy allows. It is kept in its normal form.
    #[schema(format = Uri, max_length = 2048, example = "https://example.com/webhook-receiver")]
    target_url: String,
    /// Verifies events and signs deliveries. What follows `whsec_` is base64; null or an empty
    /// text verifies and signs nothing.
    #[schema(pattern = r"^[^\u0000]*$", example = "your_secure_secret_key")]
    secret: Option<String>,
    /// Exactly the types that are delivered; every type if there is none.
    #[schema(default = json!([]), example = json!(["user.created", "user.updated"]))]
    event_types: Option<Vec<EventType>>,
}

#[derive(ToSchema)]
#[schema(as = a::EventType, pattern = r"^[^\u0000]*$")]
#[expect(dead_code, reason = "only the schema is used")]
struct EventType(String);

/// Reads the body. A field that is left out has its default, also on PUT; unknown fields are
/// ignored.
///
/// # Errors
/// Everything that is wrong.
pub(crate) fn read(body: &[u8], policy: &EgressPolicy) -> Result<Wanted, Vec<Problem>> {
    let fields = json_fields::read(body, ["target_url", "secret", "event_types"])
        .map_err(|why| vec![Problem::no_fields(why)])?;
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

/// A string of JSON as text.
///
/// # Errors
/// It is no text.
pub(crate) fn text(value: &RawValue, loc: &[Step]) -> Result<String, Problem> {
    json_fields::text(value).map_err(|why| Problem::not_text(why, loc, value))
}

/// A field that is null is as one that is left out.
pub(crate) fn optional(value: Option<&RawValue>) -> Option<&RawValue> {
    value.filter(|value| !json_fields::is_null(value))
}

fn target_url(value: &RawValue, policy: &EgressPolicy) -> Result<String, Problem> {
    let loc = [BODY, Step::Name("target_url")];
    subscription_fields::target_url(value, policy).map_err(|why| match why {
        NotATarget::Text(NotText::NotAString) => Problem::not_a(Expected::Url, &loc, value),
        NotATarget::Text(why) => Problem::not_text(why, &loc, value),
        NotATarget::Url(raw, UrlRejection::Scheme) => match url::Url::parse(&raw) {
            Err(error) => Problem::url_parsing(&loc, &error.to_string(), value),
            Ok(_) => Problem::url_scheme(&loc, value),
        },
        NotATarget::Url(_, UrlRejection::Invalid(error)) => {
            Problem::url_parsing(&loc, &error, value)
        }
        NotATarget::Url(_, rejection) => Problem::value_error(&loc, &rejection.to_string(), value),
    })
}

fn secret(value: &RawValue) -> Result<SecretText, Problem> {
    let loc = [BODY, Step::Name("secret")];
    subscription_fields::secret(value).map_err(|why| match why {
        NotASecret::Text(why) => Problem::not_text(why, &loc, value),
        NotASecret::Key(error) => Problem::value_error(&loc, &error.to_string(), value),
    })
}

/// `Some(None)` is a null, which is kept as such.
fn event_types(value: &RawValue, problems: &mut Vec<Problem>) -> Option<Option<Vec<String>>> {
    let field = Step::Name("event_types");
    if json_fields::is_null(value) {
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
