//! What is done with a delivery instead of a call: it ends, or it is put aside. Pure.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use pipeline::cascade::next_hop;
use pipeline::delivery::{Delivery, Wait};
use pipeline::outcome::{Kind, Outcome, Reason, State};
use pipeline::subscription::Subscription;
use pipeline::tier::Tiers;

use super::{Decision, Next, Queue, again, later, open_state, outcome};
use crate::lanes::{Spill, Stay};

/// How long a delivery is put aside whose subscription is not known in its version yet.
const CONFIGURATION_SPILL: Duration = Duration::from_secs(1);
/// How long it is put aside behind a pause or a breaker, the first time and at most; in between
/// it doubles with each release.
const SHORTEST_DOUBLING: Duration = Duration::from_secs(1);
const LONGEST_DOUBLING: Duration = Duration::from_secs(600);

/// The longest first stay that is only a guess.
const LONGEST_GUESS: Duration = Duration::from_secs(10);

/// Puts a delivery aside that its lane did not take.
pub(crate) fn spill_from_lane<W>(
    delivery: &Delivery,
    spill: &Spill<W>,
    spill_tiers: &Tiers,
    now: Timestamp,
) -> Decision {
    let delay = match spill.stay {
        Stay::Exact => spill.delay,
        Stay::Guessed => spill.delay.min(doubled(delivery).max(LONGEST_GUESS)),
        Stay::Doubling => spill.delay.max(doubled(delivery)),
    };
    put_aside(delivery, spill.reason, delay, spill.stay != Stay::Exact, spill_tiers, now)
}

/// Twice the last stay, if it was one of a row that doubles.
fn doubled(delivery: &Delivery) -> Duration {
    let before = delivery.wait.filter(|wait| wait.doubles).map_or(Duration::ZERO, |w| w.delay);
    before.saturating_mul(2).clamp(SHORTEST_DOUBLING, LONGEST_DOUBLING)
}

/// Puts a delivery aside for `delay` without a call; its attempt number stays.
pub(super) fn spill(
    delivery: &Delivery,
    reason: Reason,
    delay: Duration,
    spill_tiers: &Tiers,
    now: Timestamp,
) -> Decision {
    put_aside(delivery, reason, delay, false, spill_tiers, now)
}

fn put_aside(
    delivery: &Delivery,
    reason: Reason,
    delay: Duration,
    doubles: bool,
    spill_tiers: &Tiers,
    now: Timestamp,
) -> Decision {
    let wait = Wait { due_at: later(now, delay), delay, doubles };
    let next = again(delivery, delivery.attempt, wait);
    let state = open_state(delivery);
    let outcome = Outcome {
        reason: Some(reason),
        next_attempt_at: Some(wait.due_at),
        ..outcome(delivery, Kind::Spill, state, now)
    };
    let hop = next_hop(spill_tiers, delay, delay);
    Decision { outcome, next: Next::Again { hop, delivery: next, queue: Queue::Spills } }
}

/// Whom a delivery goes to. `known` is its subscription, if this process has it in the version
/// that the delivery names or a later one.
///
/// # Errors
/// What is done instead of a call: the delivery ends if its subscription is deleted, somebody has
/// cancelled it or it is too old, and is put aside if its subscription is not known or is paused.
pub(crate) fn callable(
    delivery: &Delivery,
    known: Option<Arc<Subscription>>,
    is_cancelled: bool,
    max_age: Duration,
    spill_tiers: &Tiers,
    now: Timestamp,
) -> Result<Arc<Subscription>, Box<Decision>> {
    let is_deleted = known.as_ref().is_some_and(|subscription| subscription.deleted);
    let cancelled = if is_deleted {
        Some(Reason::SubscriptionDeleted)
    } else {
        is_cancelled.then_some(Reason::CancelRequested)
    };
    if let Some(ended) = end(delivery, cancelled, max_age, now) {
        return Err(Box::new(ended));
    }
    let Some(subscription) = known else {
        let reason = Reason::ConfigurationBehind;
        return Err(Box::new(spill(delivery, reason, CONFIGURATION_SPILL, spill_tiers, now)));
    };
    if subscription.paused.is_some() {
        let delay = doubled(delivery);
        let spilled = put_aside(delivery, Reason::Paused, delay, true, spill_tiers, now);
        return Err(Box::new(spilled));
    }
    Ok(subscription)
}

fn end(
    delivery: &Delivery,
    cancelled: Option<Reason>,
    max_age: Duration,
    now: Timestamp,
) -> Option<Decision> {
    let ended = |state, reason| Outcome {
        reason: Some(reason),
        ..outcome(delivery, Kind::End, state, now)
    };
    if let Some(reason) = cancelled {
        let outcome = ended(State::Cancelled, reason);
        return Some(Decision { outcome, next: Next::Nothing });
    }
    let age = now.duration_since(delivery.accepted_at);
    if age <= SignedDuration::try_from(max_age).unwrap_or(SignedDuration::MAX) {
        return None;
    }
    let detail = format!("not delivered within {} s of its acceptance", max_age.as_secs());
    let outcome = ended(State::DeadLettered, Reason::Expired);
    Some(Decision { outcome, next: Next::DeadLetter { reason: Reason::Expired, detail } })
}
