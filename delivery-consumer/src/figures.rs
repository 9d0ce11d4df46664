//! What the role tells of itself. Handles are made once; what the lanes are like is looked at once a
//! second on the loop's thread.

use std::time::Duration;

use metrics::registry as r;
use metrics::{Counter, Counters, Gauge, Histogram, Page};
use pipeline::outcome::Kind;

use crate::decision::{CallResult, Decision, Next, Queue};
use crate::lanes::Census;

pub(crate) struct Figures {
    calls: Counters,
    call_seconds: Histogram,
    pub late_calls: Counter,
    ended: Counters,
    retries: Counter,
    pub dead_letters: Counters,
    spills: Counters,
    pub repeats: Counter,
    lanes: Gauge,
    suspect_lanes: Gauge,
    open_lanes: Gauge,
    half_open_lanes: Gauge,
    in_flight: Gauge,
    queued_records: Gauge,
    queued_bytes: Gauge,
    aside: Gauge,
}

impl Figures {
    pub fn new(page: &Page) -> Self {
        let lanes = |state| page.gauge(&r::LANES, &[state]);
        Self {
            calls: page.counters(&r::CALLS, &[]),
            call_seconds: page.histogram(&r::CALL_SECONDS, &[]),
            late_calls: page.counter(&r::LATE_CALLS, &[]),
            ended: page.counters(&r::ENDED, &[]),
            retries: page.counter(&r::RETRIES, &[]),
            dead_letters: page.counters(&r::DEAD_LETTERS, &[]),
            spills: page.counters(&r::SPILLS, &[]),
            repeats: page.counter(&r::REPEATS, &[]),
            lanes: lanes("all"),
            suspect_lanes: lanes("suspect"),
            open_lanes: lanes("breaker_open"),
            half_open_lanes: lanes("breaker_half_open"),
            in_flight: page.gauge(&r::CALLS_IN_FLIGHT, &[]),
            queued_records: page.gauge(&r::QUEUED_RECORDS, &[]),
            queued_bytes: page.gauge(&r::QUEUED_BYTES, &[]),
            aside: page.gauge(&r::ASIDE, &[]),
        }
    }

    /// A call has ended.
    pub fn called(&self, result: &CallResult, latency: Duration) {
        self.calls.count(call_end(result));
        self.call_seconds.observe(latency.as_secs_f64());
    }

    /// What was decided about a delivery is acknowledged.
    pub fn written(&self, decision: &Decision) {
        let outcome = &decision.outcome;
        // A state that is not final is none of the counters.
        self.ended.count(outcome.state.as_str());
        match &decision.next {
            Next::DeadLetter { reason, .. } => self.dead_letters.count(reason.as_str()),
            Next::Again { queue: Queue::Retries, .. } => self.retries.inc(),
            Next::Again { queue: Queue::Spills, .. } | Next::Nothing => {}
        }
        if let (Kind::Spill, Some(reason)) = (outcome.kind, outcome.reason) {
            self.spills.count(reason.as_str());
        }
    }

    /// Where the lanes stand, and what waits for being written.
    pub fn looked(&self, census: Census, aside: usize) {
        self.lanes.set(whole(census.lanes));
        self.suspect_lanes.set(whole(census.suspect));
        self.open_lanes.set(whole(census.breaker_open));
        self.half_open_lanes.set(whole(census.breaker_half_open));
        self.in_flight.set(whole(census.in_flight));
        self.queued_records.set(whole(census.queued));
        self.queued_bytes.set(whole(census.queued_bytes));
        self.aside.set(whole(aside));
    }
}

/// The word of the registry for how a call ended.
fn call_end(result: &CallResult) -> &'static str {
    match result {
        CallResult::Answered { status, .. } => match status {
            200..=299 => "2xx",
            300..=399 => "3xx",
            400..=499 => "4xx",
            500..=599 => "5xx",
            _ => "other_status",
        },
        CallResult::Failed { kind, .. } => kind,
    }
}

fn whole(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use egress::FailureKind;
    use metrics::Label;
    use pipeline::outcome::{Reason, State};

    use super::*;
    use crate::decision::UNUSABLE_SECRET;

    fn label(family: &metrics::Family) -> Label {
        *family.labels.last().expect("a label")
    }

    #[test]
    fn every_end_of_a_call_has_its_counter() {
        let kinds = [
            FailureKind::Denied,
            FailureKind::Dns,
            FailureKind::Refused,
            FailureKind::Unreachable,
            FailureKind::Tls,
            FailureKind::Timeout,
            FailureKind::Reset,
            FailureKind::Protocol,
            FailureKind::Other,
        ];
        let failed = |kind| CallResult::Failed { kind, detail: String::new() };
        let failures = kinds.map(FailureKind::as_str).into_iter().chain([UNUSABLE_SECRET]);
        let answered = |status| CallResult::Answered {
            status,
            retry_after: None,
            excerpt: String::new(),
            truncated: false,
        };
        let answers = [200, 302, 404, 503, 999].map(answered);
        for result in failures.map(failed).chain(answers) {
            let word = call_end(&result);
            assert!(label(&r::CALLS).takes(word), "{word}");
        }
    }

    #[test]
    fn every_reason_and_every_final_state_has_its_counter() {
        for state in [State::Delivered, State::DeadLettered, State::Cancelled] {
            assert!(label(&r::ENDED).takes(state.as_str()), "{state:?}");
        }
        for state in [State::Pending, State::Retrying] {
            assert!(!label(&r::ENDED).takes(state.as_str()), "{state:?} is not final");
        }
        for reason in [Reason::Exhausted, Reason::Permanent, Reason::Expired, Reason::Poison] {
            assert!(label(&r::DEAD_LETTERS).takes(reason.as_str()), "{reason:?}");
        }
        for reason in [
            Reason::ConfigurationBehind,
            Reason::Paused,
            Reason::Limited,
            Reason::Overloaded,
            Reason::BreakerOpen,
        ] {
            assert!(label(&r::SPILLS).takes(reason.as_str()), "{reason:?}");
        }
    }
}
