//! Which records repeat one that was taken in before. Pure.
//!
//! A producer submits the same thing twice, the front door fans an event out twice, the
//! scheduler dies between a release and its commit: each leaves two records of one delivery
//! with one release number. A window knows, for the deliveries of one assigned partition, the
//! highest release that was taken in; a record whose release is not above it is a repeat.
//!
//! A repeat's offset may be finished at once, also while the record that it repeats is under
//! way: that one lies before it in the same partition and holds the frontier, so whoever reads
//! the partition next begins no later than there
//! (`what_is_below_a_frontier_was_done_whenever_the_process_dies`).
//!
//! It promises no more than its size: a record that repeats an older one, or one from before
//! the partition was assigned, is delivered again with the same `webhook-id`. The window is
//! deliberately not filled on assignment, for what lies above the frontier is not done.

use std::collections::{HashMap, VecDeque};

use pipeline::delivery::{Delivery, REPEAT_SPAN};
use pipeline::ids::DeliveryId;

/// Takes of records that a window knows. Full, it has 4.9 MB, 74 bytes for each: a table of
/// 2^17 places of 25 bytes, and a queue of 2^16 places of 24.
const CAPACITY: usize = 65_536;

/// The newest deliveries of one assigned partition.
pub(crate) struct Window {
    capacity: usize,
    known: HashMap<DeliveryId, Taken>,
    /// What was entered into `known`, oldest first; a later entry of the same id outdates an
    /// earlier one.
    order: VecDeque<(DeliveryId, Taken)>,
}

/// What counts of a record that was taken in; small, for there are many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Taken {
    release: u32,
    /// In seconds since the Unix epoch, to the next one that fits.
    accepted_at: u32,
}

impl Window {
    fn with_capacity(capacity: usize) -> Self {
        Self { capacity, known: HashMap::new(), order: VecDeque::new() }
    }

    /// Notes a record; false if it is a repeat.
    pub fn take_in(&mut self, delivery: &Delivery) -> bool {
        let taken = Taken::of(delivery);
        if self.known.get(&delivery.id).is_some_and(|known| taken.repeats(*known)) {
            return false;
        }
        // Before the new one, so that neither collection outgrows its bound.
        if self.order.len() == self.capacity
            && let Some((id, oldest)) = self.order.pop_front()
            && self.known.get(&id) == Some(&oldest)
        {
            self.known.remove(&id);
        }
        self.order.push_back((delivery.id, taken));
        self.known.insert(delivery.id, taken);
        true
    }
}

impl Default for Window {
    fn default() -> Self {
        Self::with_capacity(CAPACITY)
    }
}

impl Taken {
    fn of(delivery: &Delivery) -> Self {
        let accepted_at = delivery.accepted_at.as_second().clamp(0, u32::MAX.into());
        Self { release: delivery.release, accepted_at: accepted_at as u32 }
    }

