//! Who is called next, who waits, and what is put aside. Pure: `now` is an argument, and what
//! is to be done is returned.
//!
//! Each subscription has a lane: a queue, the calls that it has under way, its limits, and a
//! breaker. A lane begins with one slot and earns one more with each call that goes well while
//! it uses what it has; a call that is not answered, or a word to slow down, costs half of them. Lanes take turns
//! (`floor`). What a lane cannot take, or has not called within [`Bounds::max_hold`], is spilled.
//!
//! Promises, each asserted by the simulation in `lanes/simulation.rs`: never more calls than
//! the bounds, of all lanes, of one, and of all suspect ones; never more bytes or work queued
//! than the bounds; no work waits here for longer than `max_hold`; a lane that can make a call
//! gets its turn before any other has had two; no rate is exceeded; an open breaker passes
//! nothing but one probe at a time. It does not look into the work, and keeps no order between
//! what is spilled and what is not.

mod breaker;
mod census;
mod floor;
mod lane;
mod rate;
#[cfg(test)]
mod simulation;

use std::collections::HashMap;
use std::time::{Duration, Instant};

use pipeline::ids::SubscriptionId;
use pipeline::outcome::Reason;

use breaker::Pass;
pub use breaker::{BreakerRules, Verdict};
pub use census::Census;
use floor::Floor;
use lane::{Lane, Queued};

/// How much all lanes, and one lane, may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Calls under way, of all lanes.
    pub in_flight: usize,
    /// Calls under way, of one lane.
    pub lane_in_flight: usize,
    /// Bytes queued, of all lanes.
    pub bytes: usize,
    /// Bytes queued, of one lane.
    pub lane_bytes: usize,
    /// Pieces of work queued, of all lanes.
    pub queued: usize,
    /// The longest that work waits here.
    pub max_hold: Duration,
    pub breaker: BreakerRules,
}

impl Bounds {
    /// Calls under way, of all suspect lanes together.
    fn suspect_in_flight(&self) -> usize {
        (self.in_flight / 2).max(1)
    }
}

/// What a subscription sets of its lane; `None` is without bound.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LaneRules {
    pub max_concurrency: Option<u32>,
    /// Calls per second.
    pub rate_limit: Option<u32>,
}

/// The slot of one call. It ends by [`Lanes::ended`] or [`Lanes::withdrawn`].
#[derive(Debug)]
#[must_use]
pub struct Slot {
    lane: SubscriptionId,
    call: u64,
}

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallEnd {
    pub verdict: Verdict,
    /// The receiver asked for rest, for so long.
    pub hold: Option<Duration>,
}

/// Work that is to be put aside.
#[derive(Debug, PartialEq, Eq)]
pub struct Spill<W> {
    pub work: W,
    pub reason: Reason,
    pub delay: Duration,
    pub stay: Stay,
}

/// What the delay of a [`Spill`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stay {
    /// What a limit that was set or asked for demands.
    Exact,
    /// A guess from the last calls, which may have been unusually slow: a stay is at most twice
    /// as long as the one before.
    Guessed,
    /// The least: a stay is twice as long as the one before.
    Doubling,
}

/// How long an idle lane is remembered.
const REMEMBERED: Duration = Duration::from_secs(600);
/// The least that is put aside behind a breaker.
const BEHIND_BREAKER: Duration = Duration::from_secs(1);

/// All lanes of a process. `W` is a piece of work.
#[derive(Debug)]
pub struct Lanes<W> {
    bounds: Bounds,
    lanes: HashMap<SubscriptionId, Lane<W>>,
    floor: Floor,
    next_call: u64,
    spilled: Vec<Spill<W>>,
}

