//! Which offsets of one partition are finished, and so what may be committed.
//!
//! The tracker is told of every record that was taken in and of every one that is finished, in
//! any order. Its frontier is one past the highest offset below which everything is finished:
//! the only offset that may ever be committed. Offsets that were never taken in (transaction
//! markers, compacted records) count as finished once a later one arrives.
//!
//! What is finished above the frontier goes with a commit ([`crate::commit_metadata`]), and
//! whoever reads the partition next starts with it: [`Tracker::resume`].
//!
//! Only unfinished offsets are kept, so memory is bounded by what is under way, however far the
//! rest has gone ahead.

use std::collections::{BTreeSet, VecDeque};
use std::ops::Range;

/// The ledger of one assigned partition.
#[derive(Debug, Clone)]
pub struct Tracker {
    unfinished: BTreeSet<i64>,
    /// The least offset that can still be taken in.
    next: i64,
    /// From `next` on: what was finished by an earlier owner. Ascending and apart.
    restored: VecDeque<Range<i64>>,
}

/// What a record that was taken in is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// It is under way from now on.
    Unfinished,
    /// An earlier owner of the partition has finished it: nothing is to be done.
    FinishedBefore,
}

/// A call that contradicts the ledger: the caller has a defect, and nothing was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TrackerError {
    #[error("offset {offset} was taken in when {next} was the least that could come")]
    OutOfOrder { offset: i64, next: i64 },
    #[error("offset {0} was finished without having been taken in")]
    NotTaken(i64),
    #[error("offset {0} was finished twice")]
    Twice(i64),
}

impl Tracker {
    /// A ledger for a partition that is read from offset `start`.
    pub fn new(start: i64) -> Self {
        Self::resume(start, Vec::new())
    }

    /// A ledger for a partition that is read from offset `start`, of which an earlier owner has
    /// finished `completed`. A range that is empty, or not above `start` and the range before
    /// it, is left out.
    pub fn resume(start: i64, completed: Vec<Range<i64>>) -> Self {
        let mut restored: VecDeque<Range<i64>> = VecDeque::with_capacity(completed.len());
        for range in completed {
            let least = restored.back().map_or(start, |before| before.end);
            if range.start >= least && !range.is_empty() {
                restored.push_back(range);
            }
        }
        Self { unfinished: BTreeSet::new(), next: start, restored }
    }

    /// Notes that the record at `offset` was taken in.
    ///
    /// # Errors
    /// [`TrackerError::OutOfOrder`] if that offset, or a later one, was already seen.
    pub fn take(&mut self, offset: i64) -> Result<Taken, TrackerError> {
        if offset < self.next {
            return Err(TrackerError::OutOfOrder { offset, next: self.next });
        }
        self.next = offset + 1;
        while self.restored.front().is_some_and(|range| range.end <= offset) {
            self.restored.pop_front();
        }
        let taken = match self.restored.front_mut() {
            Some(range) if range.start <= offset => {
                range.start = self.next;
                Taken::FinishedBefore
            }
            _ => {
                self.unfinished.insert(offset);
                Taken::Unfinished
            }
        };
        if self.restored.front().is_some_and(Range::is_empty) {
            self.restored.pop_front();
        }
        Ok(taken)
    }

    /// Notes that everything which the record at `offset` caused is acknowledged.
    ///
    /// # Errors
    /// If the offset is not under way.
    pub fn finish(&mut self, offset: i64) -> Result<(), TrackerError> {
        if self.unfinished.remove(&offset) {
            Ok(())
        } else if offset >= self.next {
            Err(TrackerError::NotTaken(offset))
        } else {
            Err(TrackerError::Twice(offset))
        }
    }

    /// One past the highest offset below which everything is finished.
    pub fn frontier(&self) -> i64 {
        self.unfinished.first().copied().unwrap_or(self.next)
    }

    /// What is finished above the frontier, ascending and apart: taken in and finished here, or
    /// by an earlier owner and not come yet.
    pub fn completed(&self) -> impl Iterator<Item = Range<i64>> + Clone {
        // Each unfinished offset with the next one, the last with what is still to come.
        let ends = self.unfinished.iter().skip(1).copied().chain([self.next]);
        let between = self.unfinished.iter().zip(ends).map(|(&offset, end)| offset + 1..end);
        let come = between.filter(|range| !range.is_empty());
        Joined { ranges: come.chain(self.restored.iter().cloned()), held: None }
    }

