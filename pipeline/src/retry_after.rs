//! Reads a receiver's `Retry-After` header (RFC 9110, section 10.2.3).
//!
//! A bad header can cost nothing: what is not a whole number of seconds or an HTTP date is as
//! if it were absent, and no answer holds a delivery for longer than [`LONGEST`].

use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;

/// The longest wait that a receiver can ask for.
pub const LONGEST: Duration = Duration::from_secs(24 * 3_600);

/// How long from `now` the receiver asks to be left alone, at most [`LONGEST`].
///
/// A date that has passed is a wait of zero.
pub fn wait(header: &[u8], now: Timestamp) -> Option<Duration> {
    let text = std::str::from_utf8(header).ok()?.trim_ascii();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than a u64 holds are still a very long wait.
        return Some(text.parse().map_or(LONGEST, Duration::from_secs).min(LONGEST));
    }
    let date = DateTimeParser::new().parse_timestamp(text).ok()?;
    let wait = date.duration_since(now).max(jiff::SignedDuration::ZERO);
    Some(wait.unsigned_abs().min(LONGEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(header: &str) -> Option<Duration> {
        wait(header.as_bytes(), Timestamp::from_second(1_445_412_420).unwrap())
    }

    #[test]
    fn seconds_and_dates_are_read_and_clamped() {
        assert_eq!(read("120"), Some(Duration::from_secs(120)));
        assert_eq!(read(" 0 "), Some(Duration::ZERO));
        assert_eq!(read("Wed, 21 Oct 2015 07:28:00 GMT"), Some(Duration::from_secs(60)));
        assert_eq!(read("Wed, 21 Oct 2015 07:26:00 GMT"), Some(Duration::ZERO));
        assert_eq!(read("Tue, 21 Oct 2025 07:28:00 GMT"), Some(LONGEST));
        assert_eq!(read("999999999999999999999999"), Some(LONGEST));
    }

    #[test]
    fn junk_is_as_if_the_header_were_absent() {
        for junk in ["", "-1", "NaN", "1e300", "1.5", "soon", "\u{ff}"] {
            assert_eq!(read(junk), None, "{junk}");
        }
        assert_eq!(wait(b"\xff\xfe", Timestamp::UNIX_EPOCH), None);
    }
}
