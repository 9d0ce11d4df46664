//! How fast a partition may be released, so that a wave of old retries does not bury fresh
//! events: the generic cell rate algorithm (ITU-T I.371), with a burst of a tenth of a second.

use std::time::{Duration, Instant};

/// How far a partition may be ahead of its rate.
const BURST: Duration = Duration::from_millis(100);

/// The pace of one partition.
#[derive(Debug, Clone)]
pub(crate) struct Pace {
    interval: Duration,
    /// When the next release would come if all were evenly spaced.
    even_at: Instant,
}

impl Pace {
    /// At most `rate` releases a second.
    pub fn new(rate: usize, now: Instant) -> Self {
        Self { interval: Duration::from_secs(1) / rate.max(1) as u32, even_at: now }
    }

    /// When the next release may happen; an instant that has passed means now.
    pub fn next_at(&self) -> Instant {
        self.even_at.checked_sub(BURST).unwrap_or(self.even_at)
    }

    /// Notes a release.
    pub fn released(&mut self, now: Instant) {
        self.even_at = self.even_at.max(now) + self.interval;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_second_sees_more_than_the_rate_and_its_burst(
            rate in 1_usize..5_000, step_micros in 1_u64..5_000,
        ) {
            let start = Instant::now();
            let mut pace = Pace::new(rate, start);
            let (mut now, mut released) = (start, 0_usize);
            while now < start + Duration::from_secs(1) {
                if pace.next_at() <= now {
                    pace.released(now);
                    released += 1;
                }
                now += Duration::from_micros(step_micros);
            }
            prop_assert!(released <= rate + rate / 10 + 2, "{released} at {rate}");
        }
    }
}
