//! Whether a lane's receiver is called at all. Pure.
//!
//! Closed, it passes everything. It opens when, of at least [`BreakerRules::attempts`] calls
//! within [`BreakerRules::window`], half have failed, or when [`BreakerRules::unanswered`] calls
//! in a row were not answered. Open, it rejects until its rest is over; then it is half-open and
//! passes one probe at a time. A probe that goes well closes it, any other opens it again: as long
//! as the first time if the receiver answers, for it costs little to ask, and for twice as long
//! as the last time if it does not.

use std::time::{Duration, Instant};

/// When a breaker opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerRules {
    /// The calls that are needed for a judgement.
    pub attempts: u32,
    /// How far back calls count.
    pub window: Duration,
    /// So many calls in a row without an answer open it at once.
    pub unanswered: u32,
}

/// How a call ended, as far as the receiver's health is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It answered, and not that it is unwell; it may well have refused this one delivery.
    Well,
    /// It answered that it is unwell or has too much to do: 408, 429, 5xx.
    Unwell,
    /// There was no whole answer.
    Unanswered,
}

/// What a breaker says to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pass {
    Yes,
    /// Yes, as the one call that shows whether the receiver is back.
    Probe,
    /// Not before this instant.
    No(Instant),
}

/// How long it is open the first time, and at most.
const SHORTEST_REST: Duration = Duration::from_secs(5);
const LONGEST_REST: Duration = Duration::from_secs(60);
/// The window moves in steps of this part of it.
const PARTS: u32 = 6;

#[derive(Debug, Clone)]
pub(super) struct Breaker {
    rules: BreakerRules,
    state: State,
    unanswered: u32,
    /// Calls of each step of the window, newest last.
    steps: Vec<Step>,
}

#[derive(Debug, Clone, Copy)]
struct Step {
    began_at: Instant,
    calls: u32,
    failed: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Closed,
    Open { until: Instant, rest: Duration },
    HalfOpen { probing: bool, rest: Duration },
}

impl Breaker {
    pub fn new(rules: BreakerRules) -> Self {
        Self { rules, state: State::Closed, unanswered: 0, steps: Vec::new() }
    }

    pub fn is_closed(&self) -> bool {
        self.state == State::Closed
    }

    pub fn is_half_open(&self) -> bool {
        matches!(self.state, State::HalfOpen { .. })
    }

    /// What it would say to a call that starts now.
    pub fn asks(&self, now: Instant) -> Pass {
        match self.state {
            State::Closed => Pass::Yes,
            State::Open { until, .. } if now < until => Pass::No(until),
            State::Open { .. } | State::HalfOpen { probing: false, .. } => Pass::Probe,
            State::HalfOpen { probing: true, .. } => Pass::No(now + SHORTEST_REST),
        }
    }

    /// Notes that the probe has started.
    pub fn probe_started(&mut self) {
        if let State::Open { rest, .. } | State::HalfOpen { rest, .. } = self.state {
            self.state = State::HalfOpen { probing: true, rest };
        }
    }

    /// Notes that the probe was not made after all.
    pub fn probe_withdrawn(&mut self) {
        if let State::HalfOpen { rest, .. } = self.state {
            self.state = State::HalfOpen { probing: false, rest };
        }
    }

    /// Notes how a call ended; true if the breaker has opened by it. Calls that started before
    /// it opened, and end after that, change nothing.
    pub fn ended(&mut self, verdict: Verdict, was_probe: bool, now: Instant) -> bool {
        match self.state {
            State::Closed => self.judge(verdict, now),
            State::HalfOpen { rest, .. } if was_probe => {
                if verdict == Verdict::Well {
                    *self = Self::new(self.rules);
                    return false;
                }
                let rest = match verdict {
                    Verdict::Unanswered => (rest * 2).min(LONGEST_REST),
                    Verdict::Unwell | Verdict::Well => SHORTEST_REST,
                };
                self.open(rest, now);
                true
            }
            State::Open { .. } | State::HalfOpen { .. } => false,
        }
    }

    fn judge(&mut self, verdict: Verdict, now: Instant) -> bool {
        let failed = verdict != Verdict::Well;
        self.unanswered = if verdict == Verdict::Unanswered { self.unanswered + 1 } else { 0 };
        self.count(failed, now);
        let calls: u32 = self.steps.iter().map(|step| step.calls).sum();
        let failures: u32 = self.steps.iter().map(|step| step.failed).sum();
        let opens = self.unanswered >= self.rules.unanswered
            || (failed && calls >= self.rules.attempts && failures * 2 >= calls);
        if opens {
            self.open(SHORTEST_REST, now);
        }
        opens
    }

