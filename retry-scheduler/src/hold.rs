//! Until when a record is held, and where it goes then. Pure.

use std::time::Duration;

use jiff::Timestamp;
use pipeline::cascade::{Hop, next_hop};
use pipeline::delivery::Delivery;
use pipeline::tier::{Tier, Tiers};

/// How much longer a record that was appended at `appended_at_millis` (by the broker's clock)
/// is to be held in `tier`, seen at `now`.
///
/// At most the tier's whole delay, so that a broker whose clock is ahead by hours cannot hold a
/// record for hours.
pub(crate) fn remaining(tier: Tier, appended_at_millis: i64, now: Timestamp) -> Duration {
    let held_millis = now.as_millisecond().saturating_sub(appended_at_millis);
    let held = Duration::from_millis(u64::try_from(held_millis).unwrap_or(0));
    tier.delay().saturating_sub(held)
}

/// Where a delivery goes whose time in a tier is over. One without a due time is due.
pub(crate) fn after_tier(delivery: &Delivery, tiers: &Tiers, now: Timestamp) -> Hop {
    let Some(wait) = delivery.wait else { return Hop::Release };
    let left = wait.due_at.duration_since(now);
    if left.is_negative() {
        return Hop::Release;
    }
    next_hop(tiers, wait.delay, left.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use pipeline::delivery::Wait;

    use super::*;

    fn tiers() -> Tiers {
        Tiers::new([1, 10, 60].map(Duration::from_secs)).unwrap()
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_795_000_000 + seconds).unwrap()
    }

    fn due_in(seconds: i64) -> Delivery {
        let id = "01935b5e-7f6a-7c61-8d2e-0a1b2c3d4e5f";
        let delay = Duration::from_secs(seconds.unsigned_abs());
        Delivery {
            id: id.parse().unwrap(),
            subscription_id: id.parse().unwrap(),
            subscription_version: 1,
            message_id: id.parse().unwrap(),
            event_type: None,
            content_type: String::new(),
            accepted_at: at(0),
            attempt: 2,
            release: 1,
            wait: Some(Wait { due_at: at(seconds), delay, doubles: false }),
            replay_of: None,
            attributes: Vec::new(),
            body: Bytes::new(),
        }
    }

    #[test]
    fn a_record_is_held_for_its_tier_from_its_append_and_never_longer() {
        let tier = tiers().at_least(Duration::from_secs(10)).unwrap();
        let appended = at(0).as_millisecond();
        assert_eq!(remaining(tier, appended, at(0)), Duration::from_secs(10));
        assert_eq!(remaining(tier, appended, at(4)), Duration::from_secs(6));
        assert_eq!(remaining(tier, appended, at(11)), Duration::ZERO);
        assert_eq!(remaining(tier, appended, at(-3_600)), Duration::from_secs(10));
        assert_eq!(remaining(tier, i64::MIN, at(0)), Duration::ZERO);
    }

    #[test]
    fn what_is_due_is_released_and_what_is_not_hops_on() {
        assert_eq!(after_tier(&due_in(0), &tiers(), at(0)), Hop::Release);
        assert_eq!(after_tier(&due_in(5), &tiers(), at(3_600)), Hop::Release);
        let Hop::Hold(tier) = after_tier(&due_in(70), &tiers(), at(60)) else {
            panic!("released ten seconds early");
        };
        assert_eq!(tier.to_string(), "10s");
        let without = Delivery { wait: None, ..due_in(70) };
        assert_eq!(after_tier(&without, &tiers(), at(0)), Hop::Release);
    }
}
