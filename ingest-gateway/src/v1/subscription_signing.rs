//! The field `signing`: the schemes, and a secret of the client's own, which is written and
//! never shown again. [`signing_keys`] says what follows for the keys.

use std::ops::RangeInclusive;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use jiff::Timestamp;
use pipeline::subscription::{SecretText, Signing, SigningScheme, Subscription};
use serde::Serialize;
use serde_json::{Map, Value};
use signature::secret::SECRET_PREFIX;
use utoipa::ToSchema;

use crate::v1::signing_keys::{self, NewKeys};
use crate::v1::subscription_fields::by_serde;
use crate::v1::timestamp::optional_micros;
use crate::v1::values::{self, Read, wrong};

const AT: &str = "/signing";
const FIELDS: [&str; 4] = ["schemes", "secret", "public_key", "keys"];
const SECRET_CHARACTERS: RangeInclusive<usize> = 0..=100;
const SECRET_BYTES: RangeInclusive<usize> = 24..=64;

/// How it looks in an answer; holds no secret.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = v1::Signing)]
pub(crate) struct SigningShape {
    #[schema(value_type = Vec<String>)]
    schemes: Vec<SigningScheme>,
    /// The newest key pair's.
    #[schema(required)]
    public_key: Option<String>,
    /// The newest of each kind first.
    keys: Vec<KeyShape>,
}

/// A key that signs.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = v1::SigningKey)]
struct KeyShape {
    kind: KeyKind,
    #[serde(skip_serializing_if = "Option::is_none")]
    public_key: Option<String>,
    /// Null for the newest of its kind.
    #[serde(serialize_with = "optional_micros")]
    #[schema(required)]
    expires_at: Option<Timestamp>,
}

#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[schema(as = v1::SigningKeyKind)]
#[serde(rename_all = "snake_case")]
enum KeyKind {
    Secret,
    Ed25519,
}

/// `None` for a subscription of an older contract that signs nothing.
pub(crate) fn shape(subscription: &Subscription) -> Option<SigningShape> {
    let Signing { schemes, secrets, key_pairs } = signing_keys::in_use(subscription);
    let secrets = secrets.into_iter().map(|key| KeyShape {
        kind: KeyKind::Secret,
        public_key: None,
        expires_at: key.expires_at,
    });
    let pairs = key_pairs.into_iter().map(|key| KeyShape {
        kind: KeyKind::Ed25519,
        public_key: signing_keys::public_key(&key),
        expires_at: key.expires_at,
    });
    let keys: Vec<KeyShape> = secrets.chain(pairs).collect();
    let public_key = keys.iter().find_map(|key| key.public_key.clone());
    (!keys.is_empty()).then_some(SigningShape { schemes, public_key, keys })
}

/// Reads it; without it the default is Standard Webhooks.
pub(crate) fn read(
    value: Option<&Value>,
    current: &Subscription,
    new: &NewKeys,
    now: Timestamp,
) -> Read<Option<Signing>> {
    let none = Map::new();
    let given = value.map_or(Ok(&none), |value| values::object(value, AT))?;
    let unknown = given.keys().filter(|name| !FIELDS.contains(&name.as_str()));
    let unknown: Vec<_> =
        unknown.map(|name| values::unknown_field(AT, name, &FIELDS[..2])).collect();
    let own = values::both(
        own_secret(field(given, "secret")),
        if unknown.is_empty() { not_changed(given, current) } else { Err(unknown) },
    );
    let (schemes, (own_secret, ())) = values::both(schemes(field(given, "schemes")), own)?;
    if own_secret.is_some() && !signing_keys::use_secret(&schemes) {
        return wrong("/signing/secret", "It is for the schemes standard and hub alone.");
    }
    let signing = signing_keys::with_schemes(current, schemes, own_secret, new, now);
    // A shared secret of an older contract stays one until something is to be different.
    let same = signing == signing_keys::in_use(current);
    Ok(if same { current.signing.clone() } else { Some(signing) })
}

fn field<'a>(given: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    given.get(name).filter(|value| !value.is_null())
}

/// At least one, none twice.
fn schemes(value: Option<&Value>) -> Read<Vec<SigningScheme>> {
    const AT: &str = "/signing/schemes";
    let Some(value) = value else { return Ok(vec![SigningScheme::Standard]) };
    let schemes: Vec<SigningScheme> =
        values::list(value, AT, 1..=3, "schemes, each of them once", by_serde)?;
    let is_twice = |(index, scheme)| schemes[..index].contains(scheme);
    if schemes.iter().enumerate().any(is_twice) {
        return wrong(AT, "A scheme is given twice.");
    }
    Ok(schemes)
}

