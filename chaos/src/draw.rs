//! What a run draws from its seed: the same seed draws the same numbers on every machine.

use std::time::Duration;

/// A stream of numbers (SplitMix64, Steele et al. 2014).
#[derive(Debug, Clone)]
pub struct Draw(u64);

impl Draw {
    /// The stream of a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Another stream of the same seed, so that what one part of a run draws does not depend on
    /// how much another part has drawn.
    pub fn stream(seed: u64, name: &str) -> Self {
        let named = name.bytes().fold(seed, |so_far, byte| Self(so_far ^ u64::from(byte)).number());
        Self(named)
    }

    /// Any number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }

    /// A number below `bound`; 0 if the bound is.
    pub fn below(&mut self, bound: usize) -> usize {
        if bound == 0 { 0 } else { (self.number() % bound as u64) as usize }
    }

    /// A duration in whole milliseconds, from `least` to `most`.
    pub fn between(&mut self, least: Duration, most: Duration) -> Duration {
        let span = most.saturating_sub(least).as_millis() as usize;
        least + Duration::from_millis(self.below(span + 1) as u64)
    }

    /// True `percent` times in a hundred.
    pub fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// One of the items.
    pub fn pick<T: Clone>(&mut self, items: &[T]) -> Option<T> {
        items.get(self.below(items.len())).cloned()
    }

    /// Puts the items into a drawn order (Fisher and Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_draws_the_same_again_and_streams_do_not_meet() {
        let numbers = |mut draw: Draw| [draw.number(), draw.number(), draw.number()];
        assert_eq!(numbers(Draw::new(7)), numbers(Draw::new(7)));
        assert_ne!(numbers(Draw::stream(7, "load")), numbers(Draw::stream(7, "faults")));
        assert_ne!(numbers(Draw::stream(7, "load")), numbers(Draw::stream(8, "load")));
    }

    #[test]
    fn what_is_drawn_lies_within_its_bounds() {
        let mut draw = Draw::new(1);
        let (least, most) = (Duration::from_millis(5), Duration::from_millis(9));
        for _ in 0..1_000 {
            assert!(draw.below(3) < 3);
            assert!((least..=most).contains(&draw.between(least, most)));
        }
        let mut items = [1, 2, 3, 4];
        draw.shuffle(&mut items);
        items.sort_unstable();
        assert_eq!(items, [1, 2, 3, 4]);
    }
}
