//! When which fault begins: a pure function of the seed.
//!
//! Faults are dealt from a deck that holds every kind, so that a run meets as many kinds as its
//! length has room for; what every run must meet lies on top. They overlap as they fall.

use std::time::Duration;

use fault_point::CrashPoint;

use crate::draw::Draw;
use crate::fault::{Blow, Change, Fault, ProcessName, Role, Store, Timed};

/// Load without faults at the beginning, for the baseline of I11.
pub const CALM_BEFORE: Duration = Duration::from_secs(10);
/// Load without new faults at the end.
const CALM_AFTER: Duration = Duration::from_secs(5);
/// Between the beginnings of two faults.
const SHORTEST_GAP: Duration = Duration::from_millis(300);
const LONGEST_GAP: Duration = Duration::from_millis(3_500);
/// Times that a process comes by its crash point, at most, until it crashes there.
const MOST_PASSES: usize = 20;
/// Past the consumers' session timeout of 10 s.
const PAST_THE_SESSION: Duration = Duration::from_secs(12);

/// Which faults a run is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Storm {
    /// Every kind.
    Mixed,
    /// Load alone.
    Calm,
    /// Kills of one role, as many as asked for, evenly spread.
    Kills(Role, usize),
    /// One store is stopped once, for this long.
    Away(Store, Duration),
}

/// What a schedule may act on.
#[derive(Debug, Clone, Default)]
pub struct Stage {
    /// Places of subscriptions that may be paused, moved and rotated.
    pub changeable: Vec<usize>,
    /// Places of subscriptions that may be deleted, each once.
    pub deletable: Vec<usize>,
}

/// One or more faults that belong together, with their delays after the first one's beginning.
type Card = Vec<(Duration, Fault)>;

/// The faults of a run whose load lasts for `load`, in the order in which they begin.
pub fn schedule(seed: u64, load: Duration, storm: Storm, stage: &Stage) -> Vec<Timed> {
    let mut draw = Draw::stream(seed, "faults");
    let end = load.saturating_sub(CALM_AFTER);
    let mut faults = match storm {
        Storm::Calm => Vec::new(),
        Storm::Away(store, away) => {
            vec![Timed { at: CALM_BEFORE, fault: Fault::Store(store, Blow::Terminate(away)) }]
        }
        Storm::Kills(role, times) => kills(&mut draw, role, times, end),
        Storm::Mixed => mixed(&mut draw, end, stage),
    };
    faults.sort_by_key(|timed| timed.at);
    faults
}

fn kills(draw: &mut Draw, role: Role, times: usize, end: Duration) -> Vec<Timed> {
    let step = end.saturating_sub(CALM_BEFORE) / times.max(1) as u32;
    let mut kill = |n: usize| {
        let who = ProcessName { role, index: n % role.count() };
        let blow = Blow::Kill(draw.between(Duration::ZERO, Duration::from_secs(2)));
        let at = CALM_BEFORE + step * n as u32 + draw.between(Duration::ZERO, step / 2);
        Timed { at, fault: Fault::Process(who, blow) }
    };
    (0..times).map(&mut kill).collect()
}

fn mixed(draw: &mut Draw, end: Duration, stage: &Stage) -> Vec<Timed> {
    let mut deletable = stage.deletable.clone();
    let mut faults = Vec::new();
    let mut deck = Vec::new();
    let mut at = CALM_BEFORE;
    let mut first = true;
    while at < end {
        let card = match deck.pop() {
            Some(card) => card,
            None => {
                deck = rest(draw, stage, &mut deletable);
                draw.shuffle(&mut deck);
                if std::mem::take(&mut first) {
                    let mut top = every_run(draw);
                    draw.shuffle(&mut top);
                    deck.append(&mut top);
                }
                continue;
            }
        };
        faults.extend(card.into_iter().map(|(after, fault)| Timed { at: at + after, fault }));
        at += draw.between(SHORTEST_GAP, LONGEST_GAP);
    }
    faults
}

/// What even a short run must meet.
fn every_run(draw: &mut Draw) -> Vec<Card> {
    let mut cards: Vec<Card> =
        Role::ALL.iter().map(|role| one(blow_at(draw, *role, kill))).collect();
    // Records that nobody has acknowledged are with the gateways when they are killed.
    let frozen = Duration::from_secs(7);
    let in_the_gap = Duration::from_secs(3);
    let gateway = |index| ProcessName { role: Role::Gateway, index };
    cards.push(vec![
        (Duration::ZERO, Fault::Store(Store::Kafka, Blow::Freeze(frozen))),
        (in_the_gap, Fault::Process(gateway(0), Blow::Kill(Duration::ZERO))),
        (in_the_gap, Fault::Process(gateway(1), Blow::Kill(Duration::ZERO))),
    ]);
    cards.push(one(Fault::Store(Store::Postgres, kill(draw))));
    cards.push(one(blow_at(draw, Role::Consumer, terminate)));
    for point in [
        CrashPoint::ConsumerAfterOutcome,
        CrashPoint::ConsumerBeforeFinish,
        CrashPoint::SchedulerAfterProduce,
        CrashPoint::ProjectorBeforeCommit,
    ] {
        cards.push(one(crash(draw, point)));
    }
    cards
}

