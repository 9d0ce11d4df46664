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
//! A window begins with what the loop recalls: records that were done before the partition was
//! assigned, up to [`RECALL`] of those below the frontier, and what a commit says is finished
//! above it. What is not done is never recalled, and so never suppressed. Of a recalled record
//! nobody can say whether it was delivered or was itself the repeat of one from up to 24 hours
//! earlier; so it makes a repeat only of what was accepted at the same time, as whatever the
//! pipeline writes twice was.
//!
//! It promises no more than its size: a record that repeats an older one, or a producer's own
//! repeat of what was done before the partition was assigned, is delivered again with the same
//! `webhook-id`.

use std::collections::{HashMap, VecDeque};

use pipeline::delivery::{Delivery, REPEAT_SPAN};
use pipeline::ids::DeliveryId;

/// Takes of records that a window knows. Full, it has 4.9 MB, 74 bytes for each: a table of
/// 2^17 places of 25 bytes, and a queue of 2^16 places of 24.
const CAPACITY: usize = 65_536;
/// Recalled records that it knows beside them: 0.6 MB.
const RECALLED_CAPACITY: usize = 8_192;
/// Offsets below the frontier that the loop is asked to recall.
pub(crate) const RECALL: u32 = 4_096;

/// The newest deliveries of one assigned partition.
pub(crate) struct Window {
    taken_in: Newest,
    recalled: Newest,
}

/// A bounded number of deliveries.
struct Newest {
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
    fn with_capacity(taken_in: usize, recalled: usize) -> Self {
        Self { taken_in: Newest::new(taken_in), recalled: Newest::new(recalled) }
    }

    /// Notes a record; false if it is a repeat.
    pub fn take_in(&mut self, delivery: &Delivery) -> bool {
        let (id, taken) = (delivery.id, Taken::of(delivery));
        let repeats = |known: &Taken| taken.repeats(*known);
        let writes_again = |known: &Taken| taken.writes_again(*known);
        if self.taken_in.known.get(&id).is_some_and(repeats)
            || self.recalled.known.get(&id).is_some_and(writes_again)
        {
            return false;
        }
        self.taken_in.enter(id, taken);
        true
    }

    /// Notes a record that was done before the partition was assigned.
    pub fn remember(&mut self, delivery: &Delivery) {
        let (id, taken) = (delivery.id, Taken::of(delivery));
        if self.recalled.known.get(&id).is_none_or(|known| !taken.writes_again(*known)) {
            self.recalled.enter(id, taken);
        }
    }
}

impl Newest {
    fn new(capacity: usize) -> Self {
        Self { capacity, known: HashMap::new(), order: VecDeque::new() }
    }

    fn enter(&mut self, id: DeliveryId, taken: Taken) {
        // Before the new one, so that neither collection outgrows its bound.
        if self.order.len() == self.capacity
            && let Some((id, oldest)) = self.order.pop_front()
            && self.known.get(&id) == Some(&oldest)
        {
            self.known.remove(&id);
        }
        self.order.push_back((id, taken));
        self.known.insert(id, taken);
    }
}