    /// Whole seconds that differ by less than the span are times that do, too: nothing is
    /// suppressed that the projector gives a row of its own.
    fn repeats(self, known: Self) -> bool {
        let apart = i64::from(self.accepted_at.abs_diff(known.accepted_at));
        self.release <= known.release && apart < REPEAT_SPAN.as_secs()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use jiff::{SignedDuration, Timestamp};
    use pipeline::tracker::Tracker;
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    fn record(id: u128, release: u32) -> Delivery {
        let id = DeliveryId::from_uuid(Uuid::from_u128(id));
        Delivery { id, release, ..crate::decision::tests::delivery() }
    }

    #[test]
    fn a_release_that_is_not_above_the_highest_is_a_repeat() {
        let mut window = Window::default();
        assert!(window.take_in(&record(1, 0)));
        assert!(!window.take_in(&record(1, 0)), "the same again");
        assert!(window.take_in(&record(2, 0)), "another delivery");
        assert!(window.take_in(&record(1, 1)), "the retry");
        assert!(!window.take_in(&record(1, 1)), "the retry, released twice");
        assert!(!window.take_in(&record(1, 0)), "the producer's repeat, after the retry");
        assert!(window.take_in(&record(1, 3)));
    }

    #[test]
    fn what_is_accepted_again_after_the_span_is_no_repeat() {
        let first = record(1, 0);
        let after = |wait: SignedDuration| {
            let mut window = Window::default();
            assert!(window.take_in(&first));
            window.take_in(&Delivery { accepted_at: first.accepted_at + wait, ..first.clone() })
        };
        let (second, micro) = (SignedDuration::from_secs(1), SignedDuration::from_micros(1));
        assert!(!after(REPEAT_SPAN - second));
        assert!(!after(-REPEAT_SPAN + second), "fanned out in the other order");
        // What the projector takes for no repeat is taken in, to the microsecond.
        assert!(after(REPEAT_SPAN + micro));
        assert!(after(-REPEAT_SPAN - micro));
    }

    #[test]
    fn times_that_do_not_fit_are_still_told_apart_by_their_release() {
        for accepted_at in [Timestamp::MIN, Timestamp::MAX] {
            let mut window = Window::default();
            let first = Delivery { accepted_at, ..record(1, 0) };
            assert!(window.take_in(&first));
            assert!(!window.take_in(&first));
            assert!(window.take_in(&Delivery { release: 1, ..first }));
        }
    }

    #[test]
    fn a_full_window_forgets_the_oldest_and_never_grows() {
        let mut window = Window::with_capacity(4);
        for taken in [record(0, 0), record(1, 0), record(0, 1), record(2, 0)] {
            assert!(window.take_in(&taken));
        }
        assert!(window.take_in(&record(3, 0)));
        assert!(!window.take_in(&record(0, 0)), "its retry keeps it known");
        assert!(window.take_in(&record(4, 0)));
        assert!(!window.take_in(&record(0, 1)));
        assert!(!window.take_in(&record(2, 0)));
        assert!(window.take_in(&record(1, 0)), "the oldest was forgotten");
        for id in 10..1_000 {
            assert!(window.take_in(&record(id, 0)));
            assert!(window.order.len() <= 4 && window.known.len() <= 4);
        }
    }

    #[derive(Debug, Clone)]
    enum Step {
        Take,
        Finish(prop::sample::Index),
        Commit,
        Die,
    }

    fn any_step() -> impl Strategy<Value = Step> {
        prop_oneof![
            6 => Just(Step::Take),
            4 => any::<prop::sample::Index>().prop_map(Step::Finish),
            2 => Just(Step::Commit),
            1 => Just(Step::Die),
        ]
    }

    proptest! {
        #[test]
        fn what_is_below_a_frontier_was_done_whenever_the_process_dies(
            log in prop::collection::vec((0_u128..4, 0_u32..3), 1..40),
            steps in prop::collection::vec(any_step(), 1..200),
            capacity in 1_usize..6,
        ) {
            let (mut committed, mut done) = (0, BTreeMap::new());
            let (mut window, mut tracker) = (Window::with_capacity(capacity), Tracker::new(0));
            let mut running: Vec<i64> = Vec::new();
            for step in steps {
                match step {
                    Step::Take => {
                        let offset = tracker.next();
                        let Some(&(id, release)) = log.get(offset as usize) else { continue };
                        tracker.take(offset).unwrap();
                        if window.take_in(&record(id, release)) {
                            running.push(offset);
                        } else {
                            tracker.finish(offset).unwrap();
                        }
                    }
                    Step::Finish(_) if running.is_empty() => {}
                    Step::Finish(pick) => {
                        let offset = running.swap_remove(pick.index(running.len()));
                        let (id, release) = log[offset as usize];
                        let highest = done.entry(id).or_insert(release);
                        *highest = release.max(*highest);
                        tracker.finish(offset).unwrap();
                    }
                    Step::Commit => committed = tracker.frontier(),
                    Step::Die => {
                        running.clear();
                        window = Window::with_capacity(capacity);
                        tracker = Tracker::new(committed);
                    }
                }
                for (id, release) in &log[..tracker.frontier() as usize] {
                    prop_assert!(done.get(id) >= Some(release), "{id} {release} was lost");
                }
            }
        }
    }
}
