use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use pipeline::ids::{DeliveryId, MessageId, SubscriptionId};
use pipeline::retry_on::Failure;
use pipeline::subscription::{PauseReason, Subscription};
use proptest::prelude::*;

use super::instead::spill;
use super::*;
use crate::lanes::{Spill, Stay};

pub(crate) fn delivery() -> Delivery {
    let id = |text: &str| text.parse().unwrap();
    Delivery {
        id: id("01935b5e-7f6a-7c61-8d2e-0a1b2c3d4e5f"),
        subscription_id: "01935b5e-7f6a-7c61-8d2e-0a1b2c3d4e60".parse::<SubscriptionId>().unwrap(),
        subscription_version: 1,
        message_id: "01935b5e-7f6a-7c61-8d2e-0a1b2c3d4e5f".parse::<MessageId>().unwrap(),
        event_type: None,
        content_type: "application/json".into(),
        accepted_at: Timestamp::from_second(1_795_000_000).unwrap(),
        attempt: 1,
        release: 0,
        wait: None,
        replay_of: None::<DeliveryId>,
        attributes: Vec::new(),
        body: Bytes::from_static(b"{}"),
    }
}

fn policy() -> RetryPolicy {
    RetryPolicy::Exponential {
        base: Duration::from_secs(10),
        factor: 3.0,
        longest: Duration::from_secs(900),
        attempts: 3,
    }
}

/// What follows from a call of a subscription that sets nothing.
fn after(delivery: &Delivery, made: Made) -> Decision {
    let policy = policy();
    after_call(delivery, made, RetryRules { policy: &policy, retry_on: None }, &tiers())
}

fn tiers() -> Tiers {
    Tiers::new([1, 2, 5, 10, 30, 60].map(Duration::from_secs)).unwrap()
}

fn answered(status: u16) -> Made {
    made(CallResult::Answered {
        status,
        retry_after: None,
        excerpt: "body".into(),
        truncated: false,
    })
}

fn made(result: CallResult) -> Made {
    Made {
        target_url: "https://example.com/".into(),
        started_at: Timestamp::from_second(1_795_000_001).unwrap(),
        latency: Duration::from_millis(20),
        result,
    }
}

#[test]
fn every_2xx_delivers_and_nothing_follows() {
    for status in 200..300 {
        let decision = after(&delivery(), answered(status));
        assert_eq!(decision.outcome.state, State::Delivered);
        assert_eq!(decision.next, Next::Nothing);
    }
}

#[test]
fn a_failure_waits_in_the_tier_of_its_delay_with_the_attempt_counted() {
    for status in [100, 199, 300, 302, 400, 404, 408, 425, 429, 500, 503, 999] {
        let decision = after(&delivery(), answered(status));
        assert_eq!(decision.outcome.state, State::Retrying, "{status}");
        assert_eq!(decision.outcome.attempt, 1);
        let Next::Again { hop: Hop::Hold(tier), delivery: next, queue: Queue::Retries } =
            decision.next
        else {
            panic!("{status} is not retried");
        };
        assert_eq!(tier.to_string(), "10s");
        assert_eq!((next.attempt, next.release), (2, 1));
        assert_eq!(decision.outcome.next_attempt_at, next.wait.map(|wait| wait.due_at));
    }
}

#[test]
fn the_last_attempt_is_given_up_and_so_is_a_receiver_that_is_gone() {
    let last = Delivery { attempt: 3, ..delivery() };
    let decision = after(&last, answered(500));
    assert_eq!(decision.outcome.state, State::DeadLettered);
    assert!(matches!(decision.next, Next::DeadLetter { reason: Reason::Exhausted, .. }));

    let decision = after(&delivery(), answered(410));
    assert!(matches!(decision.next, Next::DeadLetter { reason: Reason::Permanent, .. }));
}

#[test]
fn retry_after_raises_the_delay() {
    let result = CallResult::Answered {
        status: 503,
        retry_after: Some(b"60".to_vec()),
        excerpt: String::new(),
        truncated: false,
    };
    let decision = after(&delivery(), made(result));
    let Next::Again { delivery: next, .. } = decision.next else { panic!("not retried") };
    assert!(next.wait.unwrap().delay >= Duration::from_secs(60));
}

#[test]
fn a_spill_keeps_the_attempt_and_takes_the_next_release() {
    let now = Timestamp::from_second(1_795_000_002).unwrap();
    let second = Duration::from_secs(1);
    let reason = Reason::ConfigurationBehind;
    let decision = spill(&delivery(), reason, second, &Tiers::spills(), now);
    assert_eq!(decision.outcome.kind, Kind::Spill);
    let Next::Again { hop: Hop::Hold(tier), delivery: next, queue: Queue::Spills } = decision.next
    else {
        panic!("not spilled");
    };
    assert_eq!(tier.delay(), second);
    assert_eq!((next.attempt, next.release), (1, 1));
}

const WEEK: Duration = Duration::from_secs(7 * 86_400);

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_795_000_000 + seconds).unwrap()
}

fn subscription() -> Subscription {
    Subscription::new(delivery().subscription_id, "https://example.com/", at(0))
}

