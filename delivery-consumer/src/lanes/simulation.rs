//! Lanes against receivers that misbehave in every way, over simulated time.
//!
//! Each is a scenario; `simulation::model` plays it and checks the bounds at every step, and
//! `simulation::receiver` says who answers how.

mod model;
mod receiver;

use model::{Model, Simulation};
use receiver::{Random, Receiver};
use uuid::Uuid;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

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
