//! From the bytes of one item to the event that is published.
//!
//! Pure but for the id of an event that nobody named: its caller draws it.

use bytes::Bytes;
use pipeline::cloud_event::{CloudEvent, CloudEventError};
use pipeline::fan_out;
use serde_json::Value;
use serde_json::value::RawValue;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::event_type::MAX_LENGTH as MAX_EVENT_TYPE;
use crate::json_fields::{self, Fields, NoFields, NotJson, NotText};
use crate::v1::event_request::{ItemForm, is_json};
use crate::v1::idempotency::{IdempotencyKey, NotAKey};

/// The source of events that are no CloudEvents. Keys of the API will name their producers.
const SOURCE: &str = "urn:hooklog:producer:anonymous";
const JSON: &str = "application/json";

/// An event, and the key that names it if it is not named by its own source and id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Item {
    pub event: CloudEvent,
    pub key: Option<IdempotencyKey>,
}

/// An event that says its type beside its body.
#[derive(ToSchema)]
#[schema(as = v1::DescribedEvent, example = json!({"event_type": "order.created", "data": {"n": 1}}))]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only the schema is used; the item is read field by field")]
pub(crate) struct DescribedEvent {
    #[schema(min_length = 1, max_length = 1024, pattern = r"^[^\u0000]+$")]
    event_type: String,
    /// What is delivered, as it is written here.
    data: Value,
    /// Names the event; a repeat is delivered once.
    #[schema(min_length = 1, max_length = 255, pattern = r"^[\x21-\x7e]+$")]
    idempotency_key: Option<String>,
}

/// A CloudEvent 1.0 in the JSON event format.
#[derive(ToSchema)]
#[schema(
    as = v1::CloudEvent,
    example = json!({
        "specversion": "1.0", "id": "1", "source": "/shop", "type": "order.created", "data": {"n": 1},
    }),
)]
#[expect(dead_code, reason = "only the schema is used; the item is read by its own rules")]
pub(crate) struct CloudEventShape {
    #[schema(pattern = "^1\\.0$")]
    specversion: String,
    #[schema(min_length = 1, max_length = 255)]
    id: String,
    #[schema(min_length = 1, max_length = 255)]
    source: String,
    #[schema(min_length = 1, max_length = 255)]
    r#type: String,
    data: Option<Value>,
}

