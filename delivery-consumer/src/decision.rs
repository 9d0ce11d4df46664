//! What follows from a call, or from making none. Pure: the times are arguments, and the
//! jitter of a retry derives from the delivery.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use pipeline::cascade::{Hop, next_hop};
use pipeline::delivery::{Delivery, Wait};
use pipeline::outcome::{self, Call, Kind, Outcome, Reason, State};
use pipeline::retry_after;
use pipeline::retry_policy::RetryPolicy;
use pipeline::tier::Tiers;

/// How a call ended.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum CallResult {
    Answered {
        status: u16,
        retry_after: Option<Vec<u8>>,
        excerpt: String,
        truncated: bool,
    },
    /// `kind` is a word of [`egress::FailureKind`], or [`UNUSABLE_SECRET`].
    Failed {
        kind: &'static str,
        detail: String,
    },
}

/// The words of `call.error_kind` that are not `egress`'s: there was an answer, and it was no
/// 2xx; the subscription's secret cannot sign.
pub(crate) const NOT_2XX: &str = "http_status";
pub(crate) const UNUSABLE_SECRET: &str = "secret";

/// A call that was made.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Made {
    pub target_url: String,
    pub started_at: Timestamp,
    pub latency: Duration,
    pub result: CallResult,
}

/// The record that carries a delivery on.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Next {
    /// It has ended.
    Nothing,
    /// It waits, and comes back.
    Again { hop: Hop, delivery: Box<Delivery>, queue: Queue },
    /// It is given up.
    DeadLetter { reason: Reason, detail: String },
}

/// Which family of tiers a delivery waits in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Queue {
    Retries,
    Spills,
}

/// What is to be written before the record's offset is finished.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Decision {
    pub outcome: Outcome,
    pub next: Next,
}

/// What a status means for a delivery (DESIGN 6): 2xx is delivered, 410 is never tried again,
/// everything else is.
fn is_delivered(status: u16) -> bool {
    (200..300).contains(&status)
}

const GONE: u16 = 410;

/// What follows from a call that was made.
pub(crate) fn after_call(
    delivery: &Delivery,
    made: Made,
    policy: &RetryPolicy,
    tiers: &Tiers,
) -> Decision {
    let ended_at = later(made.started_at, made.latency);
    let (call, retry_after) = describe(made, ended_at);
    let base = outcome(delivery, Kind::Attempt, State::Delivered, ended_at);
    if call.succeeded {
        let outcome = Outcome { call: Some(call), ..base };
        return Decision { outcome, next: Next::Nothing };
    }
    let detail = call.error.clone().unwrap_or_default();
    let delay = policy.delay_after(delivery.attempt, retry_after, delivery.id);
    let given_up = match delay {
        _ if call.http_status == Some(GONE) => Some(Reason::Permanent),
        None => Some(Reason::Exhausted),
        Some(_) => None,
    };
    let call = Some(call);
    match (given_up, delay) {
        (Some(reason), _) => Decision {
            outcome: Outcome { state: State::DeadLettered, reason: Some(reason), call, ..base },
            next: Next::DeadLetter { reason, detail },
        },
        (None, delay) => {
            let delay = delay.unwrap_or_default();
            let next = again(delivery, delivery.attempt + 1, ended_at, delay);
            let next_attempt_at = next.wait.map(|wait| wait.due_at);
            let hop = next_hop(tiers, delay, delay);
            Decision {
                outcome: Outcome { state: State::Retrying, next_attempt_at, call, ..base },
                next: Next::Again { hop, delivery: next, queue: Queue::Retries },
            }
        }
    }
}

/// Puts a delivery aside for `delay` without a call; its attempt number stays.
pub(crate) fn spill(
    delivery: &Delivery,
    reason: Reason,
    delay: Duration,
    spill_tiers: &Tiers,
    now: Timestamp,
) -> Decision {
    let next = again(delivery, delivery.attempt, now, delay);
    let state = if delivery.attempt > 1 { State::Retrying } else { State::Pending };
    let outcome = Outcome {
        reason: Some(reason),
        next_attempt_at: next.wait.map(|wait| wait.due_at),
        ..outcome(delivery, Kind::Spill, state, now)
    };
    let hop = next_hop(spill_tiers, delay, delay);
    Decision { outcome, next: Next::Again { hop, delivery: next, queue: Queue::Spills } }
}

/// Ends a delivery without a call, if it has to: its subscription is deleted, or it is too old.
pub(crate) fn end_without_call(
    delivery: &Delivery,
    subscription_deleted: bool,
    max_age: Duration,
    now: Timestamp,
) -> Option<Decision> {
    let ended = |state, reason| Outcome {
        reason: Some(reason),
        ..outcome(delivery, Kind::End, state, now)
    };
    if subscription_deleted {
        let outcome = ended(State::Cancelled, Reason::SubscriptionDeleted);
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

fn again(delivery: &Delivery, attempt: u32, now: Timestamp, delay: Duration) -> Box<Delivery> {
    Box::new(Delivery {
        attempt,
        release: delivery.release.saturating_add(1),
        wait: Some(Wait { due_at: later(now, delay), delay }),
        ..delivery.clone()
    })
}

fn outcome(delivery: &Delivery, kind: Kind, state: State, occurred_at: Timestamp) -> Outcome {
    Outcome {
        schema: outcome::SCHEMA,
        delivery_id: delivery.id,
        subscription_id: delivery.subscription_id,
        message_id: delivery.message_id,
        event_type: delivery.event_type.clone(),
        accepted_at: delivery.accepted_at,
        attempt: delivery.attempt,
        release: delivery.release,
        kind,
        state,
        reason: None,
        occurred_at,
        next_attempt_at: None,
        call: None,
    }
}

fn describe(made: Made, ended_at: Timestamp) -> (Call, Option<Duration>) {
    let mut call = Call {
        target_url: made.target_url,
        succeeded: false,
        http_status: None,
        error_kind: None,
        error: None,
        latency_micros: made.latency.as_micros() as u64,
        response_excerpt: String::new(),
        response_truncated: false,
    };
    match made.result {
        CallResult::Answered { status, retry_after, excerpt, truncated } => {
            call.http_status = Some(status);
            call.response_excerpt = excerpt;
            call.response_truncated = truncated;
            call.succeeded = is_delivered(status);
            if !call.succeeded {
                call.error_kind = Some(NOT_2XX.to_owned());
                call.error = Some(format!("the receiver answered {status}"));
            }
            (call, retry_after.and_then(|header| retry_after::wait(&header, ended_at)))
        }
        CallResult::Failed { kind, detail } => {
            call.error_kind = Some(kind.to_owned());
            call.error = Some(detail);
            (call, None)
        }
    }
}

/// `at + by`, in whole microseconds; the end of time if it lies beyond.
fn later(at: Timestamp, by: Duration) -> Timestamp {
    let sum = SignedDuration::try_from(by).ok().and_then(|by| at.checked_add(by).ok());
    let micros = sum.unwrap_or(Timestamp::MAX).as_microsecond();
    Timestamp::from_microsecond(micros).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
pub(crate) mod tests;
