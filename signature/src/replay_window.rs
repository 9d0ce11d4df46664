//! How far a signed timestamp may be from now. A signature proves who wrote a request, and
//! this bounds for how long somebody else can send it again.

use std::time::Duration;

/// Why a timestamp was not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TimestampRejection {
    NotSeconds,
    TooOld,
    TooNew,
}

/// Accepts a plain decimal number of seconds since 1970 that is at most `tolerance` away from
/// `now_seconds`, either way.
pub(crate) fn judge(
    timestamp: &str,
    now_seconds: i64,
    tolerance: Duration,
) -> Result<(), TimestampRejection> {
    // `i64::from_str` also takes a leading plus sign.
    if !timestamp.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(TimestampRejection::NotSeconds);
    }
    let at: i64 = timestamp.parse().map_err(|_| TimestampRejection::NotSeconds)?;
    if now_seconds.abs_diff(at) <= tolerance.as_secs() {
        Ok(())
    } else if at < now_seconds {
        Err(TimestampRejection::TooOld)
    } else {
        Err(TimestampRejection::TooNew)
    }
}
