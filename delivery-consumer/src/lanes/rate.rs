//! A lane's rate limit: the generic cell rate algorithm (ITU-T I.371), which is a token bucket
//! of a second's calls that fills evenly. Pure.

use std::time::{Duration, Instant};

#[derive(Debug, Clone)]
pub(super) struct Rate {
    /// Calls per second; `None` is without bound.
    limit: Option<u32>,
    /// When the next call would come if all were evenly spaced.
    even_at: Instant,
}

impl Rate {
    pub fn new(limit: Option<u32>, now: Instant) -> Self {
        Self { limit, even_at: now }
    }

    /// Changes the limit; nought, which nobody can mean, counts as one.
    pub fn set(&mut self, limit: Option<u32>) {
        self.limit = limit.map(|limit| limit.max(1));
    }

    /// Between two calls at the full rate, rounded up so that it is never exceeded.
    pub fn interval(&self) -> Duration {
        self.limit.map_or(Duration::ZERO, |limit| {
            Duration::from_nanos(1_000_000_000_u64.div_ceil(u64::from(limit)))
        })
    }

    /// When the call after `ahead` more may start; an instant that has passed means now.
    pub fn allows_at(&self, ahead: u32, now: Instant) -> Instant {
        let Some(limit) = self.limit else { return now };
        let burst = self.interval() * (limit - 1);
        let even_at = self.even_at.max(now) + self.interval() * ahead;
        even_at.checked_sub(burst).unwrap_or(even_at)
    }

    /// Notes a call.
    pub fn called(&mut self, now: Instant) {
        self.even_at = self.even_at.max(now) + self.interval();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_span_sees_more_than_its_rate_and_one_second_of_burst(
            limit in 1_u32..50, steps in prop::collection::vec(0_u64..200, 1..60),
        ) {
            let start = Instant::now();
            let mut rate = Rate::new(None, start);
            rate.set(Some(limit));
            let (mut now, mut calls) = (start, Vec::new());
            for millis in steps {
                now += Duration::from_millis(millis);
                while rate.allows_at(0, now) <= now {
                    rate.called(now);
                    calls.push(now);
                }
            }
            for (first, from) in calls.iter().enumerate() {
                for (last, until) in calls.iter().enumerate().skip(first) {
                    let most = f64::from(limit) * (1.0 + until.duration_since(*from).as_secs_f64());
                    prop_assert!((last - first + 1) as f64 <= most + 1.0);
                }
            }
        }
    }

    #[test]
    fn without_a_limit_every_call_may_start_at_once() {
        let now = Instant::now();
        let mut rate = Rate::new(None, now);
        for _ in 0..1_000 {
            assert!(rate.allows_at(100_000, now) <= now);
            rate.called(now);
        }
    }
}
