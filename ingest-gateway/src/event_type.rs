//! An event's type, as far as every contract has it alike.

use http::HeaderMap;
use http::header::AsHeaderName;

/// The longest event type, in characters: the type stands in the record beside the body, and
/// a record must not outgrow what its topic takes.
pub(crate) const MAX_LENGTH: usize = 1_024;

/// The first value of a header. An empty one is none, as the second seed has it; bytes that are
/// not UTF-8 match no filter that anybody can have meant.
pub(crate) fn in_header(headers: &HeaderMap, name: impl AsHeaderName) -> Option<String> {
    let value = headers.get(name).filter(|value| !value.is_empty())?;
    Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
}
