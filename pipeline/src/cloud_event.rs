//! CloudEvents 1.0 as records of the topic `events` carry them.
//!
//! Both modes of the Kafka protocol binding: binary (attributes in `ce_` headers, the value is
//! the data) and structured (the value is the JSON event format). What is read here is judged
//! by the specification and no further: a missing attribute is an error with its name, an
//! unknown extension is kept. What the SDKs of other languages really write is in the tests
//! here and in `hooklog/tests/journey/sdk.rs`.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::value::RawValue;

/// The extension that addresses one subscription instead of every matching one.
pub const SUBSCRIPTION_EXTENSION: &str = "subscription";

const HEADER_PREFIX: &str = "ce_";
const CONTENT_TYPE: &str = "content-type";
const STRUCTURED: &str = "application/cloudevents+json";
const BYTES: &str = "application/octet-stream";
const SPEC_VERSION: &str = "1.0";
/// Attributes that an event may have, and the bytes of their names and values together: they
/// travel in every delivery's header.
const MOST_ATTRIBUTES: usize = 64;
const MOST_ATTRIBUTE_BYTES: usize = 16 << 10;

/// An event as its producer described it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloudEvent {
    /// `source` and `id` together identify the event.
    pub source: String,
    pub id: String,
    pub event_type: String,
    /// `datacontenttype`.
    pub content_type: Option<String>,
    /// Every other attribute, by name, in the order of names; `specversion` is not among them.
    pub attributes: Vec<(String, String)>,
    /// The data's bytes; in structured mode the text that stands in the document.
    pub data: Bytes,
}

/// Why a record is no event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CloudEventError {
    #[error("the record is no CloudEvent: it has neither ce_ headers nor a JSON event as value")]
    NotAnEvent,
    #[error("the attribute {0} is missing or empty")]
    Missing(&'static str),
    #[error("specversion is {0:?}, and hooklog reads {SPEC_VERSION}")]
    Version(String),
    #[error("the attribute {0} is not a text")]
    NotText(String),
    #[error("{0:?} is not an attribute's name: lower-case letters and digits only")]
    Name(String),
    #[error("the attributes are too many, or too large")]
    TooLarge,
    #[error("the value is not a JSON object: {0}")]
    Json(String),
    #[error("data and data_base64 exclude each other")]
    TwoData,
    #[error("data_base64 is not base64")]
    Base64,
}

