//! Which tier a waiting record goes through next.
//!
//! Every record in tier D is held exactly D from its append, so that append order is release
//! order and only a partition's head matters, whatever the backlog. A delay that no tier has is
//! made of several hops, each the longest that does not overshoot.

use std::time::Duration;

use crate::tier::{SHORTEST, Tier, Tiers};

/// What to do with a record that is due in `remaining`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hop {
    /// It is due, or so nearly that another hop would cost more than it waits.
    Release,
    /// Hold it in this tier and ask again.
    Hold(Tier),
}

/// How far from its due time a record may be released: 10 % of its delay, at least 250 ms.
pub fn tolerance(delay: Duration) -> Duration {
    (delay / 10).max(SHORTEST)
}

/// Chooses the next hop of a record whose whole delay was `delay` and that is due in
/// `remaining` from now.
///
/// A tier that ends within the tolerance past the due time is the final hop; else the longest
/// tier that ends before it, and the record comes back here.
pub fn next_hop(tiers: &Tiers, delay: Duration, remaining: Duration) -> Hop {
    if remaining <= SHORTEST {
        return Hop::Release;
    }
    let final_hop =
        tiers.at_least(remaining).filter(|tier| tier.delay() <= remaining + tolerance(delay));
    final_hop.or_else(|| tiers.at_most(remaining)).map_or(Hop::Release, Hop::Hold)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn default_tiers() -> Tiers {
        let seconds = [
            1, 2, 5, 10, 30, 60, 120, 300, 600, 1_800, 3_600, 7_200, 14_400, 28_800, 57_600,
            115_200,
        ];
        let millis = std::iter::once(250).chain(seconds.map(|s| s * 1_000));
        Tiers::new(millis.map(Duration::from_millis)).unwrap()
    }

    /// Walks a delay to its release; each hop takes its tier and `lag` on top.
    fn walk(delay: Duration, lag: Duration) -> (Duration, u32) {
        let (mut waited, mut hops) = (Duration::ZERO, 0);
        while let Hop::Hold(tier) = next_hop(&default_tiers(), delay, delay.saturating_sub(waited))
        {
            waited += tier.delay() + lag;
            hops += 1;
            assert!(hops < 64, "the cascade of {delay:?} does not end");
        }
        (waited, hops)
    }

    #[test]
    fn a_delay_equal_to_a_tier_needs_one_hop_and_waits_exactly_that() {
        for tier in default_tiers().iter() {
            let expected =
                if tier.delay() == SHORTEST { (Duration::ZERO, 0) } else { (tier.delay(), 1) };
            assert_eq!(walk(tier.delay(), Duration::ZERO), expected, "{tier}");
        }
    }

    #[test]
    fn hops_are_few_on_average_from_a_second_to_three_days() {
        let delays = (0..2_000).map(|i| Duration::from_secs_f64(1.0063_f64.powi(i)));
        let delays: Vec<Duration> = delays.filter(|d| d.as_secs() <= 72 * 3_600).collect();
        let hops: u32 = delays.iter().map(|&delay| walk(delay, Duration::ZERO).1).sum();
        let mean = f64::from(hops) / delays.len() as f64;
        assert!(mean < 2.5, "{mean} hops on average");
    }

    proptest! {
        #[test]
        fn no_delay_ends_early_or_late_beyond_the_tolerance(
            millis in 251_u64..=72 * 3_600_000, lag_ms in 0_u64..20,
        ) {
            let delay = Duration::from_millis(millis);
            let (waited, hops) = walk(delay, Duration::from_millis(lag_ms));
            prop_assert!(waited + SHORTEST >= delay, "early: {waited:?} of {delay:?}");
            let lag = Duration::from_millis(lag_ms) * hops;
            prop_assert!(waited <= delay + tolerance(delay) + lag, "late: {waited:?} of {delay:?}");
        }
    }
}
