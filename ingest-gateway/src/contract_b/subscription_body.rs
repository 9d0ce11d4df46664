//! What a client may say about a subscription: the body of POST and PUT.

use std::borrow::Cow;

use egress::{EgressPolicy, UrlRejection};
use pipeline::subscription::SecretText;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::contract_b::field_errors::{
    FieldErrors, LENGTH, MAX_CHARACTERS, MISSING, NOT_A_STRING, NOT_A_URL, NULL, Said, TOO_LONG,
};
use crate::json_fields;
use crate::subscription_fields::{self, NotASecret, NotATarget};
use crate::subscription_store::{Amendment, Wanted};

const TARGET_URL: &str = "target_url";
const SECRET: &str = "secret";
const EVENT_TYPE_FILTER: &str = "event_type_filter";

/// What a client says of a subscription.
#[derive(ToSchema)]
#[schema(as = b::SubscriptionBody)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only the schema is used; the body is read field by field")]
pub(crate) struct SubscriptionBody {
    /// `http` or `https`, without user name, password and fragment, to a host and port that the
    /// operator's policy allows. It is kept in its normal form.
    #[schema(
        format = Uri,
        min_length = 1,
        max_length = 255,
        example = "https://example.com/your-unique-id",
    )]
    target_url: String,
    /// Verifies events and signs deliveries. What follows `whsec_` is base64; null or an empty
    /// text verifies and signs nothing.
    #[schema(
        max_length = 255,
        pattern = r"^[^\u0000]*$",
        example = "my-secure-secret-for-signing"
    )]
    secret: Option<String>,
    /// The only type that is delivered; every type for null or an empty text.
    #[schema(max_length = 255, pattern = r"^[^\u0000]*$", example = "order.created")]
    event_type_filter: Option<String>,
}

/// What a client changes of a subscription; what is left out stays as it is.
#[derive(ToSchema)]
#[schema(as = b::SubscriptionAmendment)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only the schema is used; the body is read field by field")]
pub(crate) struct AmendmentBody {
    /// As in a POST.
    #[schema(
        value_type = String,
        required = false,
        format = Uri,
        min_length = 1,
        max_length = 255,
        example = "https://example.com/updated-id",
    )]
    target_url: Option<String>,
    /// As in a POST; null takes it away.
    #[schema(
        max_length = 255,
        pattern = r"^[^\u0000]*$",
        example = "my-secure-secret-for-signing"
    )]
    secret: Option<String>,
    /// As in a POST; null takes it away.
    #[schema(max_length = 255, pattern = r"^[^\u0000]*$", example = "product.updated")]
    event_type_filter: Option<String>,
}

/// Reads the body of a POST.
///
/// # Errors
/// Everything that is wrong.
pub(crate) fn wanted(body: &[u8], policy: &EgressPolicy) -> Result<Wanted, FieldErrors> {
    let (read, mut errors) = read(body, policy)?;
    match read.target_url {
        Some(target_url) if errors.is_empty() => Ok(Wanted {
            target_url,
            secret: read.secret.flatten(),
            event_types: read.event_types.flatten(),
        }),
        None if !errors.names(TARGET_URL) => {
            errors.put_first(TARGET_URL, MISSING);
            Err(errors)
        }
        _ => Err(errors),
    }
}

/// Reads the body of a PUT: a field that is left out stays as it is, a null clears it.
///
/// # Errors
/// Everything that is wrong.
pub(crate) fn amendment(body: &[u8], policy: &EgressPolicy) -> Result<Amendment, FieldErrors> {
    let (amendment, errors) = read(body, policy)?;
    if errors.is_empty() { Ok(amendment) } else { Err(errors) }
}

/// What can be read, and what is wrong with the rest.
///
/// # Errors
/// The body is no object.
fn read(body: &[u8], policy: &EgressPolicy) -> Result<(Amendment, FieldErrors), FieldErrors> {
    let mut unknown = FieldErrors::default();
    let names = [TARGET_URL, SECRET, EVENT_TYPE_FILTER];
    let fields = json_fields::read_noting(body, names, |other| unknown.unknown(other))
        .map_err(|_| FieldErrors::not_an_object())?;
    let [url, secret, filter] = fields.values;
    let mut errors = FieldErrors::default();
    let amendment = Amendment {
        target_url: url.and_then(|url| errors.note(TARGET_URL, target_url(url, policy))),
        secret: secret.and_then(|secret| errors.note(SECRET, self::secret(secret))),
        event_types: filter.and_then(|filter| errors.note(EVENT_TYPE_FILTER, event_types(filter))),
    };
    errors.extend(unknown);
    Ok((amendment, errors))
}

fn target_url(value: &RawValue, policy: &EgressPolicy) -> Result<String, Said> {
    if json_fields::is_null(value) {
        return Err(vec![NULL.into()]);
    }
    let text = json_fields::text(value).map_err(|_| vec![NOT_A_URL.into()])?;
    let fits = (1..=MAX_CHARACTERS).contains(&text.chars().count());
    let judged = subscription_fields::target_url(value, policy);
    let mut said: Said = match judged {
        Ok(url) if fits => return Ok(url),
        Ok(_) | Err(NotATarget::Url(_, UrlRejection::TooLong)) if !fits => Vec::new(),
        Ok(_) | Err(NotATarget::Text(_)) => vec![NOT_A_URL.into()],
        Err(NotATarget::Url(_, UrlRejection::Scheme | UrlRejection::Invalid(_))) => {
            vec![NOT_A_URL.into()]
        }
        // The seed has no words for what it let through.
        Err(NotATarget::Url(_, rejection)) => vec![NOT_A_URL.into(), rejection.to_string().into()],
    };
    if !fits {
        said.push(LENGTH.into());
    }
    Err(said)
}

