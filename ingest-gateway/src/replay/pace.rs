//! How many deliveries of a replay may be on their way. Pure.
//!
//! As many as their receivers finish in [`AHEAD`], so that an event of now never waits behind
//! more than that of a replay; some to begin with, and [`MOST_UNFINISHED`] at most.

use std::time::Duration;

/// Of one replay at a time.
pub(crate) const MOST_UNFINISHED: usize = 1_000;
const FEWEST_UNFINISHED: usize = 20;
/// The work that may wait in front of others', by how fast it was done lately.
const AHEAD: Duration = Duration::from_secs(2);
/// How much of the rate is that of the last round.
const NEWEST_SHARE: f64 = 0.3;

/// How fast a replay's deliveries come to their ends.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Pace {
    per_second: f64,
}

impl Pace {
    /// Notes that so many have come to their ends in that time.
    pub(crate) fn finished(&mut self, count: usize, within: Duration) {
        let newest = count as f64 / within.as_secs_f64().max(0.001);
        self.per_second += NEWEST_SHARE * (newest - self.per_second);
    }

    /// How many more may be written while so many are on their way.
    pub(crate) fn room(self, unfinished: usize) -> usize {
        let ahead = (self.per_second * AHEAD.as_secs_f64()) as usize;
        ahead.clamp(FEWEST_UNFINISHED, MOST_UNFINISHED).saturating_sub(unfinished)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUND: Duration = Duration::from_millis(250);

    /// The room after many rounds in which a receiver does so many each second, if it has them.
    fn settled(per_second: usize) -> usize {
        let (mut pace, mut unfinished, mut done) = (Pace::default(), 0, 0.0);
        for _ in 0..200 {
            unfinished += pace.room(unfinished);
            done += per_second as f64 * ROUND.as_secs_f64();
            let finished = unfinished.min(done as usize);
            done -= done.floor();
            unfinished -= finished;
            pace.finished(finished, ROUND);
        }
        pace.room(0)
    }

    #[test]
    fn what_waits_is_two_seconds_of_the_receivers_work_and_within_bounds() {
        assert_eq!(settled(0), FEWEST_UNFINISHED);
        assert_eq!(settled(4), FEWEST_UNFINISHED);
        assert!((180..=220).contains(&settled(100)), "{}", settled(100));
        assert_eq!(settled(100_000), MOST_UNFINISHED);
    }

    #[test]
    fn there_is_no_room_beyond_what_is_on_its_way() {
        assert_eq!(Pace::default().room(5), FEWEST_UNFINISHED - 5);
        assert_eq!(Pace::default().room(MOST_UNFINISHED), 0);
    }
}
