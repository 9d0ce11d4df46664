//! Which tier a waiting record goes through next.
//!
//! Every record in tier D is held exactly D from its append, so that append order is release
//! order and only a partition's head matters, whatever the backlog. A delay that no tier has is
//! made of several hops, each the longest that does not overshoot; only below the shortest tier is
//! late better than early.

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
/// tier that ends before it, and the record comes back here. What is due sooner than the shortest
/// tier ends is released if that is not early beyond the tolerance, and else is late by less than
/// that tier: so whoever wants short delays to be exact has a short tier.
pub fn next_hop(tiers: &Tiers, delay: Duration, remaining: Duration) -> Hop {
    if remaining <= SHORTEST {
        return Hop::Release;
    }
    let (tolerance, above) = (tolerance(delay), tiers.at_least(remaining));
    let final_hop = above.filter(|tier| tier.delay() <= remaining + tolerance);
    let hop = final_hop.or_else(|| tiers.at_most(remaining));
    // With none below, `above` is the shortest.
    hop.or_else(|| above.filter(|_| remaining > tolerance)).map_or(Hop::Release, Hop::Hold)
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
    fn walk(tiers: &Tiers, delay: Duration, lag: Duration) -> (Duration, u32) {
        let (mut waited, mut hops) = (Duration::ZERO, 0);
        while let Hop::Hold(tier) = next_hop(tiers, delay, delay.saturating_sub(waited)) {
            waited += tier.delay() + lag;
            hops += 1;
        }
        (waited, hops)
    }

    #[test]
    fn a_delay_equal_to_a_tier_needs_one_hop_and_waits_exactly_that() {
        let tiers = default_tiers();
        for tier in tiers.iter() {
            let expected =
                if tier.delay() == SHORTEST { (Duration::ZERO, 0) } else { (tier.delay(), 1) };
            assert_eq!(walk(&tiers, tier.delay(), Duration::ZERO), expected, "{tier}");
        }
    }

    #[test]
    fn hops_are_few_on_average_from_a_second_to_three_days() {
        let delays = (0..2_000).map(|i| Duration::from_secs_f64(1.0063_f64.powi(i)));
        let delays: Vec<Duration> = delays.filter(|d| d.as_secs() <= 72 * 3_600).collect();
        let tiers = default_tiers();
        let hops: u32 = delays.iter().map(|&delay| walk(&tiers, delay, Duration::ZERO).1).sum();
        let mean = f64::from(hops) / delays.len() as f64;
        assert!(mean < 2.5, "{mean} hops on average");
    }

    #[test]
    fn below_the_shortest_tier_a_rest_within_the_tolerance_is_released_and_any_other_held() {
        let millis = Duration::from_millis;
        let hop = |delay, rest| next_hop(&Tiers::spills(), millis(delay), millis(rest));
        let shortest = Hop::Hold(Tiers::spills().iter().next().unwrap());
        assert_eq!(hop(1_600, 250), Hop::Release);
        assert_eq!(hop(1_600, 251), shortest);
        assert_eq!(hop(1_600, 749), shortest);
        assert_eq!(hop(1_600, 750), shortest);
        assert_eq!(hop(4_400, 440), Hop::Release);
        assert_eq!(hop(4_400, 441), shortest);
    }

    /// From a quarter of a second to 32 hours, as many short as long ones.
    fn any_tiers() -> impl Strategy<Value = Tiers> {
        let tier = (250_f64.ln()..115_200_000_f64.ln()).prop_map(|ln| ln.exp().ceil() as u64);
        prop::collection::vec(tier, 1..6)
            .prop_map(|millis| Tiers::new(millis.into_iter().map(Duration::from_millis)).unwrap())
    }

    proptest! {
        #[test]
        fn with_any_tiers_no_delay_ends_early_beyond_the_tolerance_or_later_than_a_tier_forces_it(
            tiers in any_tiers(), millis in 251_u64..=3_600_000, lag_ms in 0_u64..20,
        ) {
            let (delay, lag) = (Duration::from_millis(millis), Duration::from_millis(lag_ms));
            let (waited, _) = walk(&tiers, delay, lag);
            prop_assert!(waited + tolerance(delay) >= delay, "early: {waited:?} of {delay:?}");
            let shortest = tiers.iter().next().unwrap().delay();
            let late = tolerance(delay).max(shortest) + lag;
            prop_assert!(waited <= delay + late, "late: {waited:?} of {delay:?}");
        }

        #[test]
        fn no_delay_ends_early_or_late_beyond_the_tolerance(
            millis in 251_u64..=72 * 3_600_000, lag_ms in 0_u64..20,
        ) {
            let delay = Duration::from_millis(millis);
            let (waited, hops) = walk(&default_tiers(), delay, Duration::from_millis(lag_ms));
            prop_assert!(hops < 64, "{hops} hops for {delay:?}");
            prop_assert!(waited + SHORTEST >= delay, "early: {waited:?} of {delay:?}");
            let lag = Duration::from_millis(lag_ms) * hops;
            prop_assert!(waited <= delay + tolerance(delay) + lag, "late: {waited:?} of {delay:?}");
        }
    }
}
