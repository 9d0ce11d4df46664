//! Receivers, good and bad, and the chance that they are left to.

use std::time::Duration;

use super::{CallEnd, SECOND, Verdict};

/// What a call takes that is not answered.
const TIMEOUT: Duration = Duration::from_secs(10);

/// SplitMix64 (Steele, Lea and Flood, 2014).
pub(super) struct Random(pub u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Receiver {
    Good {
        millis: u64,
    },
    Hung,
    Refuses,
    Slow,
    /// Three in five answers are a 500.
    Flaky,
    /// Asks for two seconds of rest now and then.
    Throttles,
    /// Good and hung in turns of 30 seconds.
    Moody,
}

impl Receiver {
    /// How long a call takes that starts at `at`, and how it ends.
    pub fn answers(self, at: Duration, random: &mut Random) -> (Duration, CallEnd) {
        let well = CallEnd { verdict: Verdict::Well, hold: None };
        let with = |verdict| CallEnd { verdict, ..well };
        let millis = Duration::from_millis;
        match self {
            Self::Good { millis: most } => (millis(1 + random.below(most)), well),
            Self::Hung => (TIMEOUT, with(Verdict::Unanswered)),
            Self::Refuses => (millis(1), with(Verdict::Unanswered)),
            Self::Slow => (millis(2_000 + random.below(7_000)), well),
            Self::Flaky if random.below(5) < 3 => (millis(5), with(Verdict::Unwell)),
            Self::Flaky => (millis(5), well),
            Self::Throttles if random.below(10) == 0 => {
                (millis(3), CallEnd { verdict: Verdict::Unwell, hold: Some(2 * SECOND) })
            }
            Self::Throttles => (millis(3), well),
            Self::Moody if (at.as_secs() / 30) % 2 == 1 => Self::Hung.answers(at, random),
            Self::Moody => (millis(4), well),
        }
    }
}