fn instead(delivery: &Delivery, known: Option<Subscription>, now: Timestamp) -> Option<Decision> {
    callable(delivery, known.map(Arc::new), false, WEEK, &Tiers::spills(), now).err().map(|d| *d)
}

#[test]
fn a_deleted_subscription_cancels_and_age_expires() {
    assert_eq!(instead(&delivery(), Some(subscription()), at(604_800)), None);
    let expired = instead(&delivery(), Some(subscription()), at(604_801)).unwrap();
    assert!(matches!(expired.next, Next::DeadLetter { reason: Reason::Expired, .. }));
    let deleted = Subscription { deleted: true, ..subscription() };
    let cancelled = instead(&delivery(), Some(deleted), at(1)).unwrap();
    assert_eq!(cancelled.outcome.state, State::Cancelled);
    assert_eq!(cancelled.next, Next::Nothing);
}

#[test]
fn an_unknown_subscription_is_waited_for_aside() {
    let decision = instead(&delivery(), None, at(1)).unwrap();
    assert_eq!(decision.outcome.reason, Some(Reason::ConfigurationBehind));
    assert!(matches!(decision.next, Next::Again { queue: Queue::Spills, .. }));
}

fn paused() -> Option<Subscription> {
    Some(Subscription { paused: Some(PauseReason::Operator), ..subscription() })
}

/// The delivery as it comes back after it was put aside.
fn back(decision: Decision) -> Delivery {
    let Next::Again { delivery, queue: Queue::Spills, .. } = decision.next else {
        panic!("not spilled");
    };
    Delivery::decode(delivery.encode()).unwrap()
}

#[test]
fn behind_a_pause_the_wait_doubles_with_each_release_from_a_second_to_ten_minutes() {
    let (mut delivery, mut seconds) = (delivery(), Vec::new());
    for release in 1..=12 {
        let decision = instead(&delivery, paused(), at(1)).unwrap();
        assert_eq!(decision.outcome.kind, Kind::Spill);
        assert_eq!(decision.outcome.reason, Some(Reason::Paused));
        delivery = back(decision);
        assert_eq!((delivery.attempt, delivery.release), (1, release));
        seconds.push(delivery.wait.unwrap().delay.as_secs());
    }
    assert_eq!(seconds, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600]);
}

#[test]
fn an_attempt_or_another_spill_starts_the_row_of_doubled_waits_anew() {
    let minute = |delivery| Delivery {
        wait: Some(Wait { due_at: at(0), delay: Duration::from_secs(60), doubles: true }),
        ..delivery
    };
    let paused_for = |delivery: &Delivery| {
        back(instead(delivery, paused(), at(1)).unwrap()).wait.unwrap().delay.as_secs()
    };
    assert_eq!(paused_for(&minute(delivery())), 120);
    let Next::Again { delivery: failed, .. } = after(&minute(delivery()), answered(500)).next
    else {
        panic!("not retried");
    };
    assert_eq!(paused_for(&failed), 1);
    let limited = spill(&minute(delivery()), Reason::Limited, WEEK, &Tiers::spills(), at(1));
    assert_eq!(paused_for(&back(limited)), 1);
}

#[test]
fn a_cancelled_delivery_ends_whatever_else_would_become_of_it() {
    let cancelled = |known: Option<Subscription>, now| {
        let known = known.map(Arc::new);
        callable(&delivery(), known, true, WEEK, &Tiers::spills(), now).unwrap_err()
    };
    for (known, now) in [
        (Some(subscription()), at(1)),
        (Some(subscription()), at(604_801)),
        (paused(), at(1)),
        (None, at(1)),
    ] {
        let decision = cancelled(known, now);
        assert_eq!(decision.outcome.kind, Kind::End);
        assert_eq!(decision.outcome.state, State::Cancelled);
        assert_eq!(decision.outcome.reason, Some(Reason::CancelRequested));
        assert_eq!(decision.next, Next::Nothing);
    }
    let deleted = cancelled(Some(Subscription { deleted: true, ..subscription() }), at(1));
    assert_eq!(deleted.outcome.reason, Some(Reason::SubscriptionDeleted));
}

#[test]
fn deleted_and_expired_come_before_a_pause() {
    let deleted = paused().map(|paused| Subscription { deleted: true, ..paused });
    let decision = instead(&delivery(), deleted, at(1)).unwrap();
    assert_eq!(decision.outcome.state, State::Cancelled);
    let decision = instead(&delivery(), paused(), at(604_801)).unwrap();
    assert_eq!(decision.outcome.reason, Some(Reason::Expired));
}

#[test]
fn a_subscriptions_rule_says_which_failures_are_retried_and_a_410_never_is() {
    let rule: RetryOn = RetryOn::new(vec![Failure::Status(429), Failure::Status(410)]);
    let policy = policy();
    let after = |result: Made| {
        let rules = RetryRules { policy: &policy, retry_on: Some(&rule) };
        after_call(&delivery(), result, rules, &tiers()).next
    };
    assert!(matches!(after(answered(429)), Next::Again { .. }));
    let refused = CallResult::Failed { kind: "refused", detail: "connection refused".into() };
    for (made, said) in [
        (answered(500), "the receiver answered 500, which the subscription does not retry"),
        (made(refused), "connection refused, which the subscription does not retry"),
        (answered(410), "the receiver answered 410"),
    ] {
        let Next::DeadLetter { reason: Reason::Permanent, detail } = after(made) else {
            panic!("not given up: {said}");
        };
        assert_eq!(detail, said);
    }
}

