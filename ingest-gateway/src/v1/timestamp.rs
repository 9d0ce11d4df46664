//! Instants as `/v1` writes them: RFC 3339 in UTC, with exactly six digits and a `Z`.

use jiff::Timestamp;
use serde::Serializer;

/// For `#[serde(serialize_with)]`.
pub(crate) fn micros<S: Serializer>(instant: &Timestamp, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(&format_args!("{instant:.6}"))
}

/// The same for an instant that may be missing.
pub(crate) fn optional_micros<S: Serializer>(
    instant: &Option<Timestamp>,
    to: S,
) -> Result<S::Ok, S::Error> {
    match instant {
        Some(instant) => micros(instant, to),
        None => to.serialize_none(),
    }
}
