//! How many lanes there are, and how they stand. Pure.

use std::time::Instant;

use super::Lanes;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Census {
    pub lanes: usize,
    pub suspect: usize,
    /// Open, or about to be asked by a probe.
    pub breaker_open: usize,
    pub breaker_half_open: usize,
    /// Calls under way.
    pub in_flight: usize,
    /// Pieces of work that wait for their call, and the same in bytes.
    pub queued: usize,
    pub queued_bytes: usize,
}

impl<W> Lanes<W> {
    /// Looks at every lane.
    pub fn census(&self, now: Instant) -> Census {
        let mut census = Census {
            lanes: self.lanes.len(),
            in_flight: self.floor.running,
            queued: self.floor.queued,
            queued_bytes: self.floor.bytes,
            ..Census::default()
        };
        for lane in self.lanes.values() {
            census.suspect += usize::from(lane.is_suspect(now));
            let breaker = lane.breaker();
            if breaker.is_half_open() {
                census.breaker_half_open += 1;
            } else if !breaker.is_closed() {
                census.breaker_open += 1;
            }
        }
        census
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use pipeline::ids::SubscriptionId;
    use uuid::Uuid;

    use super::*;
    use crate::lanes::{Bounds, BreakerRules, CallEnd, LaneRules, Verdict};

    #[test]
    fn a_lane_is_counted_as_what_it_is() {
        let breaker = BreakerRules { attempts: 20, window: Duration::from_secs(60), unanswered: 1 };
        let mut lanes = Lanes::new(Bounds {
            in_flight: 10,
            lane_in_flight: 10,
            bytes: 1 << 20,
            lane_bytes: 1 << 20,
            queued: 100,
            max_hold: Duration::from_secs(10),
            breaker,
        });
        let mut now = Instant::now();
        let id = |number| SubscriptionId::from_uuid(Uuid::from_u128(number));
        for number in [1, 1, 2] {
            lanes.admit(id(number), LaneRules::default(), (), 7, now);
        }
        let (first, ()) = lanes.pick(now).unwrap();
        let (second, ()) = lanes.pick(now).unwrap();
        let busy = Census {
            lanes: 2,
            suspect: 2,
            in_flight: 2,
            queued: 1,
            queued_bytes: 7,
            ..Census::default()
        };
        assert_eq!(lanes.census(now), busy);

        lanes.ended(first, CallEnd { verdict: Verdict::Unanswered, hold: None }, now);
        lanes.ended(second, CallEnd { verdict: Verdict::Well, hold: None }, now);
        let ended = Census { lanes: 2, breaker_open: 1, ..Census::default() };
        assert_eq!(lanes.census(now), ended, "what was queued behind the breaker is spilled");

        now += Duration::from_secs(6);
        lanes.admit(id(1), LaneRules::default(), (), 7, now);
        let _probe = lanes.pick(now).unwrap();
        let probes = Census { lanes: 2, breaker_half_open: 1, in_flight: 1, ..Census::default() };
        assert_eq!(lanes.census(now), probes);
    }
}