impl<W> Lanes<W> {
    pub fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            lanes: HashMap::new(),
            floor: Floor::default(),
            next_call: 0,
            spilled: Vec::new(),
        }
    }

    /// Queues work of `bytes` for `id`, or spills it, or spills other work in its place.
    pub fn admit(
        &mut self,
        id: SubscriptionId,
        rules: LaneRules,
        work: W,
        bytes: usize,
        now: Instant,
    ) {
        let Bounds { lane_in_flight, breaker, .. } = self.bounds;
        let lane =
            self.lanes.entry(id).or_insert_with(|| Lane::new(rules, lane_in_flight, breaker, now));
        lane.set_rules(rules);
        lane.touched_at = now;
        if let Pass::No(until) = lane.breaker_asks(now) {
            self.spilled.push(behind_breaker(work, until, now));
        } else if lane.predicted_wait(now) > self.bounds.max_hold
            || (lane.bytes + bytes > self.bounds.lane_bytes && !lane.queue.is_empty())
        {
            let spill = spill_of(lane, work, now);
            self.spilled.push(spill);
        } else {
            lane.push(Queued { work, bytes, since: now });
            self.floor.bytes += bytes;
            self.floor.queued += 1;
            if self.floor.bytes > self.bounds.bytes || self.floor.queued > self.bounds.queued {
                self.relieve(now);
            }
        }
        self.settle(id, now);
    }

    /// The next call to make, if one may be made now.
    pub fn pick(&mut self, now: Instant) -> Option<(Slot, W)> {
        while self.floor.running < self.bounds.in_flight {
            let id = self.floor.first(self.bounds.suspect_in_flight())?;
            let lane = self.lanes.get_mut(&id)?;
            if lane.ready_at(now).is_none_or(|at| at > now) {
                self.settle(id, now);
                continue;
            }
            let cost = lane.queue.front().map_or(0, |next| next.bytes);
            if !self.floor.pay(id, &mut lane.place, cost) {
                continue;
            }
            let Some(queued) = lane.pop() else { continue };
            let call = self.next_call;
            self.next_call += 1;
            lane.started(call, now);
            lane.touched_at = now;
            self.floor.running += 1;
            self.floor.bytes -= queued.bytes;
            self.floor.queued -= 1;
            self.settle(id, now);
            return Some((Slot { lane: id, call }, queued.work));
        }
        None
    }

    /// A call has ended.
    #[expect(clippy::needless_pass_by_value, reason = "a slot ends once")]
    pub fn ended(&mut self, slot: Slot, end: CallEnd, now: Instant) {
        let Slot { lane: id, call } = slot;
        self.floor.running -= 1;
        if let Some(lane) = self.lanes.get_mut(&id)
            && lane.ended(call, end, now)
        {
            while let Some(queued) = lane.pop() {
                self.floor.bytes -= queued.bytes;
                self.floor.queued -= 1;
                let until = match lane.breaker_asks(now) {
                    Pass::No(until) => until,
                    Pass::Yes | Pass::Probe => now,
                };
                self.spilled.push(behind_breaker(queued.work, until, now));
            }
        }
        self.settle(id, now);
    }

    /// The call of a slot was not made.
    #[expect(clippy::needless_pass_by_value, reason = "a slot ends once")]
    pub fn withdrawn(&mut self, slot: Slot, now: Instant) {
        let Slot { lane: id, call } = slot;
        self.floor.running -= 1;
        if let Some(lane) = self.lanes.get_mut(&id) {
            lane.withdrawn(call);
        }
        self.settle(id, now);
    }

    /// Lets time pass: spills what has waited for too long.
    pub fn advance(&mut self, now: Instant) {
        while let Some(id) = self.floor.due(now) {
            if let Some(lane) = self.lanes.get_mut(&id) {
                while lane.queue.front().is_some_and(|q| q.since + self.bounds.max_hold <= now)
                    && let Some(queued) = lane.pop()
                {
                    self.floor.bytes -= queued.bytes;
                    self.floor.queued -= 1;
                    let spill = spill_of(lane, queued.work, now);
                    self.spilled.push(spill);
                }
            }
            self.settle(id, now);
        }
    }

    /// What is to be put aside since this was last asked.
    pub fn take_spilled(&mut self) -> Vec<Spill<W>> {
        std::mem::take(&mut self.spilled)
    }

    /// When [`Lanes::advance`] and [`Lanes::pick`] are to be asked again, if nothing happens
    /// before.
    pub fn wake_at(&self) -> Option<Instant> {
        self.floor.next_timer()
    }

    /// Takes out the queued work that `which` picks.
    pub fn forget(&mut self, which: impl Fn(&W) -> bool, now: Instant) -> Vec<W> {
        let ids: Vec<SubscriptionId> =
            self.lanes.iter().filter(|(_, l)| !l.queue.is_empty()).map(|(id, _)| *id).collect();
        let mut forgotten = Vec::new();
        for id in ids {
            let Some(lane) = self.lanes.get_mut(&id) else { continue };
            for queued in std::mem::take(&mut lane.queue) {
                if which(&queued.work) {
                    lane.bytes -= queued.bytes;
                    self.floor.bytes -= queued.bytes;
                    self.floor.queued -= 1;
                    forgotten.push(queued.work);
                } else {
                    lane.queue.push_back(queued);
                }
            }
            self.settle(id, now);
        }
        forgotten
    }

    /// Spills the newer half of the largest lane.
    fn relieve(&mut self, now: Instant) {
        let by_weight = |lane: &Lane<W>| (lane.bytes, lane.queue.len());
        let largest = self.lanes.iter().max_by_key(|(_, lane)| by_weight(lane)).map(|(id, _)| *id);
        let Some((id, lane)) = largest.and_then(|id| Some((id, self.lanes.get_mut(&id)?))) else {
            return;
        };
        let kept = lane.queue.len() / 2;
        while lane.queue.len() > kept
            && let Some(queued) = lane.pop_newest()
        {
            self.floor.bytes -= queued.bytes;
            self.floor.queued -= 1;
            let spill = spill_of(lane, queued.work, now);
            self.spilled.push(spill);
        }
        self.settle(id, now);
    }

    /// Tells the floor where a lane stands, and forgets one that nobody needs.
    fn settle(&mut self, id: SubscriptionId, now: Instant) {
        let Some(lane) = self.lanes.get_mut(&id) else { return };
        let forgotten_at = lane.touched_at + REMEMBERED;
        let idle = lane.queue.is_empty() && lane.running() == 0;
        if idle && forgotten_at <= now {
            self.floor.settle(id, &mut lane.place, false, false, 0, None);
            self.lanes.remove(&id);
            return;
        }
        let suspect = lane.is_suspect(now);
        let ready_at = lane.ready_at(now);
        let overdue_at = lane.queue.front().map(|oldest| oldest.since + self.bounds.max_hold);
        let timers = [
            ready_at.filter(|at| *at > now),
            lane.turns_suspect_at().filter(|at| *at > now),
            overdue_at,
            idle.then_some(forgotten_at),
        ];
        let timer = timers.into_iter().flatten().min();
        let ready = ready_at.is_some_and(|at| at <= now);
        let running = lane.running();
        self.floor.settle(id, &mut lane.place, ready, suspect, running, timer);
    }
}

fn behind_breaker<W>(work: W, until: Instant, now: Instant) -> Spill<W> {
    let delay = until.saturating_duration_since(now).max(BEHIND_BREAKER);
    Spill { work, reason: Reason::BreakerOpen, delay, stay: Stay::Doubling }
}

fn spill_of<W>(lane: &mut Lane<W>, work: W, now: Instant) -> Spill<W> {
    let (reason, stay) = if lane.is_limited(now) {
        (Reason::Limited, Stay::Exact)
    } else {
        (Reason::Overloaded, Stay::Guessed)
    };
    Spill { work, reason, delay: lane.spill_delay(now), stay }
}
