//! Instants as contract B writes them: as Python's `datetime.isoformat()` does in UTC, which
//! leaves the fraction out where there is none and else has six digits.

use jiff::Timestamp;
use serde::Serializer;

/// For `#[serde(serialize_with)]`.
pub(crate) fn isoformat<S: Serializer>(instant: &Timestamp, to: S) -> Result<S::Ok, S::Error> {
    let whole = instant.subsec_microsecond() == 0 && instant.subsec_millisecond() == 0;
    let text = if whole { format!("{instant:.0}") } else { format!("{instant:.6}") };
    to.collect_str(&format_args!("{}+00:00", text.trim_end_matches('Z')))
}

/// The same for an instant that may be missing.
pub(crate) fn optional_isoformat<S: Serializer>(
    instant: &Option<Timestamp>,
    to: S,
) -> Result<S::Ok, S::Error> {
    match instant {
        Some(instant) => isoformat(instant, to),
        None => to.serialize_none(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_six_digits_or_none() {
        for (micros, text) in [
            (0, "1970-01-01T00:00:00+00:00"),
            (1_700_000_000_000_000, "2023-11-14T22:13:20+00:00"),
            (1_700_000_000_123_000, "2023-11-14T22:13:20.123000+00:00"),
            (1_700_000_000_000_004, "2023-11-14T22:13:20.000004+00:00"),
        ] {
            let instant = Timestamp::from_microsecond(micros).unwrap();
            assert_eq!(isoformat(&instant, serde_json::value::Serializer).unwrap(), text);
        }
    }
}
