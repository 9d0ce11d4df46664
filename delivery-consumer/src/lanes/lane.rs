//! One subscription's lane: what is queued for it, what runs, and how well it drains. Pure.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::breaker::{Breaker, BreakerRules, Pass, Verdict};
use super::rate::Rate;
use super::{CallEnd, LaneRules};

/// A call that takes longer makes its lane suspect.
pub(super) const SUSPECT_AFTER: Duration = Duration::from_secs(1);
/// A spill is for at least and at most so long; the virtual clock runs no further ahead.
const SHORTEST_SPILL: Duration = Duration::from_secs(1);
const LONGEST_SPILL: Duration = Duration::from_secs(600);

/// Work that waits for its call.
#[derive(Debug)]
pub(super) struct Queued<W> {
    pub work: W,
    pub bytes: usize,
    pub since: Instant,
}

/// A call that runs.
#[derive(Debug, Clone, Copy)]
struct Running {
    call: u64,
    since: Instant,
    is_probe: bool,
}

#[derive(Debug)]
pub(super) struct Lane<W> {
    pub queue: VecDeque<Queued<W>>,
    /// Of what is queued.
    pub bytes: usize,
    most_slots: usize,
    max_concurrency: Option<u32>,
    pub rate: Rate,
    /// In order of their start.
    running: Vec<Running>,
    /// How many calls it has earned to have under way at once.
    window: usize,
    /// Smoothed; `None` until a call has ended.
    call_time: Option<Duration>,
    last_was_slow: bool,
    last_was_well: bool,
    breaker: Breaker,
    /// The receiver asked for rest until then.
    held_until: Instant,
    /// The virtual clock: the instant that the next spill is put aside to. Set back when the lane
    /// has nothing left to do, for then it drains better than was thought.
    spilled_until: Instant,
    pub touched_at: Instant,
    /// What the floor has been told of this lane.
    pub place: super::floor::Place,
}

impl<W> Lane<W> {
    pub fn new(rules: LaneRules, most_slots: usize, breaker: BreakerRules, now: Instant) -> Self {
        Self {
            queue: VecDeque::new(),
            bytes: 0,
            most_slots,
            max_concurrency: rules.max_concurrency,
            rate: Rate::new(rules.rate_limit, now),
            running: Vec::new(),
            window: 1,
            call_time: None,
            last_was_slow: false,
            last_was_well: true,
            breaker: Breaker::new(breaker),
            held_until: now,
            spilled_until: now,
            touched_at: now,
            place: super::floor::Place::default(),
        }
    }

    pub fn set_rules(&mut self, rules: LaneRules) {
        self.max_concurrency = rules.max_concurrency;
        self.rate.set(rules.rate_limit);
    }

    pub fn breaker(&self) -> &Breaker {
        &self.breaker
    }

    pub fn running(&self) -> usize {
        self.running.len()
    }

    /// Whether nothing is known in its favour: no call has ended yet, or the last one was slow,
    /// or one that runs is.
    pub fn is_suspect(&self, now: Instant) -> bool {
        self.call_time.is_none()
            || self.last_was_slow
            || self.turns_suspect_at().is_some_and(|at| at <= now)
    }

    /// When it becomes suspect if nothing ends before.
    pub fn turns_suspect_at(&self) -> Option<Instant> {
        self.running.first().map(|oldest| oldest.since + SUSPECT_AFTER)
    }

    /// The most calls that it may come to have under way.
    fn most(&self) -> usize {
        self.most_slots.min(self.max_concurrency.map_or(usize::MAX, |most| most.max(1) as usize))
    }

    /// When its next queued work may be called; an instant that has passed means now, `None` not
    /// before something ends or arrives.
    pub fn ready_at(&self, now: Instant) -> Option<Instant> {
        if self.queue.is_empty() || self.running.len() >= self.window.min(self.most()) {
            return None;
        }
        let at = self.rate.allows_at(0, now).max(self.held_until);
        match self.breaker.asks(now) {
            Pass::Yes => Some(at),
            Pass::Probe if self.running.is_empty() => Some(at),
            Pass::Probe => None,
            Pass::No(until) => Some(at.max(until)),
        }
    }

    /// What the breaker says to work that arrives.
    pub fn breaker_asks(&self, now: Instant) -> Pass {
        match self.breaker.asks(now) {
            // The probe's place is taken by what is queued already.
            Pass::Probe if !self.queue.is_empty() => Pass::No(now),
            pass => pass,
        }
    }

    /// How long work would wait that is queued now. With nothing known of the receiver, what is
    /// under way is all that there is to go by.
    pub fn predicted_wait(&self, now: Instant) -> Duration {
        let ahead = self.queue.len();
        let gate = self.rate.allows_at(ahead as u32, now).max(self.held_until);
        gate.saturating_duration_since(now).max(self.wait_for_slot(ahead, now))
    }

    fn wait_for_slot(&self, ahead: usize, now: Instant) -> Duration {
        let most = self.most();
        let mut slots = self.window.min(most);
        let (mut ahead, mut rounds) = (ahead + self.running.len(), 0_u32);
        // Each round of calls that all go well doubles the slots.
        while ahead >= slots && slots < most && self.last_was_well {
            ahead -= slots;
            slots = (slots * 2).min(most);
            rounds += 1;
        }
        self.call_needs(now) * (rounds + (ahead / slots) as u32)
    }