impl CloudEvent {
    /// Reads a Kafka record (CloudEvents Kafka protocol binding 1.0, sections 3.2 and 3.3).
    ///
    /// # Errors
    /// The first rule that does not hold.
    pub fn from_kafka(
        headers: &[(String, Bytes)],
        value: Option<Bytes>,
    ) -> Result<Self, CloudEventError> {
        let value = value.unwrap_or_default();
        let content_type = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case(CONTENT_TYPE));
        let content_type = content_type.map(|(name, value)| text(name, value)).transpose()?;
        if content_type.as_deref().is_some_and(is_structured) {
            return Self::from_structured(&value);
        }
        let mut attributes = Attributes::default();
        for (name, value) in headers {
            // A header without a value is an attribute that is not set; clients write one for
            // an undefined property.
            if let Some(name) = name.strip_prefix(HEADER_PREFIX)
                && !value.is_empty()
            {
                attributes.push(name, text(name, value)?)?;
            }
        }
        if attributes.named.is_empty() {
            return Self::from_undeclared(&value, content_type);
        }
        attributes.into_event(content_type, value)
    }

    /// Reads the JSON event format (CloudEvents JSON event format 1.0, sections 2 and 3).
    ///
    /// # Errors
    /// The first rule that does not hold.
    pub fn from_structured(document: &[u8]) -> Result<Self, CloudEventError> {
        let members = serde_json::from_slice(document)
            .map_err(|error| CloudEventError::Json(error.to_string()))?;
        Self::from_members(members, None)
    }

    /// Reads a JSON event that no header declares: structured mode may leave `content-type` out
    /// (Kafka binding, section 3.3.1), and Python's older SDK puts the data's own type there.
    fn from_undeclared(
        document: &[u8],
        content_type: Option<String>,
    ) -> Result<Self, CloudEventError> {
        let members: Members<'_> =
            serde_json::from_slice(document).map_err(|_| CloudEventError::NotAnEvent)?;
        if !members.contains_key("specversion") {
            return Err(CloudEventError::NotAnEvent);
        }
        Self::from_members(members, content_type)
    }

    fn from_members(
        members: Members<'_>,
        mut content_type: Option<String>,
    ) -> Result<Self, CloudEventError> {
        let mut attributes = Attributes::default();
        let (mut data, mut base64) = (None, None);
        for (name, value) in members {
            match name.as_str() {
                // A null here is data; anywhere else it means that the member is not there.
                "data" => data = Some(value),
                _ if value.get() == "null" => {}
                "data_base64" => base64 = Some(value),
                "datacontenttype" => content_type = Some(json_text(&name, value)?),
                _ => attributes.push(&name, scalar(&name, value)?)?,
            }
        }
        let data = match (data, base64) {
            (Some(_), Some(_)) => return Err(CloudEventError::TwoData),
            (None, Some(base64)) => {
                // Bytes of which nothing is said are not to be taken for JSON (section 3.1.2).
                content_type.get_or_insert_with(|| BYTES.to_owned());
                decode_base64(base64)?
            }
            (Some(data), None) => data_bytes(data, content_type.as_deref()),
            (None, None) => Bytes::new(),
        };
        attributes.into_event(content_type, data)
    }

    /// An event of attributes as a binding has spelled them, without a prefix, and its data.
    ///
    /// # Errors
    /// The first rule that does not hold.
    pub(crate) fn from_attributes(
        pairs: impl IntoIterator<Item = (String, String)>,
        content_type: Option<String>,
        data: Bytes,
    ) -> Result<Self, CloudEventError> {
        let mut attributes = Attributes::default();
        for (name, value) in pairs {
            attributes.push(&name, value)?;
        }
        attributes.into_event(content_type, data)
    }

    /// The headers of the event's record in binary mode (Kafka binding, section 3.2).
    pub fn kafka_headers(&self) -> Vec<(String, String)> {
        let own = [
            ("specversion", SPEC_VERSION),
            ("id", &self.id),
            ("source", &self.source),
            ("type", &self.event_type),
        ];
        let more = self.attributes.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let prefixed = own.into_iter().chain(more);
        let prefixed =
            prefixed.map(|(name, value)| (format!("{HEADER_PREFIX}{name}"), value.into()));
        let content_type = self.content_type.iter().map(|t| (CONTENT_TYPE.to_owned(), t.clone()));
        prefixed.chain(content_type).collect()
    }

    /// The value of an attribute that is not among the named fields.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// The members of a JSON event, with their values as they stand in it.
type Members<'a> = BTreeMap<String, &'a RawValue>;

#[derive(Default)]
struct Attributes {
    named: Vec<(String, String)>,
    bytes: usize,
}

impl Attributes {
    fn push(&mut self, name: &str, value: String) -> Result<(), CloudEventError> {
        let is_name = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        if name.is_empty() || !name.bytes().all(is_name) {
            return Err(CloudEventError::Name(name.to_owned()));
        }
        // A header may be there twice; the first one counts.
        if self.named.iter().any(|(known, _)| known == name) {
            return Ok(());
        }
        self.bytes += name.len() + value.len();
        if self.named.len() >= MOST_ATTRIBUTES || self.bytes > MOST_ATTRIBUTE_BYTES {
            return Err(CloudEventError::TooLarge);
        }
        self.named.push((name.to_owned(), value));
        Ok(())
    }

