//! How long calls took, as counts by class: class c is from 2^(c/2) to 2^((c+1)/2) microseconds
//! (`latency_class` in `migrations/V5__views.sql`).
//!
//! A quantile is told to within a class, whose bounds are 41 % apart: its calls are taken to be
//! spread evenly over the logarithm, which is a few percent off for what is measured in
//! practice (`a_quantile_is_a_few_percent_off`).

use std::collections::BTreeMap;

/// Counts by class.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct LatencyHistogram {
    counts: BTreeMap<i16, i64>,
}

/// The times in milliseconds below which these shares of all calls are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Quantiles {
    pub p50: f64,
    pub p95: f64,
    pub p99: f64,
}

impl LatencyHistogram {
    /// Counts so many more calls of a class.
    pub(crate) fn add(&mut self, class: i16, count: i64) {
        *self.counts.entry(class).or_default() += count;
    }

    /// Counts everything that another one has.
    pub(crate) fn merge(&mut self, other: &Self) {
        for (class, count) in &other.counts {
            self.add(*class, *count);
        }
    }

    /// `None` of no calls.
    pub(crate) fn quantiles(&self) -> Option<Quantiles> {
        Some(Quantiles {
            p50: self.quantile(0.5)?,
            p95: self.quantile(0.95)?,
            p99: self.quantile(0.99)?,
        })
    }

    /// The time in milliseconds below which that share of the calls is; `None` of no calls.
    pub(crate) fn quantile(&self, share: f64) -> Option<f64> {
        let total: i64 = self.counts.values().sum();
        let wanted = share * total as f64;
        let mut below = 0.0;
        for (class, count) in &self.counts {
            let count = *count as f64;
            if below < wanted && wanted <= below + count {
                let within = (wanted - below) / count;
                return Some(((f64::from(*class) + within) / 2.0).exp2() / 1_000.0);
            }
            below += count;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn class(micros: f64) -> i16 {
        (2.0 * micros.max(1.0).log2()).floor() as i16
    }

    fn of(micros: impl IntoIterator<Item = f64>) -> LatencyHistogram {
        let mut histogram = LatencyHistogram::default();
        micros.into_iter().for_each(|micros| histogram.add(class(micros), 1));
        histogram
    }

    #[test]
    fn a_quantile_is_a_few_percent_off() {
        // Spread as a sum of waits is: by the logarithm, around 30 ms.
        let calls: Vec<f64> = (1..10_000)
            .map(|n| {
                let share = f64::from(n) / 10_000.0;
                30_000.0 * ((share / (1.0 - share)).ln() * 0.45).exp()
            })
            .collect();
        let told = of(calls.iter().copied()).quantiles().unwrap();
        for (told, index) in [(told.p50, 4_999), (told.p95, 9_499), (told.p99, 9_899)] {
            let truth = calls[index] / 1_000.0;
            assert!((told / truth - 1.0).abs() < 0.05, "{told} is not {truth}");
        }
    }

    #[test]
    fn nothing_has_no_quantile_and_two_add_up() {
        assert_eq!(LatencyHistogram::default().quantiles(), None);
        let mut both = of([1_000.0, 2_000.0]);
        both.merge(&of([4_000.0]));
        assert_eq!(both, of([4_000.0, 2_000.0, 1_000.0]));
    }

    proptest! {
        #[test]
        fn every_quantile_lies_within_the_class_of_the_true_one(
            mut micros in prop::collection::vec(1.0_f64..6e7, 1..200),
            share in 0.001_f64..=1.0,
        ) {
            let told = of(micros.iter().copied()).quantile(share).unwrap() * 1_000.0;
            micros.sort_by(f64::total_cmp);
            let truth = micros[(share * micros.len() as f64).ceil() as usize - 1];
            let factor = 2_f64.sqrt() * 1.000_001;
            prop_assert!(told <= truth * factor && truth <= told * factor, "{told} {truth}");
        }
    }
}
