//! Instants as contract A writes them: RFC 3339 in UTC, with exactly six digits and a `Z`.

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_always_six_digits() {
        for (micros, text) in [
            (0, "1970-01-01T00:00:00.000000Z"),
            (1_700_000_000_000_000, "2023-11-14T22:13:20.000000Z"),
            (1_700_000_000_123_400, "2023-11-14T22:13:20.123400Z"),
        ] {
            let instant = Timestamp::from_microsecond(micros).unwrap();
            let written = super::micros(&instant, serde_json::value::Serializer).unwrap();
            assert_eq!(written, text);
        }
    }
}
