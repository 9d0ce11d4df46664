//! Every delay from a second to three days, simulated over what decides in the real pipeline:
//! the policy with its jitter and `Retry-After`, the cascade, the hold, and where a record goes
//! after it.

use std::time::Duration;

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use pipeline::cascade::{Hop, next_hop, tolerance};
use pipeline::delivery::{Delivery, Wait};
use pipeline::ids::{DeliveryId, MessageId, SubscriptionId};
use pipeline::retry_after;
use pipeline::retry_policy::{LONGEST_DELAY, RetryPolicy};
use pipeline::tier::{Tier, Tiers};
use proptest::prelude::*;
use uuid::Uuid;

use crate::hold::{after_tier, remaining};

/// The longest time from a decision to the append that it caused.
const APPEND_LAG: Duration = Duration::from_millis(25);
/// The longest time for which the loop sleeps past a head's instant.
const LOOP_LAG: Duration = Duration::from_millis(50);
/// No cascade over the default tiers may be longer.
const MOST_HOPS: u32 = 16;

/// The tiers of an installation's defaults.
fn default_tiers() -> Tiers {
    let text = settings::Environment::from_pairs([]).unwrap();
    Tiers::new(text.durations("HOOKLOG_RETRY_TIERS").unwrap()).unwrap()
}

/// No cascade may be longer: each tier is used until the next one fits, and once more for hops that
/// a broker's clock makes shorter.
fn most_hops(tiers: &Tiers) -> u32 {
    let next = tiers.iter().skip(1).map(Tier::delay).chain([LONGEST_DELAY]);
    let per_tier =
        tiers.iter().zip(next).map(|(tier, next)| next.div_duration_f64(tier.delay()).ceil());
    per_tier.map(|hops| hops as u32 + 1).sum()
}

fn decided_at() -> Timestamp {
    Timestamp::from_second(1_795_000_000).unwrap()
}

fn later(at: Timestamp, by: Duration) -> Timestamp {
    at.checked_add(SignedDuration::try_from(by).unwrap()).unwrap()
}

/// Lags that differ from hop to hop, between nothing and the longest.
struct Lags(u64);

impl Lags {
    fn next(&mut self, longest: Duration) -> Duration {
        // Knuth's MMIX generator; its upper bits are even enough.
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
        longest.mul_f64((self.0 >> 40) as f64 / (1_u64 << 24) as f64)
    }
}

fn waiting(wait: Wait) -> Delivery {
    Delivery {
        id: DeliveryId::from_uuid(Uuid::nil()),
        subscription_id: SubscriptionId::from_uuid(Uuid::nil()),
        subscription_version: 1,
        message_id: MessageId::from_uuid(Uuid::nil()),
        event_type: None,
        content_type: String::new(),
        accepted_at: decided_at(),
        attempt: 2,
        release: 1,
        wait: Some(wait),
        replay_of: None,
        attributes: Vec::new(),
        body: Bytes::new(),
    }
}

/// When a delivery is released whose wait was decided at [`decided_at`], and after how many hops.
/// The broker's clock is ahead of everybody else's by `skew`.
fn release(tiers: &Tiers, wait: Wait, lags: &mut Lags, skew: SignedDuration) -> (Timestamp, u32) {
    let delivery = waiting(wait);
    let (mut now, mut hops) = (decided_at(), 0);
    let mut hop = next_hop(tiers, wait.delay, wait.delay);
    while let Hop::Hold(tier) = hop {
        now = later(now, lags.next(APPEND_LAG));
        let appended_at_millis = now.checked_add(skew).unwrap().as_millisecond();
        // Read as soon as it is the head, or later.
        now = later(now, lags.next(LOOP_LAG));
        let hold = remaining(tier, appended_at_millis, now);
        now = later(now, hold + lags.next(LOOP_LAG));
        hop = after_tier(&delivery, tiers, now);
        hops += 1;
        assert!(hops <= most_hops(tiers), "the cascade of {:?} does not end", wait.delay);
    }
    (later(now, lags.next(APPEND_LAG)), hops)
}

fn wait_of(delay: Duration) -> Wait {
    Wait { due_at: later(decided_at(), delay), delay, doubles: false }
}

fn seconds_late(wait: Wait, released_at: Timestamp) -> f64 {
    released_at.duration_since(wait.due_at).as_secs_f64()
}

/// Never early beyond the tolerance, and late by at most 10 % and a second, or the shortest tier
/// where that is longer.
fn assert_in_time(tiers: &Tiers, wait: Wait, released_at: Timestamp) {
    let (late, delay) = (seconds_late(wait, released_at), wait.delay);
    assert!(late >= -tolerance(delay).as_secs_f64(), "{delay:?} ended {} s early", -late);
    let shortest = tiers.iter().next().unwrap().delay().as_secs_f64();
    let latest = (delay.as_secs_f64() / 10.0 + 1.0).max(shortest);
    assert!(late <= latest, "{delay:?} ended {late} s late");
}