    fn into_event(
        mut self,
        content_type: Option<String>,
        data: Bytes,
    ) -> Result<CloudEvent, CloudEventError> {
        let version = self.required("specversion")?;
        if version != SPEC_VERSION {
            return Err(CloudEventError::Version(version));
        }
        // A type that stands among the attributes too is said once.
        let named_type = self.take("datacontenttype");
        let event = CloudEvent {
            id: self.required("id")?,
            source: self.required("source")?,
            event_type: self.required("type")?,
            content_type: content_type.or(named_type),
            attributes: {
                self.named.sort();
                self.named
            },
            data,
        };
        Ok(event)
    }

    fn take(&mut self, name: &str) -> Option<String> {
        let at = self.named.iter().position(|(known, _)| known == name)?;
        Some(self.named.swap_remove(at).1)
    }

    fn required(&mut self, name: &'static str) -> Result<String, CloudEventError> {
        self.take(name).filter(|value| !value.is_empty()).ok_or(CloudEventError::Missing(name))
    }
}

fn text(name: &str, value: &[u8]) -> Result<String, CloudEventError> {
    String::from_utf8(value.to_vec()).map_err(|_| CloudEventError::NotText(name.to_owned()))
}

fn json_text(name: &str, value: &RawValue) -> Result<String, CloudEventError> {
    serde_json::from_str(value.get()).map_err(|_| CloudEventError::NotText(name.to_owned()))
}

/// An attribute in JSON is a text, a number or a boolean (section 2.2).
fn scalar(name: &str, value: &RawValue) -> Result<String, CloudEventError> {
    match value.get().as_bytes().first() {
        Some(b'"') => json_text(name, value),
        Some(b'{' | b'[') | None => Err(CloudEventError::NotText(name.to_owned())),
        Some(_) => Ok(value.get().to_owned()),
    }
}

fn is_structured(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default();
    essence.trim().eq_ignore_ascii_case(STRUCTURED)
}

/// A JSON text in `data` is the data itself where the content type is JSON, or is not given;
/// otherwise a string stands for its characters (section 3.1.1).
fn data_bytes(data: &RawValue, content_type: Option<&str>) -> Bytes {
    let is_json = content_type.is_none_or(|content_type| {
        let essence = content_type.split(';').next().unwrap_or_default().trim();
        let essence = essence.to_ascii_lowercase();
        essence.ends_with("/json") || essence.ends_with("+json")
    });
    if !is_json && let Ok(text) = serde_json::from_str::<String>(data.get()) {
        return Bytes::from(text);
    }
    Bytes::copy_from_slice(data.get().as_bytes())
}

