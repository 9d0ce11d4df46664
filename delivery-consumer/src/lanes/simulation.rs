//! Lanes against receivers that misbehave in every way, over simulated time.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::time::{Duration, Instant};

use uuid::Uuid;

use super::*;

const SECOND: Duration = Duration::from_secs(1);
const TIMEOUT: Duration = Duration::from_secs(10);

fn bounds() -> Bounds {
    Bounds {
        in_flight: 1_024,
        lane_in_flight: 128,
        bytes: 128 << 20,
        lane_bytes: 32 << 20,
        queued: 100_000,
        max_hold: 10 * SECOND,
        breaker: BreakerRules { attempts: 20, window: 60 * SECOND, unanswered: 5 },
    }
}

fn id(lane: u128) -> SubscriptionId {
    SubscriptionId::from_uuid(Uuid::from_u128(lane))
}

/// SplitMix64 (Steele, Lea and Flood, 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Receiver {
    Good {
        millis: u64,
    },
    Hung,
    Refuses,
    Slow,
    /// Three in five answers are a 500.
    Flaky,
    /// Asks for two seconds of rest now and then.
    Throttles,
    /// Good and hung in turns of 30 seconds.
    Moody,
}

impl Receiver {
    /// How long a call takes that starts at `at`, and how it ends.
    fn answers(self, at: Duration, random: &mut Random) -> (Duration, CallEnd) {
        let well = CallEnd { verdict: Verdict::Well, hold: None };
        let with = |verdict| CallEnd { verdict, ..well };
        let millis = Duration::from_millis;
        match self {
            Self::Good { millis: most } => (millis(1 + random.below(most)), well),
            Self::Hung => (TIMEOUT, with(Verdict::Unanswered)),
            Self::Refuses => (millis(1), with(Verdict::Unanswered)),
            Self::Slow => (millis(2_000 + random.below(7_000)), well),
            Self::Flaky if random.below(5) < 3 => (millis(5), with(Verdict::Unwell)),
            Self::Flaky => (millis(5), well),
            Self::Throttles if random.below(10) == 0 => {
                (millis(3), CallEnd { verdict: Verdict::Unwell, hold: Some(2 * SECOND) })
            }
            Self::Throttles => (millis(3), well),
            Self::Moody if (at.as_secs() / 30) % 2 == 1 => Self::Hung.answers(at, random),
            Self::Moody => (millis(4), well),
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Work {
    lane: usize,
    number: u64,
    admitted_at: Instant,
}

/// A lane as the simulation knows it, apart from the one under test.
struct Model {
    receiver: Receiver,
    rules: LaneRules,
    /// Between two arrivals, in microseconds.
    interval: u64,
    bytes: usize,
    running: Vec<Instant>,
    any_ended: bool,
    last_was_slow: bool,
    starts: Vec<Instant>,
    called: u64,
    spilled: u64,
    longest_wait: Duration,
}

impl Model {
    fn new(receiver: Receiver, per_second: f64, bytes: usize) -> Self {
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

struct Simulation {
    bounds: Bounds,
    start: Instant,
    random: Random,
    lanes: Lanes<Work>,
    models: Vec<Model>,
    events: BinaryHeap<Reverse<(Instant, u64, Event)>>,
    order: u64,
    slots: HashMap<u64, (Slot, CallEnd, Instant)>,
    running: usize,
    in_hand: HashMap<u64, ()>,
    admitted: u64,
}

impl Simulation {
    fn new(seed: u64, bounds: Bounds, models: Vec<Model>) -> Self {
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
    fn run(&mut self, span: Duration) -> u64 {
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

fn calls_per_second(starts: &[Instant]) -> usize {
    let mut most = 0;
    for (first, from) in starts.iter().enumerate() {
        let within = starts[first..].iter().take_while(|at| at.duration_since(*from) < SECOND);
        most = most.max(within.count());
    }
    most
}

#[test]
fn every_bound_holds_among_receivers_that_misbehave_in_every_way() {
    let mut steps = 0;
    for seed in 0..3 {
        let mut random = Random(seed);
        let mut models: Vec<Model> = (0..300)
            .map(|lane| {
                let receiver = match lane % 10 {
                    0 => Receiver::Hung,
                    1 => Receiver::Refuses,
                    2 => Receiver::Slow,
                    3 => Receiver::Flaky,
                    4 => Receiver::Throttles,
                    5 => Receiver::Moody,
                    _ => Receiver::Good { millis: 1 + random.below(50) },
                };
                let rate = [1.0, 5.0, 20.0, 60.0][random.below(4) as usize];
                let bytes = [600, 1_500, 20_000, 260_000][random.below(4) as usize];
                Model::new(receiver, rate, bytes)
            })
            .collect();
        for (lane, model) in models.iter_mut().enumerate() {
            model.rules = LaneRules {
                max_concurrency: (lane % 7 == 0).then_some(1 + random.below(6) as u32),
                rate_limit: (lane % 11 == 0).then_some(1 + random.below(40) as u32),
            };
        }
        let mut simulation = Simulation::new(seed, bounds(), models);
        steps += simulation.run(75 * SECOND);
        for model in &simulation.models {
            if let Some(limit) = model.rules.rate_limit {
                let most = calls_per_second(&model.starts);
                assert!(most <= 2 * limit as usize + 1, "{most} calls in a second at {limit}");
            }
            if matches!(model.receiver, Receiver::Hung | Receiver::Refuses) {
                // The breaker: at most five calls and then one probe each five seconds or rarer.
                assert!(model.called <= 5 + 6 + 128, "{} calls to a dead one", model.called);
                for pair in model.starts.windows(2).skip(6) {
                    assert!(pair[1].duration_since(pair[0]) >= 5 * SECOND, "an eager probe");
                }
            }
            if let (Receiver::Good { .. }, LaneRules { max_concurrency: None, rate_limit: None }) =
                (model.receiver, model.rules)
            {
                // With all bytes in use, even a healthy lane may be the largest for a moment.
                assert!(model.spilled * 50 <= model.called, "{} put aside", model.spilled);
                assert!(model.longest_wait < SECOND, "waited {:?}", model.longest_wait);
            }
        }
    }
    assert!(steps > 1_000_000, "{steps} steps");
}

#[test]
fn thousands_of_hung_receivers_leave_half_of_the_slots_to_the_others() {
    let mut models: Vec<Model> =
        (0..3_000).map(|_| Model::new(Receiver::Hung, 1.0, 1_000)).collect();
    models.extend((0..50).map(|_| Model::new(Receiver::Good { millis: 20 }, 50.0, 1_000)));
    let mut simulation = Simulation::new(1, bounds(), models);
    simulation.run(40 * SECOND);
    let good: Vec<&Model> = simulation.models[3_000..].iter().collect();
    // A lane's first call stands in one line with all the hung ones'; those that got theirs
    // in time are never held up again.
    let served: u64 = good.iter().map(|model| model.called).sum();
    assert!(served > 50 * 50 * 25, "{served} calls were made");
}

#[test]
fn one_lane_with_a_hundred_times_the_load_does_not_make_the_others_wait() {
    let few = Bounds { in_flight: 32, lane_in_flight: 16, ..bounds() };
    let longest = |hot: f64| {
        let mut models = vec![Model::new(Receiver::Good { millis: 8 }, hot, 1_000)];
        models.extend((0..40).map(|_| Model::new(Receiver::Good { millis: 8 }, 50.0, 1_000)));
        let mut simulation = Simulation::new(2, few, models);
        simulation.run(20 * SECOND);
        assert_eq!(simulation.models[1..].iter().map(|model| model.spilled).sum::<u64>(), 0);
        let calls: u64 = simulation.models[1..].iter().map(|model| model.called).sum();
        assert!(calls > 40 * 50 * 19, "{calls} calls");
        simulation.models[1..].iter().map(|model| model.longest_wait).max().unwrap()
    };
    let (alone, beside) = (longest(50.0), longest(5_000.0));
    assert!(beside < alone + Duration::from_millis(30), "{alone:?} alone, {beside:?} beside it");
}

#[test]
fn lanes_that_always_have_work_get_equal_shares_in_bytes() {
    let now = Instant::now();
    let mut lanes = Lanes::new(Bounds { in_flight: 1, ..bounds() });
    let sizes = [1_000, 4_000, 30_000];
    for (lane, bytes) in sizes.into_iter().enumerate() {
        for _ in 0..(3_000_000 / bytes) {
            lanes.admit(id(lane as u128), LaneRules::default(), lane, bytes, now);
        }
    }
    let mut sent = [0; 3];
    for _ in 0..500 {
        let (slot, lane) = lanes.pick(now).unwrap();
        sent[lane] += sizes[lane];
        lanes.ended(slot, CallEnd { verdict: Verdict::Well, hold: None }, now);
        let (least, most) = (sent.iter().min().unwrap(), sent.iter().max().unwrap());
        assert!(most - least <= 30_000 + 2 * floor::QUANTUM, "{sent:?}");
    }
}

#[test]
fn when_all_is_full_the_largest_lane_gives_way_and_the_small_one_does_not() {
    let now = Instant::now();
    let small = Bounds { bytes: 100_000, lane_bytes: 90_000, ..bounds() };
    let mut lanes = Lanes::new(small);
    for number in 0..80 {
        lanes.admit(id(1), LaneRules::default(), (1, number), 1_000, now);
    }
    for number in 0..40 {
        lanes.admit(id(2), LaneRules::default(), (2, number), 1_000, now);
    }
    let spilled = lanes.take_spilled();
    assert!(!spilled.is_empty());
    for spill in spilled {
        assert_eq!((spill.work.0, spill.reason), (1, Reason::Overloaded));
        assert!(spill.work.1 >= 40, "the newest go, not the oldest");
    }
    assert!(lanes.floor.bytes <= 100_000);
}

#[test]
fn a_withdrawn_probe_leaves_the_place_to_another() {
    let now = Instant::now();
    let mut lanes = Lanes::new(bounds());
    let admit = |lanes: &mut Lanes<u32>, work, now| {
        lanes.admit(id(1), LaneRules::default(), work, 1_000, now);
    };
    for call in 0..5 {
        admit(&mut lanes, call, now);
        let (slot, _) = lanes.pick(now).unwrap();
        lanes.ended(slot, CallEnd { verdict: Verdict::Unanswered, hold: None }, now);
    }
    admit(&mut lanes, 5, now);
    let spill = lanes.take_spilled().pop().unwrap();
    assert_eq!((spill.stay, spill.delay), (Stay::Doubling, 5 * SECOND));
    let then = now + 5 * SECOND;
    admit(&mut lanes, 6, then);
    let (slot, probe) = lanes.pick(then).unwrap();
    assert_eq!(probe, 6);
    admit(&mut lanes, 7, then);
    assert_eq!(lanes.take_spilled().len(), 1, "one probe at a time");
    lanes.withdrawn(slot, then);
    admit(&mut lanes, 8, then);
    assert!(lanes.pick(then).is_some(), "the next one is the probe");
}

#[test]
fn what_is_forgotten_leaves_no_trace() {
    let now = Instant::now();
    let mut lanes = Lanes::new(bounds());
    for number in 0..100 {
        lanes.admit(id(number % 3), LaneRules::default(), number, 1_000, now);
    }
    assert_eq!(lanes.forget(|number| number % 2 == 0, now).len(), 50);
    assert_eq!((lanes.floor.queued, lanes.floor.bytes), (50, 50_000));
    assert_eq!(lanes.forget(|_| true, now).len(), 50);
    assert!(lanes.pick(now).is_none());
    lanes.advance(now + 2 * REMEMBERED);
    assert!(lanes.lanes.is_empty(), "an idle lane is forgotten");
    assert_eq!(lanes.wake_at(), None);
}