fn secret(value: &RawValue) -> Result<Option<SecretText>, Said> {
    if bounded_text(value)?.is_none() {
        return Ok(None);
    }
    subscription_fields::secret(value).map(Some).map_err(|why| match why {
        NotASecret::Text(_) => vec![NOT_A_STRING.into()],
        NotASecret::Key(error) => vec![error.to_string().into()],
    })
}

/// Every event for an empty filter, as the seed has it.
fn event_types(value: &RawValue) -> Result<Option<Vec<String>>, Said> {
    let filter = bounded_text(value)?.filter(|filter| !filter.is_empty());
    Ok(filter.map(|only| vec![only]))
}

fn bounded_text(value: &RawValue) -> Result<Option<String>, Said> {
    if json_fields::is_null(value) {
        return Ok(None);
    }
    let text = json_fields::text(value).map_err(|_| vec![NOT_A_STRING.into()])?;
    if text.chars().count() > MAX_CHARACTERS {
        return Err(vec![Cow::Borrowed(TOO_LONG)]);
    }
    Ok(Some(text))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use settings::Environment;

    use super::*;

    fn policy() -> EgressPolicy {
        EgressPolicy::from_settings(&Environment::from_pairs([]).unwrap(), Vec::new()).unwrap()
    }

    fn errors(body: &Value) -> String {
        let errors = wanted(body.to_string().as_bytes(), &policy()).err().unwrap();
        serde_json::to_string(&errors).unwrap()
    }

    #[test]
    fn a_filter_is_the_only_event_type_and_an_empty_or_missing_one_is_none() {
        let read = |body: Value| wanted(body.to_string().as_bytes(), &policy()).ok().unwrap();
        let url = "https://Example.com";
        let all = read(json!({"target_url": url, "secret": "s", "event_type_filter": "a"}));
        assert_eq!(all.target_url, "https://example.com/");
        assert_eq!(all.secret, Some(SecretText::Plain("s".to_owned())));
        assert_eq!(all.event_types, Some(vec!["a".to_owned()]));
        for none in [
            json!({"target_url": url}),
            json!({"target_url": url, "secret": null, "event_type_filter": null}),
            json!({"target_url": url, "event_type_filter": ""}),
        ] {
            let read = read(none);
            assert_eq!((read.secret, read.event_types), (None, None));
        }
    }

    #[test]
    fn an_amendment_tells_what_is_left_out_from_what_is_cleared() {
        let read = |body: Value| amendment(body.to_string().as_bytes(), &policy()).ok().unwrap();
        assert!(read(json!({})) == Amendment::default());
        let cleared = read(json!({"secret": null, "event_type_filter": null}));
        let expected = Amendment { target_url: None, secret: Some(None), event_types: Some(None) };
        assert!(cleared == expected);
        let set = read(json!({"event_type_filter": "b"}));
        assert_eq!(set.event_types, Some(Some(vec!["b".to_owned()])));
    }

    #[test]
    fn every_wrong_field_is_told_at_once_and_in_order() {
        assert_eq!(
            errors(&json!({"a": 1, "event_type_filter": [], "secret": 7, "b": {}})),
            r#"{"target_url":["Missing data for required field."],"secret":["Not a valid string."],"event_type_filter":["Not a valid string."],"a":["Unknown field."],"b":["Unknown field."]}"#
        );
        assert_eq!(errors(&json!([1])), r#"{"_schema":["Invalid input type."]}"#);
        assert_eq!(errors(&json!(null)), r#"{"_schema":["Invalid input type."]}"#);
    }

    #[test]
    fn each_wrong_value_has_marshmallows_words() {
        let long = "x".repeat(256);
        for (field, value, said) in [
            ("target_url", json!(null), json!(["Field may not be null."])),
            ("target_url", json!(7), json!(["Not a valid URL."])),
            ("target_url", json!("nonsense"), json!(["Not a valid URL."])),
            ("target_url", json!("ftp://example.com/"), json!(["Not a valid URL."])),
            ("target_url", json!("https://a b/"), json!(["Not a valid URL."])),
            ("target_url", json!(""), json!(["Not a valid URL.", LENGTH])),
            ("target_url", json!(format!("https://example.com/{long}")), json!([LENGTH])),
            (
                "target_url",
                json!(format!("https://example.com/{}", "x".repeat(3_000))),
                json!([LENGTH]),
            ),
            (
                "target_url",
                json!("http://user@example.com/"),
                json!(["Not a valid URL.", "the URL must not hold a user name or a password"]),
            ),
            ("secret", json!(7), json!(["Not a valid string."])),
            ("secret", json!("a\0"), json!(["Not a valid string."])),
            ("secret", json!(long), json!(["Longer than maximum length 255."])),
            (
                "secret",
                json!("whsec_%"),
                json!(["the secret begins with whsec_ and what follows is not base64"]),
            ),
            ("event_type_filter", json!(["a"]), json!(["Not a valid string."])),
            ("event_type_filter", json!(long), json!(["Longer than maximum length 255."])),
        ] {
            let mut body = json!({"target_url": "https://example.com"});
            body[field] = value;
            assert_eq!(errors(&body), json!({ field: said }).to_string(), "{body}");
        }
    }
}