/// Everything else, and once more what every run meets.
fn rest(draw: &mut Draw, stage: &Stage, deletable: &mut Vec<usize>) -> Vec<Card> {
    let mut cards = Vec::new();
    for role in Role::ALL {
        for blow in [kill, terminate, freeze, freeze_for_long] {
            cards.push(one(blow_at(draw, role, blow)));
        }
    }
    for point in CrashPoint::ALL {
        cards.push(one(crash(draw, *point)));
    }
    for store in [Store::Kafka, Store::Postgres] {
        for blow in [kill, terminate, freeze] {
            cards.push(one(Fault::Store(store, blow(draw))));
        }
    }
    cards.push(one(Fault::Everything(kill(draw))));
    let (least, most) = (Duration::from_secs(5), Duration::from_secs(20));
    cards.push(one(Fault::OneMoreConsumer(draw.between(least, most))));
    cards.push(one(Fault::OneConsumerLess(draw.between(least, most))));
    for _ in 0..2 {
        let pause = draw.between(Duration::from_secs(1), Duration::from_secs(8));
        for change in [Change::Pause(pause), Change::Move, Change::Rotate] {
            let place = draw.pick(&stage.changeable);
            cards.extend(place.map(|place| one(Fault::Subscription(place, change))));
        }
    }
    let deleted = deletable.pop();
    cards.extend(deleted.map(|place| one(Fault::Subscription(place, Change::Delete))));
    cards
}

fn one(fault: Fault) -> Card {
    vec![(Duration::ZERO, fault)]
}

fn blow_at(draw: &mut Draw, role: Role, blow: fn(&mut Draw) -> Blow) -> Fault {
    let who = ProcessName { role, index: draw.below(role.count()) };
    Fault::Process(who, blow(draw))
}

fn crash(draw: &mut Draw, point: CrashPoint) -> Fault {
    let role = Role::passing(point);
    let who = ProcessName { role, index: draw.below(role.count()) };
    Fault::Crash(who, point, 1 + draw.below(MOST_PASSES) as u64)
}

fn kill(draw: &mut Draw) -> Blow {
    Blow::Kill(draw.between(Duration::ZERO, Duration::from_secs(4)))
}

fn terminate(draw: &mut Draw) -> Blow {
    Blow::Terminate(draw.between(Duration::ZERO, Duration::from_secs(4)))
}

fn freeze(draw: &mut Draw) -> Blow {
    Blow::Freeze(draw.between(Duration::from_millis(200), Duration::from_secs(6)))
}

fn freeze_for_long(draw: &mut Draw) -> Blow {
    Blow::Freeze(PAST_THE_SESSION + draw.between(Duration::ZERO, Duration::from_secs(3)))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const THREE_MINUTES: Duration = Duration::from_secs(180);

    fn stage() -> Stage {
        Stage { changeable: vec![0, 1, 2], deletable: vec![3, 4] }
    }

    #[test]
    fn a_seed_gives_the_same_schedule_again_and_another_seed_another() {
        let of = |seed| schedule(seed, THREE_MINUTES, Storm::Mixed, &stage());
        assert_eq!(of(1), of(1));
        assert_ne!(of(1), of(2));
    }

    #[test]
    fn whatever_the_seed_every_role_and_both_stores_are_hurt_and_nothing_is_deleted_twice() {
        for seed in 0..50 {
            let minute = schedule(seed, THREE_MINUTES / 3, Storm::Mixed, &stage());
            let kinds: BTreeSet<String> = minute.iter().map(|timed| timed.fault.kind()).collect();
            for role in Role::ALL {
                assert!(kinds.contains(&format!("kill {}", role.name())), "seed {seed}: {kinds:?}");
            }
            assert!(kinds.iter().any(|kind| kind.ends_with("kafka")), "seed {seed}: {kinds:?}");
            assert!(kinds.iter().any(|kind| kind.ends_with("postgres")), "seed {seed}: {kinds:?}");
            let long = schedule(seed, THREE_MINUTES * 3, Storm::Mixed, &stage());
            let deleted = long.iter().filter_map(|timed| match timed.fault {
                Fault::Subscription(place, Change::Delete) => Some(place),
                _ => None,
            });
            let deleted: Vec<usize> = deleted.collect();
            let distinct: BTreeSet<usize> = deleted.iter().copied().collect();
            assert_eq!(deleted.len(), distinct.len(), "seed {seed}");
        }
    }

    #[test]
    fn faults_begin_after_the_baseline_and_before_the_load_ends() {
        for storm in [Storm::Mixed, Storm::Kills(Role::Consumer, 10)] {
            let faults = schedule(3, THREE_MINUTES, storm, &stage());
            assert!(faults.first().is_some_and(|timed| timed.at >= CALM_BEFORE));
            assert!(faults.last().is_some_and(|timed| timed.at < THREE_MINUTES));
            assert!(faults.is_sorted_by_key(|timed| timed.at));
        }
        assert_eq!(
            schedule(3, THREE_MINUTES, Storm::Kills(Role::Consumer, 10), &stage()).len(),
            10
        );
        assert!(schedule(3, THREE_MINUTES, Storm::Calm, &stage()).is_empty());
    }
}
