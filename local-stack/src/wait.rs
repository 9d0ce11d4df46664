//! The one way to wait here: ask again and again, and give up at a bound that has a name.

use std::time::{Duration, Instant};

const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

/// Asks `probe` until it answers or `bound` has passed; it is asked at least once.
///
/// `None` means that the bound passed. A probe that itself waits must have a bound too.
#[must_use]
#[allow(clippy::disallowed_methods, reason = "the only pause: every caller names its bound")]
pub fn eventually<T>(bound: Duration, mut probe: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + bound;
    let mut pause = FIRST_PAUSE;
    loop {
        if let Some(answer) = probe() {
            return Some(answer);
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return None;
        }
        std::thread::sleep(pause.min(left));
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}