fn decode_base64(value: &RawValue) -> Result<Bytes, CloudEventError> {
    use base64::Engine as _;
    let text: String = serde_json::from_str(value.get()).map_err(|_| CloudEventError::Base64)?;
    let decoded = base64::engine::general_purpose::STANDARD.decode(text);
    decoded.map(Bytes::from).map_err(|_| CloudEventError::Base64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn headers(pairs: &[(&str, &str)]) -> Vec<(String, Bytes)> {
        let own = |(name, value): &(&str, &str)| {
            ((*name).to_owned(), Bytes::copy_from_slice(value.as_bytes()))
        };
        pairs.iter().map(own).collect()
    }

    const REQUIRED: [(&str, &str); 4] = [
        ("ce_specversion", "1.0"),
        ("ce_id", "A234-1234-1234"),
        ("ce_source", "/mycontext"),
        ("ce_type", "com.example.someevent"),
    ];

    #[test]
    fn binary_mode_keeps_the_values_bytes_and_every_attribute() {
        // The example of the Kafka binding, section 3.2.5, with an extension more.
        let mut given = REQUIRED.to_vec();
        given.push(("content-type", "application/avro"));
        given.push(("ce_time", "2018-04-05T03:56:24Z"));
        given.push(("ce_subscription", "s"));
        given.push(("unrelated", "x"));
        let value = Bytes::from_static(b"\0\xffavro");
        let event = CloudEvent::from_kafka(&headers(&given), Some(value.clone())).unwrap();
        assert_eq!((event.source.as_str(), event.id.as_str()), ("/mycontext", "A234-1234-1234"));
        assert_eq!(event.event_type, "com.example.someevent");
        assert_eq!(event.content_type.as_deref(), Some("application/avro"));
        assert_eq!(event.attribute("time"), Some("2018-04-05T03:56:24Z"));
        assert_eq!(event.attribute(SUBSCRIPTION_EXTENSION), Some("s"));
        assert_eq!(event.attributes.len(), 2);
        assert_eq!(event.data, value);
    }

    #[test]
    fn structured_mode_keeps_the_datas_own_text() {
        // The example of the Kafka binding, section 3.3.3, with JSON data.
        let document = r#"{"specversion":"1.0","type":"t","source":"/s","id":"1","n":7,"b":true,
            "datacontenttype":"application/json","data":{"a": 1.50,  "b":"\u00e9"}}"#;
        let given = headers(&[("content-type", "application/cloudevents+json; charset=UTF-8")]);
        let event = CloudEvent::from_kafka(&given, Some(document.into())).unwrap();
        assert_eq!(event.data, r#"{"a": 1.50,  "b":"\u00e9"}"#);
        assert_eq!(event.attribute("n"), Some("7"));
        assert_eq!(event.attribute("b"), Some("true"));
    }

    #[test]
    fn structured_data_is_text_or_base64_where_the_content_type_says_so() {
        let read = |rest: &str| {
            let head = r#"{"specversion":"1.0","type":"t","source":"/s","id":"1","#;
            CloudEvent::from_structured(format!("{head}{rest}}}").as_bytes())
        };
        let event = read(r#""datacontenttype":"text/xml","data":"<a/>""#).unwrap();
        assert_eq!(event.data, "<a/>");
        assert_eq!(read(r#""data":"<a/>""#).unwrap().data, "\"<a/>\"");
        assert_eq!(read(r#""data_base64":"AP8=""#).unwrap().data, b"\0\xff"[..]);
        assert_eq!(read(r#""data_base64":"%""#), Err(CloudEventError::Base64));
        assert_eq!(read(r#""data":1,"data_base64":"AA==""#), Err(CloudEventError::TwoData));
        assert_eq!(read(r#""x":{}"#), Err(CloudEventError::NotText("x".into())));
        assert_eq!(read(r#""X":"1""#), Err(CloudEventError::Name("X".into())));
    }

    #[test]
    fn a_null_is_data_and_otherwise_an_unset_member() {
        let read = |rest: &str| {
            let head = r#"{"specversion":"1.0","type":"t","source":"/s","id":"1","#;
            CloudEvent::from_structured(format!("{head}{rest}}}").as_bytes()).unwrap()
        };
        assert_eq!(read(r#""data":null"#).data, "null");
        assert_eq!(read(r#""data":1,"data_base64":null"#).data, "1");
        let unset = read(r#""subject":null,"datacontenttype":null"#);
        assert_eq!((unset.attributes, unset.content_type), (Vec::new(), None));
    }

    #[test]
    fn bytes_of_which_nothing_is_said_are_not_taken_for_json() {
        let document =
            r#"{"specversion":"1.0","type":"t","source":"/s","id":"1","data_base64":"AA=="}"#;
        let event = CloudEvent::from_structured(document.as_bytes()).unwrap();
        assert_eq!(event.content_type.as_deref(), Some("application/octet-stream"));
    }

    #[test]
    fn the_content_type_is_no_attribute_whichever_header_says_it() {
        // JavaScript's SDK writes both headers.
        let type_of = |headers_more: &[(&str, &str)]| {
            let given = [&REQUIRED[..], headers_more].concat();
            let event = CloudEvent::from_kafka(&headers(&given), None).unwrap();
            assert_eq!(event.attributes, []);
            event.content_type
        };
        let both = [("ce_datacontenttype", "text/xml"), ("content-type", "text/plain")];
        assert_eq!(type_of(&both).as_deref(), Some("text/plain"));
        assert_eq!(type_of(&both[..1]).as_deref(), Some("text/xml"));
        assert_eq!(type_of(&[("Content-Type", "text/css")]).as_deref(), Some("text/css"));
    }

    #[test]
    fn a_header_without_a_value_is_an_attribute_that_is_not_set() {
        let given = [&REQUIRED[..], &[("ce_subject", ""), ("ce_dataschema", "")]].concat();
        assert_eq!(CloudEvent::from_kafka(&headers(&given), None).unwrap().attributes, []);
    }

    #[test]
    fn of_a_header_that_is_there_twice_the_first_counts() {
        let given = [&REQUIRED[..], &[("ce_id", "2"), ("ce_x", "a"), ("ce_x", "0")]].concat();
        let event = CloudEvent::from_kafka(&headers(&given), None).unwrap();
        assert_eq!(event.id, REQUIRED[1].1);
        assert_eq!(event.attributes, [("x".to_owned(), "a".to_owned())]);
    }

    #[test]
    fn a_json_event_needs_no_header_that_declares_it() {
        let document = r#"{"specversion":"1.0","type":"t","source":"/s","id":"1","data":"a"}"#;
        let read = |given: &[(&str, &str)]| {
            CloudEvent::from_kafka(&headers(given), Some(document.into())).unwrap()
        };
        assert_eq!(read(&[]).data, "\"a\"");
        // Python's older SDK.
        let typed = read(&[("content-type", "text/plain")]);
        assert_eq!(
            (typed.content_type.as_deref(), &typed.data[..]),
            (Some("text/plain"), &b"a"[..])
        );

        for junk in ["", "x", "[]", r#"{"id":"1"}"#] {
            let said = CloudEvent::from_kafka(&[], Some(junk.into()));
            assert_eq!(said, Err(CloudEventError::NotAnEvent), "{junk}");
        }
        let said = CloudEvent::from_kafka(&[], Some(r#"{"specversion":"1.0"}"#.into()));
        assert_eq!(said, Err(CloudEventError::Missing("id")));
    }

    #[test]
    fn each_required_attribute_is_missed_by_name() {
        for left_out in 0..REQUIRED.len() {
            let mut given = REQUIRED.to_vec();
            let (name, _) = given.remove(left_out);
            let expected = name.strip_prefix("ce_").unwrap();
            let said = CloudEvent::from_kafka(&headers(&given), None).unwrap_err();
            assert!(matches!(said, CloudEventError::Missing(name) if name == expected), "{said}");
        }
        assert_eq!(CloudEvent::from_kafka(&[], None), Err(CloudEventError::NotAnEvent));
        let mut given = REQUIRED.to_vec();
        given[0].1 = "0.3";
        let said = CloudEvent::from_kafka(&headers(&given), None);
        assert_eq!(said, Err(CloudEventError::Version("0.3".into())));
    }

    #[test]
    fn attributes_are_bounded() {
        let mut given = headers(&REQUIRED);
        given.push(("ce_big".into(), Bytes::from(vec![b'x'; MOST_ATTRIBUTE_BYTES])));
        assert_eq!(CloudEvent::from_kafka(&given, None), Err(CloudEventError::TooLarge));
    }

    proptest! {
        #[test]
        fn arbitrary_records_never_panic(
            pairs in prop::collection::vec(("ce_[a-z]{0,4}|content-type|.{0,6}", any::<Vec<u8>>()), 0..8),
            value in any::<Option<Vec<u8>>>(),
        ) {
            let pairs: Vec<(String, Bytes)> =
                pairs.into_iter().map(|(name, value)| (name, Bytes::from(value))).collect();
            let _ = CloudEvent::from_kafka(&pairs, value.clone().map(Bytes::from));
            let _ = CloudEvent::from_structured(&value.unwrap_or_default());
        }
    }
}