    fn count(&mut self, failed: bool, now: Instant) {
        let window = self.rules.window;
        self.steps.retain(|step| now.duration_since(step.began_at) < window);
        match self.steps.last_mut() {
            Some(step) if now.duration_since(step.began_at) < window / PARTS => {
                step.calls += 1;
                step.failed += u32::from(failed);
            }
            _ => self.steps.push(Step { began_at: now, calls: 1, failed: failed.into() }),
        }
    }

    fn open(&mut self, rest: Duration, now: Instant) {
        self.steps.clear();
        self.unanswered = 0;
        self.state = State::Open { until: now + rest, rest };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: BreakerRules =
        BreakerRules { attempts: 20, window: Duration::from_secs(60), unanswered: 5 };

    fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    fn opened(now: Instant) -> Breaker {
        let mut breaker = Breaker::new(RULES);
        for _ in 0..5 {
            breaker.ended(Verdict::Unanswered, false, now);
        }
        breaker
    }

    #[test]
    fn five_calls_in_a_row_without_an_answer_open_it_and_an_answer_between_starts_anew() {
        let now = Instant::now();
        let mut breaker = Breaker::new(RULES);
        for _ in 0..4 {
            assert!(!breaker.ended(Verdict::Unanswered, false, now));
        }
        assert!(!breaker.ended(Verdict::Unwell, false, now));
        for _ in 0..4 {
            assert!(!breaker.ended(Verdict::Unanswered, false, now));
        }
        assert!(breaker.ended(Verdict::Unanswered, false, now));
        assert_eq!(breaker.asks(now), Pass::No(now + SHORTEST_REST));
    }

    #[test]
    fn half_of_twenty_open_it_and_nineteen_do_not() {
        let now = Instant::now();
        let mut breaker = Breaker::new(RULES);
        for call in 0..19 {
            let verdict = if call % 2 == 0 { Verdict::Unwell } else { Verdict::Well };
            assert!(!breaker.ended(verdict, false, now), "call {call}");
        }
        assert!(breaker.ended(Verdict::Unwell, false, now));
        let mut breaker = Breaker::new(RULES);
        for call in 0..200 {
            let verdict = if call % 5 < 2 { Verdict::Unwell } else { Verdict::Well };
            assert!(!breaker.ended(verdict, false, now), "two in five are less than half");
        }
    }

    #[test]
    fn failures_that_are_older_than_the_window_do_not_count() {
        let start = Instant::now();
        let mut breaker = Breaker::new(RULES);
        for call in 0..300 {
            // One every four seconds: fifteen in a window, all failed, never enough to judge.
            assert!(!breaker.ended(Verdict::Unwell, false, start + seconds(4) * call));
            assert!(breaker.steps.len() <= PARTS as usize + 1);
        }
    }

    #[test]
    fn after_its_rest_it_passes_one_probe_at_a_time() {
        let now = Instant::now();
        let mut breaker = opened(now);
        let then = now + SHORTEST_REST;
        assert_eq!(breaker.asks(then), Pass::Probe);
        breaker.probe_started();
        assert!(matches!(breaker.asks(then), Pass::No(_)));
        breaker.probe_withdrawn();
        assert_eq!(breaker.asks(then), Pass::Probe);
        breaker.probe_started();
        assert!(!breaker.ended(Verdict::Well, false, then), "a call from before says nothing");
        assert!(!breaker.is_closed());
        assert!(!breaker.ended(Verdict::Well, true, then));
        assert!(breaker.is_closed());
        assert_eq!(breaker.asks(then), Pass::Yes);
    }

    #[test]
    fn each_unanswered_probe_doubles_its_rest_and_an_answered_one_does_not() {
        use Verdict::{Unanswered, Unwell};
        let mut now = Instant::now();
        let mut breaker = opened(now);
        let probes = [
            (5, Unanswered),
            (10, Unanswered),
            (20, Unanswered),
            (40, Unanswered),
            (60, Unanswered),
            (60, Unwell),
            (5, Unwell),
            (5, Unanswered),
            (10, Unanswered),
        ];
        for (rest, verdict) in probes {
            assert_eq!(breaker.asks(now), Pass::No(now + seconds(rest)));
            now += seconds(rest);
            assert_eq!(breaker.asks(now), Pass::Probe);
            breaker.probe_started();
            assert!(breaker.ended(verdict, true, now));
        }
    }
}
