//! What plays a scenario: arrivals and the ends of calls in the order of their time, and beside
//! the lanes under test a simple account of what they may do.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::time::{Duration, Instant};

use super::receiver::{Random, Receiver};
use super::{Bounds, CallEnd, LaneRules, Lanes, SECOND, Slot, Spill, id};

#[derive(Debug, Clone, Copy)]
struct Work {
    lane: usize,
    number: u64,
    admitted_at: Instant,
}

/// A lane as the simulation knows it, apart from the one under test.
pub(super) struct Model {
    pub receiver: Receiver,
    pub rules: LaneRules,
    /// Between two arrivals, in microseconds.
    interval: u64,
    bytes: usize,
    running: Vec<Instant>,
    any_ended: bool,
    last_was_slow: bool,
    pub starts: Vec<Instant>,
    pub called: u64,
    pub spilled: u64,
    pub longest_wait: Duration,
}

impl Model {
    pub fn new(receiver: Receiver, per_second: f64, bytes: usize) -> Self {
        Self {
            receiver,
            rules: LaneRules::default(),
            interval: (1e6 / per_second) as u64,
            bytes,
            running: Vec::new(),
            any_ended: false,
            last_was_slow: false,
            starts: Vec::new(),
            called: 0,
            spilled: 0,
            longest_wait: Duration::ZERO,
        }
    }

    fn is_suspect(&self, now: Instant) -> bool {
        !self.any_ended
            || self.last_was_slow
            || self.running.iter().any(|since| now.duration_since(*since) >= SECOND)
    }
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Arrives { lane: usize },
    Ends { lane: usize, call: u64 },
    Wake,
}

pub(super) struct Simulation {
    bounds: Bounds,
    start: Instant,
    random: Random,
    lanes: Lanes<Work>,
    pub models: Vec<Model>,
    events: BinaryHeap<Reverse<(Instant, u64, Event)>>,
    order: u64,
    slots: HashMap<u64, (Slot, CallEnd, Instant)>,
    running: usize,
    in_hand: HashMap<u64, ()>,
    admitted: u64,
}

impl Simulation {
    pub fn new(seed: u64, bounds: Bounds, models: Vec<Model>) -> Self {
        let mut simulation = Self {
            bounds,
            start: Instant::now(),
            random: Random(seed),
            lanes: Lanes::new(bounds),
            models,
            events: BinaryHeap::new(),
            order: 0,
            slots: HashMap::new(),
            running: 0,
            in_hand: HashMap::new(),
            admitted: 0,
        };
        for lane in 0..simulation.models.len() {
            let interval = simulation.models[lane].interval;
            let first = Duration::from_micros(simulation.random.below(interval + 1));
            simulation.plan(simulation.start + first, Event::Arrives { lane });
        }
        simulation
    }

    fn plan(&mut self, at: Instant, event: Event) {
        self.order += 1;
        self.events.push(Reverse((at, self.order, event)));
    }

    /// Runs for `span` of simulated time; returns the steps that it took.
    pub fn run(&mut self, span: Duration) -> u64 {
        let mut steps = 0;
        while let Some(Reverse((now, _, event))) = self.events.pop() {
            if now > self.start + span {
                break;
            }
            steps += 1;
            match event {
                Event::Arrives { lane } => self.arrive(lane, now),
                Event::Ends { lane, call } => self.end(lane, call, now),
                Event::Wake => {}
            }
            self.lanes.advance(now);
            self.account_for_spills(now);
            while let Some((slot, work)) = self.lanes.pick(now) {
                self.begin(slot, work, now);
            }
            self.check(now, steps);
            if let Some(at) = self.lanes.wake_at() {
                assert!(at > now, "it would spin");
                let next = self.events.peek().map(|Reverse((at, ..))| *at);
                if next.is_none_or(|next| at < next) {
                    self.plan(at, Event::Wake);
                }
            }
        }
        steps
    }

    fn arrive(&mut self, lane: usize, now: Instant) {
        let model = &self.models[lane];
        let (rules, bytes, interval) = (model.rules, model.bytes, model.interval);
        let work = Work { lane, number: self.admitted, admitted_at: now };
        self.in_hand.insert(self.admitted, ());
        self.admitted += 1;
        self.lanes.admit(id(lane as u128), rules, work, bytes, now);
        let next = interval / 2 + self.random.below(interval + 1);
        self.plan(now + Duration::from_micros(next.max(1)), Event::Arrives { lane });
    }

    fn end(&mut self, lane: usize, call: u64, now: Instant) {
        let (slot, end, began_at) = self.slots.remove(&call).unwrap();
        self.running -= 1;
        let model = &mut self.models[lane];
        let place = model.running.iter().position(|since| *since == began_at).unwrap();
        model.running.remove(place);
        model.any_ended = true;
        model.last_was_slow = now.duration_since(began_at) > SECOND;
        self.lanes.ended(slot, end, now);
    }

    fn account_for_spills(&mut self, now: Instant) {
        for Spill { work, delay, .. } in self.lanes.take_spilled() {
            assert!(self.in_hand.remove(&work.number).is_some(), "spilled twice");
            let waited = now.duration_since(work.admitted_at);
            assert!(waited <= self.bounds.max_hold, "held for {waited:?}");
            assert!((SECOND..=600 * SECOND).contains(&delay), "put aside for {delay:?}");
            self.models[work.lane].spilled += 1;
        }
    }

    fn begin(&mut self, slot: Slot, work: Work, now: Instant) {
        assert!(self.in_hand.remove(&work.number).is_some(), "called twice");
        if self.models[work.lane].is_suspect(now) && self.admitted.is_multiple_of(61) {
            let suspects = self.models.iter().filter(|model| model.is_suspect(now));
            let calls: usize = suspects.map(|model| model.running.len()).sum();
            assert!(calls < self.bounds.suspect_in_flight(), "{calls} suspect calls");
        }
        let (took, end) =
            self.models[work.lane].receiver.answers(now - self.start, &mut self.random);
        let model = &mut self.models[work.lane];
        let waited = now.duration_since(work.admitted_at);
        assert!(waited <= self.bounds.max_hold, "waited for {waited:?}");
        model.longest_wait = model.longest_wait.max(waited);
        model.called += 1;
        model.running.push(now);
        if model.starts.len() < 10_000 {
            model.starts.push(now);
        }
        let most = model.rules.max_concurrency.map_or(usize::MAX, |most| most as usize);
        assert!(model.running.len() <= self.bounds.lane_in_flight.min(most));
        self.running += 1;
        assert!(self.running <= self.bounds.in_flight);
        let call = slot.call;
        self.slots.insert(call, (slot, end, now));
        self.plan(now + took, Event::Ends { lane: work.lane, call });
    }

    fn check(&self, now: Instant, steps: u64) {
        let floor = &self.lanes.floor;
        assert!(floor.bytes <= self.bounds.bytes && floor.queued <= self.bounds.queued);
        assert_eq!(floor.running, self.running);
        assert_eq!(self.in_hand.len(), floor.queued, "lost or invented");
        if !steps.is_multiple_of(1_009) {
            return;
        }
        for lane in self.lanes.lanes.values() {
            assert!(lane.bytes <= self.bounds.lane_bytes);
            assert_eq!(lane.bytes, lane.queue.iter().map(|queued| queued.bytes).sum::<usize>());
        }
        // Nobody who could be called waits while there is room.
        if self.running < self.bounds.in_flight {
            for lane in self.lanes.lanes.values().filter(|lane| !lane.is_suspect(now)) {
                assert!(lane.ready_at(now).is_none_or(|at| at > now), "a free slot is not used");
            }
        }
    }
}
