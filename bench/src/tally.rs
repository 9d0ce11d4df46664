//! When the events of one cohort were meant to be sent, and when they arrived. Pure.
//!
//! Latency counts from the intended instant: a load that cannot keep its pace is late for its
//! receivers too (no coordinated omission). An event that has not arrived when its phase is
//! judged counts with all the time that it has been missing for.

use std::time::Duration;

use hdrhistogram::Histogram;

/// Microseconds since the bench started.
pub type Micros = u64;

/// What is longer counts as this.
const LONGEST: Duration = Duration::from_secs(3_600);

/// Not arrived.
const NEVER: Micros = Micros::MAX;

/// The events of one cohort.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    intended_at: Vec<Micros>,
    first_at: Vec<Micros>,
    arrived: usize,
    repeats: usize,
}

/// Latencies of a cohort, from the intended instant to the first arrival.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Latency {
    pub p50: Duration,
    pub p99: Duration,
    pub longest: Duration,
}

impl Tally {
    /// Notes an event that is to be sent at `at`, and numbers it.
    pub fn intend(&mut self, at: Micros) -> u32 {
        self.intended_at.push(at);
        self.first_at.push(NEVER);
        (self.intended_at.len() - 1) as u32
    }

    /// Notes an arrival; true if it is the event's first.
    pub fn arrive(&mut self, number: u32, at: Micros) -> bool {
        let Some(first_at) = self.first_at.get_mut(number as usize) else { return false };
        if *first_at != NEVER {
            self.repeats += 1;
            return false;
        }
        *first_at = at;
        self.arrived += 1;
        true
    }

    pub fn intended(&self) -> usize {
        self.intended_at.len()
    }

    /// Events that have arrived, each counted once.
    pub fn arrived(&self) -> usize {
        self.arrived
    }

    pub fn missing(&self) -> usize {
        self.intended() - self.arrived
    }

    /// Arrivals beyond each event's first.
    pub fn repeats(&self) -> usize {
        self.repeats
    }

    /// First arrivals in `from..to`, per second.
    pub fn throughput(&self, from: Micros, to: Micros) -> f64 {
        let arrived = self.first_at.iter().filter(|at| (from..to).contains(at)).count();
        arrived as f64 / Duration::from_micros(to.saturating_sub(from).max(1)).as_secs_f64()
    }

    /// The instants of the first and of the last first arrival.
    pub fn span(&self) -> Option<(Micros, Micros)> {
        let arrivals = || self.first_at.iter().copied().filter(|at| *at != NEVER);
        arrivals().min().zip(arrivals().max())
    }

    /// How long before its intended instant the earliest event arrived; zero if none was early.
    pub fn earliest(&self) -> Duration {
        let early = self.pairs().map(|(intended, first)| intended.saturating_sub(first));
        Duration::from_micros(early.max().unwrap_or(0))
    }

    fn pairs(&self) -> impl Iterator<Item = (Micros, Micros)> + '_ {
        self.intended_at.iter().copied().zip(self.first_at.iter().copied())
    }
}

/// The latencies of several tallies together, judged at `now`.
pub fn latency<'a>(tallies: impl IntoIterator<Item = &'a Tally>, now: Micros) -> Latency {
    let mut histogram = Histogram::<u64>::new_with_max(LONGEST.as_micros() as u64, 3)
        .unwrap_or_else(|_| unreachable!("the bounds are constants"));
    for (intended, first) in tallies.into_iter().flat_map(Tally::pairs) {
        histogram.saturating_record(first.min(now).saturating_sub(intended).max(1));
    }
    let at = |quantile| Duration::from_micros(histogram.value_at_quantile(quantile));
    Latency { p50: at(0.5), p99: at(0.99), longest: Duration::from_micros(histogram.max()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latency_counts_from_the_intended_instant_and_what_is_missing_counts_until_now() {
        let mut tally = Tally::default();
        for at in 0..100 {
            let number = tally.intend(at * 1_000);
            if number != 99 {
                assert!(tally.arrive(number, at * 1_000 + 500));
            }
        }
        let seen = latency([&tally], 10_099_000);
        assert_eq!(seen.p50.as_micros(), 500);
        assert_eq!(seen.p99.as_micros(), 500);
        assert!(seen.longest >= Duration::from_millis(9_990), "{seen:?}");
        assert_eq!((tally.intended(), tally.arrived(), tally.missing()), (100, 99, 1));
    }

    #[test]
    fn a_second_arrival_is_a_repeat_and_changes_nothing_else() {
        let mut tally = Tally::default();
        let number = tally.intend(1_000);
        assert!(tally.arrive(number, 900));
        assert!(!tally.arrive(number, 5_000));
        assert!(!tally.arrive(77, 5_000));
        assert_eq!(tally.repeats(), 1);
        assert_eq!(tally.span(), Some((900, 900)));
        assert_eq!(tally.earliest(), Duration::from_micros(100));
        assert_eq!(tally.throughput(0, 1_000_000), 1.0);
    }
}
