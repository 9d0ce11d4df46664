//! Delay tiers: the waiting times that have a topic of their own.

use std::fmt;
use std::time::Duration;

/// One waiting time. A record in a tier is held exactly this long from its append.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tier(Duration);

impl Tier {
    /// How long a record in this tier is held.
    pub const fn delay(self) -> Duration {
        self.0
    }
}

impl fmt::Display for Tier {
    /// The tier's name in a topic: the largest unit that divides it, `250ms`, `90s`, `4h`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0.as_millis();
        match millis {
            _ if !millis.is_multiple_of(1_000) => write!(f, "{millis}ms"),
            _ if !millis.is_multiple_of(60_000) => write!(f, "{}s", millis / 1_000),
            _ if !millis.is_multiple_of(3_600_000) => write!(f, "{}m", millis / 60_000),
            _ => write!(f, "{}h", millis / 3_600_000),
        }
    }
}

/// Why a list of delays cannot serve as tiers.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TierError {
    #[error("there is no tier")]
    None,
    #[error("{0:?} is shorter than the shortest tier, {SHORTEST:?}")]
    TooShort(Duration),
    #[error("{0:?} is not a whole number of milliseconds")]
    Fraction(Duration),
}

/// A tier below this would spend more on the hop than on the wait.
pub const SHORTEST: Duration = Duration::from_millis(250);

/// All tiers of an installation, ascending, never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tiers(Vec<Tier>);

impl Tiers {
    /// Sorts the delays and drops repeats.
    ///
    /// # Errors
    /// An empty list, or a delay that is under [`SHORTEST`] or not in whole milliseconds.
    pub fn new(delays: impl IntoIterator<Item = Duration>) -> Result<Self, TierError> {
        let mut tiers = Vec::new();
        for delay in delays {
            if delay < SHORTEST {
                return Err(TierError::TooShort(delay));
            }
            if !delay.subsec_nanos().is_multiple_of(1_000_000) {
                return Err(TierError::Fraction(delay));
            }
            tiers.push(Tier(delay));
        }
        tiers.sort_unstable();
        tiers.dedup();
        if tiers.is_empty() { Err(TierError::None) } else { Ok(Self(tiers)) }
    }

    /// The tiers that a lane's spills wait in.
    pub fn spills() -> Self {
        Self([1, 10, 60, 600].map(Duration::from_secs).map(Tier).to_vec())
    }

    pub fn iter(&self) -> impl Iterator<Item = Tier> + '_ {
        self.0.iter().copied()
    }

    /// The shortest tier of at least `delay`.
    pub fn at_least(&self, delay: Duration) -> Option<Tier> {
        self.iter().find(|tier| tier.delay() >= delay)
    }

    /// The longest tier of at most `delay`.
    pub fn at_most(&self, delay: Duration) -> Option<Tier> {
        self.iter().take_while(|tier| tier.delay() <= delay).last()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tier_is_named_by_the_largest_unit_that_divides_it() {
        let named = |millis| Tier(Duration::from_millis(millis)).to_string();
        assert_eq!(named(250), "250ms");
        assert_eq!(named(1_500), "1500ms");
        assert_eq!(named(90_000), "90s");
        assert_eq!(named(600_000), "10m");
        assert_eq!(named(115_200_000), "32h");
    }

    #[test]
    fn tiers_are_sorted_and_unusable_ones_are_refused() {
        let secs = |list: &[u64]| Tiers::new(list.iter().copied().map(Duration::from_secs));
        let names: Vec<String> =
            secs(&[5, 1, 5]).unwrap().iter().map(|tier| tier.to_string()).collect();
        assert_eq!(names, ["1s", "5s"]);
        assert_eq!(secs(&[]), Err(TierError::None));
        assert_eq!(secs(&[0]), Err(TierError::TooShort(Duration::ZERO)));
        let fraction = Duration::from_micros(300_500);
        assert_eq!(Tiers::new([fraction]), Err(TierError::Fraction(fraction)));
    }
}