#[test]
fn every_second_from_one_to_three_days_ends_in_time_after_few_hops() {
    let (tiers, mut lags, mut all_hops) = (default_tiers(), Lags(1), 0);
    for seconds in 1..=LONGEST_DELAY.as_secs() {
        let wait = wait_of(Duration::from_secs(seconds));
        let (released_at, hops) = release(&tiers, wait, &mut lags, SignedDuration::ZERO);
        assert_in_time(&tiers, wait, released_at);
        assert!(hops <= MOST_HOPS, "{hops} hops for {seconds} s");
        all_hops += u64::from(hops);
    }
    let mean = all_hops as f64 / LONGEST_DELAY.as_secs() as f64;
    assert!(mean < 4.0, "{mean} hops on average");
}

#[test]
fn with_the_tiers_of_spills_every_tenth_of_a_second_to_an_hour_ends_in_time() {
    let (tiers, mut lags) = (Tiers::spills(), Lags(2));
    for tenths in 10..=36_000 {
        let wait = wait_of(Duration::from_millis(tenths * 100));
        let (released_at, _) = release(&tiers, wait, &mut lags, SignedDuration::ZERO);
        assert_in_time(&tiers, wait, released_at);
        assert!(seconds_late(wait, released_at) <= wait.delay.as_secs_f64() / 10.0 + 1.0);
    }
}

fn any_header() -> impl Strategy<Value = Option<String>> {
    prop_oneof![
        Just(None),
        (0_u64..400_000).prop_map(|seconds| Some(seconds.to_string())),
        Just(Some("999999999999999999999".to_owned())),
        Just(Some("Fri, 31 Dec 2199 23:59:59 GMT".to_owned())),
        Just(Some("-5".to_owned())),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn a_retry_with_jitter_and_retry_after_ends_in_time_and_never_before_what_was_asked_for(
        millis in 1_000_u64..=72 * 3_600_000,
        header in any_header(),
        id in any::<u128>(),
        seed in any::<u64>(),
    ) {
        let planned = Duration::from_millis(millis);
        let asked = header.and_then(|text| retry_after::wait(text.as_bytes(), decided_at()));
        let policy = RetryPolicy::Schedule { delays: vec![planned] };
        let id = DeliveryId::from_uuid(Uuid::from_u128(id));
        let delay = policy.delay_after(1, asked, id).unwrap();
        let raised = planned.max(asked.unwrap_or_default());
        prop_assert!(delay >= raised && delay <= raised.mul_f64(1.1), "{delay:?} for {raised:?}");
        prop_assert!(asked.is_none_or(|asked| asked <= retry_after::LONGEST));

        let (tiers, wait) = (default_tiers(), wait_of(delay));
        let (released_at, _) = release(&tiers, wait, &mut Lags(seed), SignedDuration::ZERO);
        assert_in_time(&tiers, wait, released_at);
    }

    #[test]
    fn a_brokers_clock_that_is_ahead_by_hours_or_a_little_behind_changes_nothing(
        millis in 1_000_u64..=72 * 3_600_000,
        skew_millis in -100_i64..=7_200_000,
        seed in any::<u64>(),
    ) {
        let (tiers, wait) = (default_tiers(), wait_of(Duration::from_millis(millis)));
        let skew = SignedDuration::from_millis(skew_millis);
        let (released_at, _) = release(&tiers, wait, &mut Lags(seed), skew);
        assert_in_time(&tiers, wait, released_at);
    }
}

/// From a quarter of a second to 32 hours, as many short as long ones; often few and far apart.
fn any_tiers() -> impl Strategy<Value = Tiers> {
    let tier = (250_f64.ln()..115_200_000_f64.ln()).prop_map(|ln| ln.exp().ceil() as u64);
    prop::collection::vec(tier, 1..8)
        .prop_map(|millis| Tiers::new(millis.into_iter().map(Duration::from_millis)).unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn with_any_tiers_of_an_installations_own_no_delay_ends_early_or_later_than_they_force_it(
        tiers in any_tiers(),
        ln_millis in 1_000_f64.ln()..=(72.0 * 3_600_000_f64).ln(),
        seed in any::<u64>(),
    ) {
        let wait = wait_of(Duration::from_millis(ln_millis.exp() as u64));
        let (released_at, _) = release(&tiers, wait, &mut Lags(seed), SignedDuration::ZERO);
        assert_in_time(&tiers, wait, released_at);
    }
}