/// Why bytes are no event. Holds none of them but a field's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotAnItem {
    #[error("The item is not JSON at byte {at}: {words}.")]
    NotJson { at: usize, words: String },
    #[error("The item is not a JSON object.")]
    NotAnObject,
    #[error("The field {0} is missing.")]
    Missing(&'static str),
    #[error("The field {0} is unknown: an event has event_type, data and idempotency_key.")]
    Unknown(String),
    #[error("The field {0} is not a text, or holds a character that none can.")]
    NotText(&'static str),
    #[error("The field event_type has 1 to {MAX_EVENT_TYPE} characters.")]
    TypeLength,
    #[error("{0}.")]
    Key(#[from] NotAKey),
    #[error("The item is no CloudEvent: {0}.")]
    CloudEvent(#[from] CloudEventError),
}

impl NotAnItem {
    /// The stable code of `/v1`.
    pub(crate) const fn code(&self) -> &'static str {
        match self {
            Self::NotJson { .. } => "malformed_json",
            Self::Key(_) => "invalid_idempotency_key",
            Self::CloudEvent(_) => "invalid_cloud_event",
            _ => "invalid_event",
        }
    }
}

/// Reads an item. `drawn` becomes the id of an event that has neither an own one nor a key;
/// `key` names the item unless it says so itself.
///
/// # Errors
/// [`NotAnItem`].
pub(crate) fn read(
    form: &ItemForm,
    bytes: Bytes,
    key: Option<IdempotencyKey>,
    drawn: Uuid,
) -> Result<Item, NotAnItem> {
    match form {
        ItemForm::Raw(event_type) => raw(event_type.clone(), JSON.to_owned(), bytes, key, drawn),
        ItemForm::CloudEvent => cloud_event(CloudEvent::from_structured(&bytes)?),
        ItemForm::Described => described(&bytes, key, drawn),
    }
}

/// An event whose body is given as it is. What says that it is JSON has to be JSON.
///
/// # Errors
/// [`NotAnItem::NotJson`].
pub(crate) fn raw(
    event_type: String,
    content_type: String,
    data: Bytes,
    key: Option<IdempotencyKey>,
    drawn: Uuid,
) -> Result<Item, NotAnItem> {
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if is_json(&essence) {
        json_fields::value(&data).map_err(not_json)?;
    }
    let id = match &key {
        Some(key) => fan_out::event_id(SOURCE, key.as_str(), &event_type, &data),
        None => drawn,
    };
    let event = CloudEvent {
        source: SOURCE.to_owned(),
        id: id.to_string(),
        event_type,
        content_type: Some(content_type),
        attributes: Vec::new(),
        data,
    };
    Ok(Item { event, key })
}

/// A CloudEvent is named by its source and its id, whatever key stands beside it. Its own name
/// is a key too: a repeat gets the same answer, and another body under it is told.
///
/// # Errors
/// Its type is too long.
pub(crate) fn cloud_event(event: CloudEvent) -> Result<Item, NotAnItem> {
    if event.event_type.chars().count() > MAX_EVENT_TYPE {
        return Err(NotAnItem::TypeLength);
    }
    // An id that could be no key of a header is not remembered here; its deliveries are derived
    // from it all the same.
    let key = IdempotencyKey::new(&event.id).ok();
    Ok(Item { event, key })
}

fn described(bytes: &Bytes, key: Option<IdempotencyKey>, drawn: Uuid) -> Result<Item, NotAnItem> {
    const NAMES: [&str; 4] = ["specversion", "event_type", "data", "idempotency_key"];
    let mut unknown = None;
    let fields = json_fields::read_noting(bytes, NAMES, |other| {
        unknown.get_or_insert_with(|| other.chars().take(MAX_EVENT_TYPE).collect::<String>());
    });
    let Fields { values: [version, event_type, data, own_key], .. } = fields.map_err(no_fields)?;
    if version.is_some() {
        return cloud_event(CloudEvent::from_structured(bytes)?);
    }
    if let Some(unknown) = unknown {
        return Err(NotAnItem::Unknown(unknown));
    }
    let event_type = text("event_type", event_type.ok_or(NotAnItem::Missing("event_type"))?)?;
    if !(1..=MAX_EVENT_TYPE).contains(&event_type.chars().count()) {
        return Err(NotAnItem::TypeLength);
    }
    let data = data.ok_or(NotAnItem::Missing("data"))?;
    let own_key = own_key.filter(|value| !json_fields::is_null(value));
    let key = match own_key {
        Some(own) => Some(IdempotencyKey::new(&text("idempotency_key", own)?)?),
        None => key,
    };
    // A part of the item: the item's memory is shared and not copied.
    let data = bytes.slice_ref(data.get().as_bytes());
    raw(event_type, JSON.to_owned(), data, key, drawn)
}

fn text(name: &'static str, value: &RawValue) -> Result<String, NotAnItem> {
    json_fields::text(value).map_err(|_: NotText| NotAnItem::NotText(name))
}

fn not_json(NotJson { at, words }: NotJson) -> NotAnItem {
    NotAnItem::NotJson { at, words }
}

fn no_fields(why: NoFields<'_>) -> NotAnItem {
    match why {
        NoFields::NotJson(why) => not_json(why),
        NoFields::Empty | NoFields::NotAnObject(_) => NotAnItem::NotAnObject,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn described(json: &str) -> Result<Item, NotAnItem> {
        read(&ItemForm::Described, Bytes::from(json.to_owned()), None, Uuid::nil())
    }

    #[test]
    fn a_described_event_is_its_datas_own_text() {
        let item = described(r#"{"data": {"a": 1.50}, "event_type": "a.b"}"#).unwrap();
        assert_eq!(item.event.data, r#"{"a": 1.50}"#);
        assert_eq!((item.event.event_type.as_str(), item.key), ("a.b", None));
        assert_eq!(item.event.id, Uuid::nil().to_string());
        assert_eq!(item.event.content_type.as_deref(), Some(JSON));
    }

    #[test]
    fn an_items_own_key_goes_before_the_requests() {
        let key = |text| IdempotencyKey::new(text).ok();
        let read = |json: &str| {
            read(&ItemForm::Described, Bytes::from(json.to_owned()), key("k"), Uuid::nil()).unwrap()
        };
        let own = read(r#"{"event_type":"t","data":1,"idempotency_key":"own"}"#);
        let from_request = read(r#"{"event_type":"t","data":1,"idempotency_key":null}"#);
        assert_eq!((own.key, from_request.key), (key("own"), key("k")));
        assert_ne!(own.event.id, from_request.event.id);
        assert_eq!(from_request.event.id, read(r#"{"event_type":"t","data":1}"#).event.id);
    }

    #[test]
    fn a_cloud_event_among_described_ones_is_one_and_names_itself() {
        let json = r#"{"specversion":"1.0","id":"1","source":"/s","type":"t","x":"y","data":2}"#;
        let item = described(json).unwrap();
        assert_eq!((item.event.source.as_str(), item.event.data.as_ref()), ("/s", &b"2"[..]));
        assert_eq!(item.key, IdempotencyKey::new("1").ok());
    }

    #[test]
    fn each_thing_that_is_wrong_has_its_code() {
        for (json, code, said) in [
            ("", "invalid_event", "not a JSON object"),
            ("[]", "invalid_event", "not a JSON object"),
            ("{", "malformed_json", "byte"),
            (r#"{"data":NaN,"event_type":"t"}"#, "malformed_json", "byte 8"),
            (r#"{"data":1}"#, "invalid_event", "event_type is missing"),
            (r#"{"event_type":"t"}"#, "invalid_event", "data is missing"),
            (r#"{"event_type":7,"data":1}"#, "invalid_event", "event_type is not a text"),
            (r#"{"event_type":"","data":1}"#, "invalid_event", "1 to 1024"),
            (r#"{"event_type":"\u0000","data":1}"#, "invalid_event", "event_type"),
            (r#"{"event_type":"\ud800","data":1}"#, "invalid_event", "event_type"),
            (r#"{"event_type":"t","data":1,"more":1}"#, "invalid_event", "more is unknown"),
            (
                r#"{"event_type":"t","data":1,"idempotency_key":" "}"#,
                "invalid_idempotency_key",
                "visible",
            ),
            (r#"{"specversion":"1.0"}"#, "invalid_cloud_event", "id is missing"),
        ] {
            let error = described(json).unwrap_err();
            assert_eq!(error.code(), code, "{json}");
            assert!(error.to_string().contains(said), "{json}: {error}");
        }
    }

    #[test]
    fn what_says_that_it_is_json_has_to_be_json_and_anything_else_goes_as_it_is() {
        let read = |content_type: &str, data: &'static [u8]| {
            let data = Bytes::from_static(data);
            raw("t".into(), content_type.into(), data, None, Uuid::nil())
        };
        assert!(read("application/json", b"{}").is_ok());
        assert!(read("application/vnd.x+JSON; a=b", b"{").is_err());
        assert_eq!(read("image/png", b"\0\xff").unwrap().event.data, &b"\0\xff"[..]);
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in any::<Vec<u8>>(), json in "[\\[{\"a-z:, 0-9}\\]]{0,40}") {
            for bytes in [bytes, json.into_bytes()] {
                for form in [ItemForm::Raw("t".into()), ItemForm::CloudEvent, ItemForm::Described] {
                    let _ = read(&form, Bytes::from(bytes.clone()), None, Uuid::nil());
                }
            }
        }
    }
}