    /// What a call is taken to need.
    fn call_needs(&self, now: Instant) -> Duration {
        let oldest = self.running.first();
        let oldest = oldest.map_or(Duration::ZERO, |running| now.duration_since(running.since));
        self.call_time.unwrap_or_default().max(oldest)
    }

    /// For how long the next work is put aside: each to an instant of its own, as if all came
    /// back one after the other, at the pace at which the lane drains.
    pub fn spill_delay(&mut self, now: Instant) -> Duration {
        let free_at = self.spilled_until.max(now + self.predicted_wait(now));
        let delay = free_at.duration_since(now).clamp(SHORTEST_SPILL, LONGEST_SPILL);
        let slots = if self.last_was_well { self.most() } else { self.window };
        let per_call = self.call_needs(now) / slots.clamp(1, 1_000) as u32;
        let pace = per_call.max(self.rate.interval());
        self.spilled_until = (now + delay + pace).min(now + LONGEST_SPILL);
        delay
    }

    /// Whether what makes work wait is a limit that was set or asked for.
    pub fn is_limited(&self, now: Instant) -> bool {
        self.rate.allows_at(self.queue.len() as u32, now).max(self.held_until) > now
            || self.max_concurrency.is_some_and(|most| self.running.len() >= most as usize)
    }

    pub fn push(&mut self, queued: Queued<W>) {
        self.bytes += queued.bytes;
        self.queue.push_back(queued);
    }

    /// The longest queued work.
    pub fn pop(&mut self) -> Option<Queued<W>> {
        let queued = self.queue.pop_front()?;
        self.bytes -= queued.bytes;
        Some(queued)
    }

    /// The newest queued work.
    pub fn pop_newest(&mut self) -> Option<Queued<W>> {
        let queued = self.queue.pop_back()?;
        self.bytes -= queued.bytes;
        Some(queued)
    }

    pub fn started(&mut self, call: u64, now: Instant) {
        let is_probe = self.breaker.asks(now) == Pass::Probe;
        if is_probe {
            self.breaker.probe_started();
        }
        self.rate.called(now);
        self.running.push(Running { call, since: now, is_probe });
    }

    /// Notes that a call was not made after all.
    pub fn withdrawn(&mut self, call: u64) {
        if self.remove(call).is_some_and(|running| running.is_probe) {
            self.breaker.probe_withdrawn();
        }
    }

    /// Notes how a call ended; true if the breaker has opened by it.
    pub fn ended(&mut self, call: u64, end: CallEnd, now: Instant) -> bool {
        let Some(running) = self.remove(call) else { return false };
        let took = now.duration_since(running.since);
        self.call_time = Some(self.call_time.map_or(took, |mean| (mean * 3 + took) / 4));
        self.last_was_slow = took > SUSPECT_AFTER;
        self.last_was_well = end.verdict == Verdict::Well && end.hold.is_none();
        if self.last_was_well {
            // Slots that are not used are not earned (as RFC 7661 has it for TCP), so that a
            // receiver that stops answering holds few of them.
            let used = self.running.len() + 1;
            if used * 2 >= self.window {
                self.window = (self.window + 1).min(self.most_slots);
            } else if used * 4 < self.window {
                self.window -= 1;
            }
        } else if end.verdict == Verdict::Unanswered || end.hold.is_some() {
            self.window = (self.window / 2).max(1);
        }
        if let Some(hold) = end.hold {
            self.held_until = self.held_until.max(now + hold.min(LONGEST_SPILL));
        }
        if self.last_was_well && self.queue.is_empty() && self.running.is_empty() {
            self.spilled_until = now;
        }
        let opened = self.breaker.ended(end.verdict, running.is_probe, now);
        if !self.breaker.is_closed() {
            self.window = 1;
        }
        opened
    }

    fn remove(&mut self, call: u64) -> Option<Running> {
        let index = self.running.iter().position(|running| running.call == call)?;
        Some(self.running.remove(index))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lane_that_has_nothing_left_to_do_sets_its_virtual_clock_back() {
        let mut now = Instant::now();
        let window = Duration::from_secs(60);
        let rules = BreakerRules { attempts: 20, window, unanswered: 5 };
        let mut lane = Lane::new(LaneRules::default(), 128, rules, now);
        let push = |lane: &mut Lane<()>, now| lane.push(Queued { work: (), bytes: 1, since: now });
        let well = CallEnd { verdict: Verdict::Well, hold: None };
        let call = |lane: &mut Lane<()>, took, now: &mut Instant| {
            lane.pop();
            lane.started(0, *now);
            *now += took;
            lane.ended(0, well, *now);
        };
        push(&mut lane, now);
        push(&mut lane, now);
        call(&mut lane, Duration::from_secs(100), &mut now);
        for _ in 0..2_000 {
            lane.spill_delay(now);
        }
        assert_eq!(lane.spill_delay(now), LONGEST_SPILL, "one call took long");
        call(&mut lane, Duration::from_millis(1), &mut now);
        assert!(lane.spill_delay(now) < LONGEST_SPILL / 2, "all that was queued is called");
    }
}
