//! CloudEvents in the HTTP protocol binding: what its binary mode adds to the rules of
//! [`crate::cloud_event`]. Structured mode is the same document as in Kafka.

use bytes::Bytes;
use percent_encoding::percent_decode;

use crate::cloud_event::{CloudEvent, CloudEventError};

/// What the name of an attribute's header begins with, in lower case.
pub const HEADER_PREFIX: &str = "ce-";

/// Reads binary mode (CloudEvents HTTP protocol binding 1.0, section 3.1). `headers` are all of
/// the request's, with names in lower case; those without the prefix are passed over.
///
/// # Errors
/// The first rule that does not hold.
pub fn from_binary<'h>(
    headers: impl IntoIterator<Item = (&'h str, &'h [u8])>,
    content_type: Option<String>,
    data: Bytes,
) -> Result<CloudEvent, CloudEventError> {
    let mut attributes = Vec::new();
    for (name, value) in headers {
        if let Some(name) = name.strip_prefix(HEADER_PREFIX) {
            attributes.push((name.to_owned(), decoded(name, value)?));
        }
    }
    CloudEvent::from_attributes(attributes, content_type, data)
}

/// A header's value as an attribute's: unquoted if it is quoted, then percent-decoded
/// (section 3.1.3.2).
fn decoded(name: &str, value: &[u8]) -> Result<String, CloudEventError> {
    let unquoted = value.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\""));
    let value = match unquoted {
        None => percent_decode(value).collect::<Vec<u8>>(),
        Some(quoted) => percent_decode(&unescaped(quoted)).collect(),
    };
    String::from_utf8(value).map_err(|_| CloudEventError::NotText(name.to_owned()))
}

/// A quoted string's characters (RFC 9110, section 5.6.4).
fn unescaped(quoted: &[u8]) -> Vec<u8> {
    let mut bytes = quoted.iter().copied();
    let mut out = Vec::with_capacity(quoted.len());
    while let Some(byte) = bytes.next() {
        out.extend(if byte == b'\\' { bytes.next() } else { Some(byte) });
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(more: &[(&'static str, &'static str)]) -> Result<CloudEvent, CloudEventError> {
        let required =
            [("ce-specversion", "1.0"), ("ce-id", "1"), ("ce-source", "/s"), ("ce-type", "t")];
        let all = required.iter().chain(more).map(|(name, value)| (*name, value.as_bytes()));
        from_binary(all, Some("text/plain".to_owned()), Bytes::from_static(b"x"))
    }

    #[test]
    fn binary_mode_has_its_attributes_in_headers_and_its_data_in_the_body() {
        let event = read(&[("ce-subject", "a"), ("accept", "*/*")]).unwrap();
        assert_eq!((event.source.as_str(), event.id.as_str()), ("/s", "1"));
        assert_eq!(event.content_type.as_deref(), Some("text/plain"));
        assert_eq!(event.attributes, [("subject".to_owned(), "a".to_owned())]);
        assert_eq!(event.data, "x");
    }

    #[test]
    fn values_are_percent_decoded_and_unquoted() {
        // The examples of section 3.1.3.2 among them.
        for (header, value) in [
            ("Euro%20%E2%82%AC%20%F0%9F%98%80", "Euro \u{20ac} \u{1F600}"),
            ("%22%25", "\"%"),
            ("100%", "100%"),
            (r#""a \"b\" c""#, r#"a "b" c"#),
        ] {
            let event = read(&[("ce-subject", header)]).unwrap();
            assert_eq!(event.attribute("subject"), Some(value), "{header}");
        }
        assert_eq!(read(&[("ce-subject", "%ff")]), Err(CloudEventError::NotText("subject".into())));
    }

    #[test]
    fn what_is_written_to_kafka_is_read_from_there() {
        let event = read(&[("ce-subject", "a")]).unwrap();
        let headers: Vec<(String, Bytes)> = event
            .kafka_headers()
            .into_iter()
            .map(|(name, value)| (name, Bytes::from(value)))
            .collect();
        assert_eq!(CloudEvent::from_kafka(&headers, Some(event.data.clone())), Ok(event));
    }

    proptest! {
        #[test]
        fn arbitrary_headers_never_panic(name in "ce-[a-zA-Z0-9-]{0,4}", value in any::<Vec<u8>>()) {
            let _ = from_binary([(name.as_str(), value.as_slice())], None, Bytes::new());
        }
    }
}
