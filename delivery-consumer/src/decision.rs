//! What follows from a call, or from making none (`instead`). Pure: the times are arguments, and
//! the jitter of a retry derives from the delivery.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use pipeline::cascade::{Hop, next_hop};
use pipeline::delivery::{Delivery, Wait};
use pipeline::outcome::{self, Call, Kind, Outcome, Reason, State};
use pipeline::retry_after;
use pipeline::retry_on::RetryOn;
use pipeline::retry_policy::RetryPolicy;
use pipeline::tier::Tiers;

use crate::lanes::{CallEnd, Verdict};

mod instead;

pub(crate) use instead::{callable, spill_from_lane};

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

/// Which failures are tried again, and when.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RetryRules<'a> {
    pub policy: &'a RetryPolicy,
    /// Everything but a 410 if there is none.
    pub retry_on: Option<&'a RetryOn>,
}

impl RetryRules<'_> {
    /// Whether a call that ended with this status, or with none, may be tried again at all.
    fn cover(self, status: Option<u16>) -> bool {
        status != Some(GONE) && self.retry_on.is_none_or(|rule| rule.covers(status))
    }
}

/// What a status means for a delivery (DESIGN 6).
fn is_delivered(status: u16) -> bool {
    (200..300).contains(&status)
}

const GONE: u16 = 410;

/// Whether the receiver has said that it is gone for good (RFC 9110, 15.5.11).
pub(crate) fn is_gone(made: &Made) -> bool {
    matches!(made.result, CallResult::Answered { status: GONE, .. })
}

/// What a call says of the receiver's health, for its lane.
pub(crate) fn call_end(made: &Made) -> CallEnd {
    let CallResult::Answered { status, retry_after, .. } = &made.result else {
        return CallEnd { verdict: Verdict::Unanswered, hold: None };
    };
    let verdict = match status {
        408 | 429 | 500.. => Verdict::Unwell,
        _ => Verdict::Well,
    };
    // Without a Retry-After the lane is slowed down and not stopped: one 502 of a busy proxy in
    // a thousand answers must not cost a second.
    let ended_at = later(made.started_at, made.latency);
    let asked = retry_after.as_ref().and_then(|header| retry_after::wait(header, ended_at));
    let hold = matches!(status, 429 | 502 | 503 | 504).then(|| asked.unwrap_or_default());
    CallEnd { verdict, hold }
}

/// What follows from a call that was made.
pub(crate) fn after_call(
    delivery: &Delivery,
    made: Made,
    rules: RetryRules<'_>,
    tiers: &Tiers,
) -> Decision {
    let ended_at = later(made.started_at, made.latency);
    let (call, retry_after) = describe(made, ended_at);
    let base = outcome(delivery, Kind::Attempt, State::Delivered, ended_at);
    if call.succeeded {
        let outcome = Outcome { call: Some(call), ..base };
        return Decision { outcome, next: Next::Nothing };
    }
    let mut detail = call.error.clone().unwrap_or_default();
    let delay = rules.policy.delay_after(delivery.attempt, retry_after, delivery.id);
    let given_up = match delay {
        _ if !rules.cover(call.http_status) => Some(Reason::Permanent),
        None => Some(Reason::Exhausted),
        Some(_) => None,
    };
    if given_up == Some(Reason::Permanent) && call.http_status != Some(GONE) {
        detail.push_str(", which the subscription does not retry");
    }
    let call = Some(call);
    match (given_up, delay) {
        (Some(reason), _) => Decision {
            outcome: Outcome { state: State::DeadLettered, reason: Some(reason), call, ..base },
            next: Next::DeadLetter { reason, detail },
        },
        (None, delay) => {
            let delay = delay.unwrap_or_default();
            let wait = Wait { due_at: later(ended_at, delay), delay, doubles: false };
            let next = again(delivery, delivery.attempt + 1, wait);
            let next_attempt_at = Some(wait.due_at);
            let hop = next_hop(tiers, delay, delay);
            Decision {
                outcome: Outcome { state: State::Retrying, next_attempt_at, call, ..base },
                next: Next::Again { hop, delivery: next, queue: Queue::Retries },
            }
        }
    }
}

/// What a call comes to whose record belongs to another process by now: that one does the work
/// again, so nothing follows from this but its being told.
pub(crate) fn late(delivery: &Delivery, made: Made) -> Outcome {
    let ended_at = later(made.started_at, made.latency);
    let (call, _) = describe(made, ended_at);
    let state = if call.succeeded { State::Delivered } else { open_state(delivery) };
    Outcome { call: Some(call), late: true, ..outcome(delivery, Kind::Attempt, state, ended_at) }
}

/// Where a delivery stands that has not ended.
fn open_state(delivery: &Delivery) -> State {
    if delivery.attempt > 1 { State::Retrying } else { State::Pending }
}

fn again(delivery: &Delivery, attempt: u32, wait: Wait) -> Box<Delivery> {
    Box::new(Delivery {
        attempt,
        release: delivery.release.saturating_add(1),
        wait: Some(wait),
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
        late: false,
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
