//! Durations and sizes as people write them.

use std::time::Duration;

const DURATION_UNITS: [(&str, f64); 5] =
    [("ms", 0.001), ("s", 1.0), ("m", 60.0), ("h", 3_600.0), ("d", 86_400.0)];

const SIZE_UNITS: [(&str, usize); 4] =
    [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("", 1)];

/// No setting is longer than this: a year.
const LONGEST_SECONDS: f64 = 366.0 * 86_400.0;

/// Reads `250ms`, `10s`, `1.5h`; `None` if it is anything else, negative or over a year.
pub(crate) fn duration(text: &str) -> Option<Duration> {
    let digits_end = text.find(|c: char| c.is_ascii_alphabetic())?;
    let (number, unit) = text.split_at(digits_end);
    let (_, scale) = DURATION_UNITS.iter().find(|(name, _)| *name == unit)?;
    seconds_as_duration(number.parse::<f64>().ok()? * scale)
}

/// Reads a plain number of seconds, as the older services' variables have it.
pub(crate) fn seconds(text: &str) -> Option<Duration> {
    seconds_as_duration(text.parse().ok()?)
}

fn seconds_as_duration(seconds: f64) -> Option<Duration> {
    (0.0..=LONGEST_SECONDS).contains(&seconds).then(|| Duration::from_secs_f64(seconds))
}

/// Reads `512`, `64KiB`, `32MiB`; `None` if it is anything else or does not fit.
pub(crate) fn bytes(text: &str) -> Option<usize> {
    let (unit, scale) = SIZE_UNITS.iter().find(|(unit, _)| text.ends_with(unit))?;
    text[..text.len() - unit.len()].parse::<usize>().ok()?.checked_mul(*scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_in_every_unit_and_nothing_else_is() {
        assert_eq!(duration("250ms"), Some(Duration::from_millis(250)));
        assert_eq!(duration("1.5h"), Some(Duration::from_secs(5_400)));
        assert_eq!(duration("7d"), Some(Duration::from_secs(604_800)));
        for refused in ["", "10", "s", "-1s", "1w", "NaNs", "infs", "1e9d", "10 s"] {
            assert_eq!(duration(refused), None, "{refused}");
        }
    }

    #[test]
    fn sizes_are_read_in_binary_units_and_overflow_is_refused() {
        assert_eq!(bytes("512"), Some(512));
        assert_eq!(bytes("64KiB"), Some(65_536));
        for refused in ["", "KiB", "-1", "1MB", "99999999999GiB"] {
            assert_eq!(bytes(refused), None, "{refused}");
        }
    }
}