fn own_secret(value: Option<&Value>) -> Read<Option<SecretText>> {
    const AT: &str = "/signing/secret";
    let Some(value) = value else { return Ok(None) };
    let text = values::text(value, AT, SECRET_CHARACTERS)?;
    let key = text.strip_prefix(SECRET_PREFIX).and_then(|encoded| {
        STANDARD.decode(encoded).or_else(|_| STANDARD_NO_PAD.decode(encoded)).ok()
    });
    match key {
        Some(key) if SECRET_BYTES.contains(&key.len()) => Ok(Some(SecretText::Plain(text))),
        _ => {
            let (least, most) = (SECRET_BYTES.start(), SECRET_BYTES.end());
            wrong(AT, format!("It must be whsec_ and the base64 of {least} to {most} bytes."))
        }
    }
}

/// What an answer shows beside the schemes may be sent back as it was.
fn not_changed(given: &Map<String, Value>, current: &Subscription) -> Read<()> {
    let shown = serde_json::to_value(shape(current)).unwrap_or_default();
    let is_new = |name: &&str| field(given, name).is_some_and(|value| *value != shown[name]);
    let changed = ["public_key", "keys"].into_iter().filter(is_new);
    let wrong = changed.map(|name| wrong(&values::member(AT, name), values::READ_ONLY));
    values::all(wrong).map(|_: Vec<()>| ())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::v1::signing_keys::tests::keys;

    fn blank() -> Subscription {
        let id = pipeline::ids::SubscriptionId::from_uuid(uuid::Uuid::nil());
        Subscription::new(id, "https://example.com/", Timestamp::UNIX_EPOCH)
    }

    fn read_for(current: &Subscription, value: &Value) -> Read<Option<Signing>> {
        read(Some(value), current, &keys(1), Timestamp::UNIX_EPOCH)
    }

    fn signed(value: &Value) -> Subscription {
        Subscription { signing: read_for(&blank(), value).unwrap(), ..blank() }
    }

    #[test]
    fn the_default_is_standard_webhooks_with_a_new_secret() {
        let signing = read(None, &blank(), &keys(1), Timestamp::UNIX_EPOCH).unwrap().unwrap();
        assert_eq!(signing.schemes, [SigningScheme::Standard]);
        assert!(signing.secrets[0].key.expose().starts_with("whsec_"));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        let own = |bytes: usize| format!("whsec_{}", STANDARD.encode(vec![7; bytes]));
        for (value, at) in [
            (json!([]), "/signing"),
            (json!({"schemes": []}), "/signing/schemes"),
            (json!({"schemes": ["standard", "standard"]}), "/signing/schemes"),
            (json!({"schemes": ["standard", "md5"]}), "/signing/schemes/1"),
            (json!({"scheme": ["standard"]}), "/signing/scheme"),
            (json!({"secret": "hunter2"}), "/signing/secret"),
            (json!({"secret": own(23)}), "/signing/secret"),
            (json!({"secret": own(65)}), "/signing/secret"),
            (json!({"secret": own(24), "schemes": ["ed25519"]}), "/signing/secret"),
            (json!({"public_key": "whpk_"}), "/signing/public_key"),
            (json!({"keys": []}), "/signing/keys"),
        ] {
            let errors = read_for(&blank(), &value).unwrap_err();
            assert_eq!(errors[0].pointer, at, "{value}");
            assert!(!format!("{errors:?}").contains("hunter2"));
        }
        for bytes in [24, 64] {
            let secret = own(bytes);
            let made = signed(&json!({"secret": &secret, "schemes": ["hub"]}));
            assert_eq!(made.signing.unwrap().secrets[0].key.expose(), secret);
        }
    }

    #[test]
    fn an_answer_shows_the_public_key_and_the_ends_and_no_secret() {
        let mut made = signed(&json!({"schemes": ["ed25519", "standard"]}));
        let end = Timestamp::UNIX_EPOCH;
        made.signing.as_mut().unwrap().secrets[0].expires_at = Some(end);
        let shown = serde_json::to_value(shape(&made)).unwrap();
        let public = shown["public_key"].as_str().unwrap();
        assert!(public.starts_with("whpk_"));
        assert_eq!(
            shown,
            json!({"schemes": ["ed25519", "standard"], "public_key": public, "keys": [
                {"kind": "secret", "expires_at": "1970-01-01T00:00:00.000000Z"},
                {"kind": "ed25519", "public_key": public, "expires_at": null},
            ]})
        );
        assert_eq!(read_for(&made, &shown), Ok(made.signing));
    }

    #[test]
    fn a_shared_secret_is_shown_as_what_it_does_and_stays_one() {
        let mut made = blank();
        assert!(shape(&made).is_none());
        made.secret = Some(SecretText::Plain("shared".to_owned()));
        let shown = serde_json::to_value(shape(&made)).unwrap();
        assert_eq!(shown["schemes"], json!(["standard"]));
        assert_eq!(read_for(&made, &shown), Ok(None));
        let more = read_for(&made, &json!({"schemes": ["standard", "hub"]})).unwrap().unwrap();
        assert_eq!(more.secrets[0].key.expose(), "shared");
    }
}
