//! The field `verification`: a preset, as `signature` reads it, and the secrets, which are
//! written and never shown again.

use std::mem::discriminant;
use std::ops::RangeInclusive;

use pipeline::subscription::{SecretText, Verification};
use serde::Serialize;
use serde_json::Value;
use signature::{Preset, Verifier};
use utoipa::ToSchema;

use crate::v1::subscription_fields::by_serde;
use crate::v1::values::{self, Read, wrong};

const AT: &str = "/verification";
const SECRETS: RangeInclusive<usize> = 1..=5;
const SECRET_CHARACTERS: RangeInclusive<usize> = 1..=1_000;

/// How it looks in an answer.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = v1::Verification)]
pub(crate) struct VerificationShape<'a> {
    /// Its name, and its settings beside it.
    #[serde(flatten)]
    #[schema(value_type = Object)]
    preset: &'a Preset,
    secret_count: usize,
}

impl<'a> From<&'a Verification> for VerificationShape<'a> {
    fn from(verification: &'a Verification) -> Self {
        Self { preset: &verification.preset, secret_count: verification.secrets.len() }
    }
}

/// Reads it. Without `secrets` those stay that the same preset has.
pub(crate) fn read(
    value: Option<&Value>,
    current: Option<&Verification>,
) -> Read<Option<Verification>> {
    let Some(value) = value else { return Ok(None) };
    let mut rest = values::object(value, AT)?.clone();
    let secrets = rest.remove("secrets");
    if let Some(count) = rest.remove("secret_count")
        && Some(count) != current.map(|current| Value::from(current.secrets.len()))
    {
        return wrong("/verification/secret_count", values::READ_ONLY);
    }
    let preset: Preset = by_serde(&Value::Object(rest), AT)?;
    let secrets = match (secrets, current) {
        (Some(secrets), _) => self::secrets(&secrets, &preset)?,
        (None, Some(current)) if discriminant(&current.preset) == discriminant(&preset) => {
            current.secrets.clone()
        }
        (None, _) => return wrong("/verification/secrets", "They are required with a new preset."),
    };
    Ok(Some(Verification { preset, secrets }))
}

fn secrets(value: &Value, preset: &Preset) -> Read<Vec<SecretText>> {
    values::list(value, "/verification/secrets", SECRETS, "secrets", |value, at| {
        let text = values::text(value, at, SECRET_CHARACTERS)?;
        match Verifier::new(preset, [text.as_str()]) {
            Ok(_) => Ok(SecretText::Plain(text)),
            Err(error) => wrong(at, format!("It cannot be taken: {error}.")),
        }
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn current() -> Verification {
        read(Some(&json!({"preset": "stripe", "secrets": ["one", "two"]})), None).unwrap().unwrap()
    }

    fn place(value: &Value) -> String {
        read(Some(value), Some(&current())).unwrap_err()[0].pointer.clone()
    }

    #[test]
    fn secrets_stay_with_their_preset_and_are_asked_for_with_another() {
        let tolerant = json!({"preset": "stripe", "tolerance_seconds": 60});
        let read = read(Some(&tolerant), Some(&current())).unwrap().unwrap();
        assert_eq!(read.secrets, current().secrets);
        assert_ne!(read.preset, current().preset);
        assert_eq!(place(&json!({"preset": "github"})), "/verification/secrets");
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place_and_without_the_secret() {
        for (value, at) in [
            (json!("stripe"), "/verification"),
            (json!({"secrets": ["s"]}), "/verification"),
            (json!({"preset": "paypal", "secrets": ["s"]}), "/verification"),
            (json!({"preset": "github", "secrets": []}), "/verification/secrets"),
            (json!({"preset": "github", "secrets": ["s", ""]}), "/verification/secrets/1"),
            (json!({"preset": "hub", "secrets": ["whsec_%hunter2"]}), "/verification/secrets/0"),
            (json!({"preset": "github", "secrets": vec!["s"; 6]}), "/verification/secrets"),
            (json!({"preset": "stripe", "secret_count": 1}), "/verification/secret_count"),
        ] {
            assert_eq!(place(&value), at, "{value}");
            let said = format!("{:?}", read(Some(&value), None).unwrap_err());
            assert!(!said.contains("hunter2"), "{said}");
        }
    }

    #[test]
    fn an_answer_counts_the_secrets_and_shows_none() {
        let current = current();
        let shape = serde_json::to_value(VerificationShape::from(&current)).unwrap();
        let shown = json!({"preset": "stripe", "tolerance_seconds": 300, "secret_count": 2});
        assert_eq!(shape, shown);
        assert_eq!(read(Some(&shown), Some(&current)), Ok(Some(current.clone())));
    }
}