    /// How many records are taken in and not finished.
    pub fn unfinished(&self) -> usize {
        self.unfinished.len()
    }

    /// The least offset that can still be taken in.
    pub fn next(&self) -> i64 {
        self.next
    }
}

/// Ascending ranges, with those that touch made one.
#[derive(Clone)]
struct Joined<I> {
    ranges: I,
    held: Option<Range<i64>>,
}

impl<I: Iterator<Item = Range<i64>>> Iterator for Joined<I> {
    type Item = Range<i64>;

    fn next(&mut self) -> Option<Range<i64>> {
        let mut whole = self.held.take().or_else(|| self.ranges.next())?;
        for range in self.ranges.by_ref() {
            if range.start != whole.end {
                self.held = Some(range);
                break;
            }
            whole.end = range.end;
        }
        Some(whole)
    }
}

#[cfg(test)]
#[allow(clippy::single_range_in_vec_init, reason = "lists of one range are meant")]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::commit_metadata;

    #[test]
    fn a_finished_offset_above_an_unfinished_one_does_not_move_the_frontier() {
        let mut tracker = Tracker::new(10);
        for offset in 10..13 {
            tracker.take(offset).unwrap();
        }
        tracker.finish(12).unwrap();
        tracker.finish(11).unwrap();
        assert_eq!((tracker.frontier(), tracker.unfinished()), (10, 1));
        tracker.finish(10).unwrap();
        assert_eq!((tracker.frontier(), tracker.unfinished()), (13, 0));
    }

    #[test]
    fn a_gap_counts_as_finished_once_a_later_record_arrives() {
        let mut tracker = Tracker::new(0);
        tracker.take(5).unwrap();
        assert_eq!(tracker.frontier(), 5);
        tracker.take(9).unwrap();
        tracker.finish(5).unwrap();
        assert_eq!(tracker.frontier(), 9);
    }

    #[test]
    fn misuse_is_an_error_and_changes_nothing() {
        let mut tracker = Tracker::new(3);
        tracker.take(3).unwrap();
        assert_eq!(tracker.take(3), Err(TrackerError::OutOfOrder { offset: 3, next: 4 }));
        assert_eq!(tracker.take(-1), Err(TrackerError::OutOfOrder { offset: -1, next: 4 }));
        assert_eq!(tracker.finish(4), Err(TrackerError::NotTaken(4)));
        tracker.finish(3).unwrap();
        assert_eq!(tracker.finish(3), Err(TrackerError::Twice(3)));
        assert_eq!((tracker.frontier(), tracker.unfinished()), (4, 0));
    }

    #[test]
    fn what_an_earlier_owner_finished_is_known_when_it_comes_and_goes_with_the_next_commit() {
        let mut tracker = Tracker::resume(10, vec![11..13, 20..30]);
        assert_eq!(tracker.take(10).unwrap(), Taken::Unfinished);
        assert_eq!(tracker.take(11).unwrap(), Taken::FinishedBefore);
        // Offset 12 never comes; what was said of it is still true.
        assert_eq!(tracker.take(13).unwrap(), Taken::Unfinished);
        assert_eq!((tracker.frontier(), tracker.unfinished()), (10, 2));
        assert_eq!(tracker.completed().collect::<Vec<_>>(), [11..13, 20..30]);
        tracker.finish(13).unwrap();
        assert_eq!(tracker.take(19).unwrap(), Taken::Unfinished);
        tracker.finish(19).unwrap();
        assert_eq!(tracker.completed().collect::<Vec<_>>(), [11..30]);
        tracker.finish(10).unwrap();
        assert_eq!(tracker.frontier(), 20);
        assert_eq!(tracker.completed().collect::<Vec<_>>(), [20..30]);
        assert_eq!(tracker.finish(11), Err(TrackerError::Twice(11)));
    }

    #[test]
    fn ranges_that_cannot_be_are_left_out() {
        let empty = Range { start: 9, end: 9 };
        let tracker = Tracker::resume(5, vec![1..7, empty, 8..10, 9..12, 3..4, 12..13]);
        assert_eq!(tracker.completed().collect::<Vec<_>>(), [8..10, 12..13]);
    }

    /// One offset of the naive model.
    #[derive(Debug, Clone, Copy, PartialEq)]
    enum Is {
        Absent,
        Unfinished,
        Finished,
    }

    proptest! {
        #[test]
        fn the_frontier_equals_that_of_a_naive_model(
            start in 0_i64..1_000,
            steps in prop::collection::vec((0_i64..3, any::<prop::sample::Index>(), any::<bool>()), 1..200),
        ) {
            let mut tracker = Tracker::new(start);
            let mut model: Vec<Is> = Vec::new();
            for (gap, pick, take) in steps {
                let open: Vec<usize> =
                    (0..model.len()).filter(|&i| model[i] == Is::Unfinished).collect();
                if take {
                    model.extend((0..gap).map(|_| Is::Absent));
                    tracker.take(start + model.len() as i64).unwrap();
                    model.push(Is::Unfinished);
                } else if !open.is_empty() {
                    let index = *pick.get(&open);
                    tracker.finish(start + index as i64).unwrap();
                    model[index] = Is::Finished;
                }
                let frontier = model.iter().position(|&is| is == Is::Unfinished);
                let frontier = frontier.unwrap_or(model.len());
                prop_assert_eq!(tracker.frontier(), start + frontier as i64);
                let open = model.iter().filter(|&&is| is == Is::Unfinished).count();
                prop_assert_eq!(tracker.unfinished(), open);
                prop_assert_eq!(tracker.next(), start + model.len() as i64);
                let told: Vec<i64> = tracker.completed().flatten().collect();
                let known: Vec<i64> = (frontier..model.len())
                    .filter(|&i| model[i] != Is::Unfinished)
                    .map(|i| start + i as i64)
                    .collect();
                prop_assert_eq!(told, known);
            }
        }

        /// A log of records with gaps, read by one owner after another. Each crash falls back
        /// to the last commit.
        #[test]
        fn whenever_owners_crash_nothing_is_skipped_and_what_was_committed_is_not_repeated(
            present in prop::collection::vec(prop::bool::weighted(0.9), 1..300),
            steps in prop::collection::vec((0_u8..8, any::<prop::sample::Index>()), 1..600),
        ) {
            let log: Vec<i64> =
                (0..).zip(&present).filter(|(_, present)| **present).map(|(at, _)| at).collect();
            // Finished ever; finished as far as this owner can know; and that at the last commit.
            let mut done: BTreeSet<i64> = BTreeSet::new();
            let mut known: BTreeSet<i64> = BTreeSet::new();
            let mut committed: BTreeSet<i64> = BTreeSet::new();
            let mut open: BTreeSet<i64> = BTreeSet::new();
            let mut commit = (0, String::new());
            let mut tracker = Tracker::new(0);
            for (step, pick) in steps {
                match step {
                    0..=3 => {
                        let next = log.partition_point(|&at| at < tracker.next());
                        let Some(&offset) = log.get(next) else { continue };
                        match tracker.take(offset).unwrap() {
                            Taken::FinishedBefore => prop_assert!(done.contains(&offset)),
                            Taken::Unfinished => {
                                prop_assert!(!committed.contains(&offset), "{} repeated", offset);
                                open.insert(offset);
                            }
                        }
                    }
                    4..=5 if !open.is_empty() => {
                        let offset = *pick.get(&open.iter().copied().collect::<Vec<_>>());
                        tracker.finish(offset).unwrap();
                        open.remove(&offset);
                        done.insert(offset);
                        known.insert(offset);
                    }
                    6 => {
                        let frontier = tracker.frontier();
                        let text = commit_metadata::encode(frontier, tracker.completed());
                        let below: Vec<i64> =
                            log.iter().copied().take_while(|&at| at < frontier).collect();
                        prop_assert!(below.iter().all(|at| done.contains(at)), "{:?}", below);
                        committed = known.clone();
                        commit = (frontier, text);
                    }
                    7 => {
                        open.clear();
                        known = committed.clone();
                        let completed = commit_metadata::decode(commit.0, &commit.1);
                        tracker = Tracker::resume(commit.0, completed);
                    }
                    _ => {}
                }
            }
            // The last owner reads on to the end and finishes everything.
            while let Some(&offset) = log.get(log.partition_point(|&at| at < tracker.next())) {
                if tracker.take(offset).unwrap() == Taken::Unfinished {
                    open.insert(offset);
                }
            }
            for offset in open {
                tracker.finish(offset).unwrap();
                done.insert(offset);
            }
            prop_assert_eq!(done.into_iter().collect::<Vec<_>>(), log);
        }
    }
}