impl Default for Window {
    fn default() -> Self {
        Self::with_capacity(CAPACITY, RECALLED_CAPACITY)
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

    /// As a repeat, and accepted in the same second. Then whatever the known one repeats, this
    /// one repeats as well.
    fn writes_again(self, known: Self) -> bool {
        self.release <= known.release && self.accepted_at == known.accepted_at
    }
}

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, Timestamp};
    use pipeline::tracker::{self, Tracker};
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
        let mut window = Window::with_capacity(4, 1);
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
            let Newest { order, known, .. } = &window.taken_in;
            assert!(order.len() <= 4 && known.len() <= 4);
        }
    }

    #[test]
    fn what_is_recalled_makes_repeats_of_what_was_written_again_and_of_nothing_else() {
        let done = Delivery { release: 1, ..record(1, 1) };
        let hour = SignedDuration::from_hours(1);
        let repeats = |delivery: Delivery| {
            let mut window = Window::default();
            window.remember(&done);
            !window.take_in(&delivery)
        };
        assert!(repeats(done.clone()));
        assert!(repeats(record(1, 0)), "the release before it");
        assert!(!repeats(record(1, 2)), "its retry");
        assert!(!repeats(record(2, 1)), "another delivery");
        // It may have been suppressed itself, for one of which this is no repeat.
        assert!(!repeats(Delivery { accepted_at: done.accepted_at + hour, ..done.clone() }));
    }

    #[test]
    fn what_is_recalled_keeps_its_highest_release_in_whatever_order_it_comes() {
        for releases in [[0, 1, 2], [2, 1, 0], [1, 2, 0]] {
            let mut window = Window::default();
            for release in releases {
                window.remember(&record(1, release));
            }
            assert!(!window.take_in(&record(1, 2)));
            assert!(window.take_in(&record(1, 3)));
        }
    }

    #[test]
    fn what_is_recalled_has_a_bound_of_its_own() {
        let mut window = Window::with_capacity(2, 2);
        for id in 0..100 {
            window.remember(&record(id, 0));
            assert!(window.recalled.order.len() <= 2 && window.recalled.known.len() <= 2);
        }
        assert!(window.take_in(&record(0, 0)), "it was forgotten");
        assert!(!window.take_in(&record(99, 0)));
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

    /// A record of the log: the delivery, its release, and the hour of its acceptance.
    type Logged = (u128, u32, i64);

    fn at_hour((id, release, hour): Logged) -> Delivery {
        let first = record(id, release);
        Delivery { accepted_at: first.accepted_at + SignedDuration::from_hours(hour), ..first }
    }

    /// Whether a record is done with, if these were delivered.
    fn is_done((id, release, hour): Logged, delivered: &[Logged]) -> bool {
        delivered.iter().any(|&(other, highest, at)| {
            other == id && highest >= release && (hour - at).abs() < REPEAT_SPAN.as_hours()
        })
    }

    proptest! {
        #[test]
        fn what_is_below_a_frontier_was_done_whenever_the_process_dies(
            log in prop::collection::vec((0_u128..4, 0_u32..3, 0_i64..60), 1..40),
            steps in prop::collection::vec(any_step(), 1..200),
            (capacity, recall) in (1_usize..6, 0_i64..12),
        ) {
            let (mut committed, mut completed) = (0, Vec::new());
            let mut delivered: Vec<Logged> = Vec::new();
            let mut window = Window::with_capacity(capacity, capacity);
            let mut tracker = Tracker::new(0);
            let mut running: Vec<i64> = Vec::new();
            for step in steps {
                match step {
                    Step::Take => {
                        let offset = tracker.next();
                        let Some(&logged) = log.get(offset as usize) else { continue };
                        if tracker.take(offset).unwrap() == tracker::Taken::FinishedBefore {
                            window.remember(&at_hour(logged));
                        } else if window.take_in(&at_hour(logged)) {
                            running.push(offset);
                        } else {
                            tracker.finish(offset).unwrap();
                        }
                    }
                    Step::Finish(_) if running.is_empty() => {}
                    Step::Finish(pick) => {
                        let offset = running.swap_remove(pick.index(running.len()));
                        delivered.push(log[offset as usize]);
                        tracker.finish(offset).unwrap();
                    }
                    Step::Commit => {
                        committed = tracker.frontier();
                        completed = tracker.completed().collect();
                    }
                    Step::Die => {
                        running.clear();
                        window = Window::with_capacity(capacity, capacity);
                        for done in &log[(committed - recall).max(0) as usize..committed as usize] {
                            window.remember(&at_hour(*done));
                        }
                        tracker = Tracker::resume(committed, completed.clone());
                    }
                }
                for &logged in &log[..tracker.frontier() as usize] {
                    prop_assert!(is_done(logged, &delivered), "{logged:?} was lost");
                }
            }
        }
    }
}