proptest! {
    #[test]
    fn a_terminal_outcome_and_a_next_record_exclude_each_other(
        status in 0_u16..1_000, attempt in 1_u32..5, wait in any::<Option<Vec<u8>>>(),
    ) {
        let delivery = Delivery { attempt, ..delivery() };
        let result = CallResult::Answered {
            status, retry_after: wait, excerpt: String::new(), truncated: false,
        };
        let decision = after(&delivery, made(result));
        let goes_on = matches!(decision.next, Next::Again { .. });
        prop_assert_eq!(goes_on, !decision.outcome.state.is_terminal());
    }
}

#[test]
fn the_words_for_a_failed_call_are_those_of_the_published_schema() {
    let schema: serde_json::Value =
        serde_json::from_str(include_str!("../../../docs/schemas/outcome.schema.json")).unwrap();
    let call = &schema["properties"]["call"]["properties"];
    let listed: BTreeSet<&str> =
        call["error_kind"]["enum"].as_array().unwrap().iter().flat_map(|w| w.as_str()).collect();
    let own = egress::FailureKind::ALL.map(egress::FailureKind::as_str);
    assert_eq!(listed, own.into_iter().chain([NOT_2XX, UNUSABLE_SECRET]).collect());
}

#[test]
fn a_late_call_is_told_and_ends_a_delivery_only_if_it_succeeded() {
    let retried = Delivery { attempt: 2, ..delivery() };
    for (delivery, status, state) in [
        (&delivery(), 200, State::Delivered),
        (&delivery(), 500, State::Pending),
        (&delivery(), 410, State::Pending),
        (&retried, 500, State::Retrying),
    ] {
        let outcome = late(delivery, answered(status));
        assert_eq!((outcome.state, outcome.late, outcome.kind), (state, true, Kind::Attempt));
        assert_eq!((outcome.reason, outcome.next_attempt_at), (None, None));
    }
}

/// How long a delivery is put aside that a lane gave back with `delay`, when its last stay was
/// `before`; all in seconds.
fn stay_of(before: Option<u64>, stay: Stay, delay: u64) -> u64 {
    let wait = |seconds| Wait { due_at: at(0), delay: Duration::from_secs(seconds), doubles: true };
    let delivery = Delivery { wait: before.map(wait), ..delivery() };
    let delay = Duration::from_secs(delay);
    let spill = Spill { work: (), reason: Reason::BreakerOpen, delay, stay };
    let spilled = spill_from_lane(&delivery, &spill, &Tiers::spills(), at(1));
    back(spilled).wait.unwrap().delay.as_secs()
}

#[test]
fn a_spill_behind_a_breaker_doubles_and_never_ends_before_the_breaker_rests() {
    assert_eq!(stay_of(None, Stay::Doubling, 5), 5);
    assert_eq!(stay_of(Some(4), Stay::Doubling, 5), 8);
    assert_eq!(stay_of(Some(500), Stay::Doubling, 5), 600);
}

#[test]
fn a_stay_for_a_limit_is_exact_and_a_guessed_one_at_most_twice_the_one_before() {
    assert_eq!(stay_of(Some(500), Stay::Exact, 1), 1);
    assert_eq!(stay_of(None, Stay::Exact, 400), 400);
    assert_eq!(stay_of(None, Stay::Guessed, 400), 10);
    assert_eq!(stay_of(Some(10), Stay::Guessed, 400), 20);
    assert_eq!(stay_of(Some(320), Stay::Guessed, 400), 400);
    assert_eq!(stay_of(Some(320), Stay::Guessed, 3), 3);
}

#[test]
fn what_a_call_says_of_its_receiver() {
    let wait = |status, header: &str| {
        let retry_after = Some(header.as_bytes().to_vec());
        let excerpt = String::new();
        call_end(&made(CallResult::Answered { status, retry_after, excerpt, truncated: false }))
    };
    for (status, verdict, slows) in [
        (204, Verdict::Well, false),
        (302, Verdict::Well, false),
        (404, Verdict::Well, false),
        (408, Verdict::Unwell, false),
        (429, Verdict::Unwell, true),
        (500, Verdict::Unwell, false),
        (503, Verdict::Unwell, true),
    ] {
        let hold = slows.then_some(Duration::ZERO);
        assert_eq!(call_end(&answered(status)), CallEnd { verdict, hold }, "{status}");
        let hold = slows.then_some(Duration::from_secs(7));
        assert_eq!(wait(status, "7"), CallEnd { verdict, hold }, "{status} with Retry-After");
    }
    let refused = CallResult::Failed { kind: "refused", detail: String::new() };
    assert_eq!(call_end(&made(refused)).verdict, Verdict::Unanswered);
}
