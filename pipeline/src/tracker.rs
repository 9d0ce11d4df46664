//! Which offsets of one partition are finished, and so what may be committed.
//!
//! The tracker is told of every record that was taken in and of every one that is finished, in
//! any order. Its frontier is one past the highest offset below which everything is finished:
//! the only offset that may ever be committed. Offsets that were never taken in (transaction
//! markers, compacted records) count as finished once a later one arrives.

use std::collections::VecDeque;

/// The ledger of one assigned partition.
#[derive(Debug, Clone)]
pub struct Tracker {
    frontier: i64,
    /// Whether `frontier + index` is finished; the front is unfinished or the ledger is empty.
    finished: VecDeque<bool>,
    unfinished: usize,
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
        Self { frontier: start, finished: VecDeque::new(), unfinished: 0 }
    }

    /// Notes that the record at `offset` was taken in.
    ///
    /// # Errors
    /// [`TrackerError::OutOfOrder`] if that offset, or a later one, was already seen.
    pub fn take(&mut self, offset: i64) -> Result<(), TrackerError> {
        let next = self.next();
        let Ok(gap) = usize::try_from(offset - next) else {
            return Err(TrackerError::OutOfOrder { offset, next });
        };
        self.finished.extend(std::iter::repeat_n(true, gap));
        self.finished.push_back(false);
        self.unfinished += 1;
        self.advance();
        Ok(())
    }

    /// Notes that everything which the record at `offset` caused is acknowledged.
    ///
    /// # Errors
    /// If the offset is not under way.
    pub fn finish(&mut self, offset: i64) -> Result<(), TrackerError> {
        if offset < self.frontier {
            return Err(TrackerError::Twice(offset));
        }
        let index = usize::try_from(offset - self.frontier).ok();
        match index.and_then(|index| self.finished.get_mut(index)) {
            None => Err(TrackerError::NotTaken(offset)),
            Some(true) => Err(TrackerError::Twice(offset)),
            Some(finished) => {
                *finished = true;
                self.unfinished -= 1;
                self.advance();
                Ok(())
            }
        }
    }

    /// One past the highest offset below which everything is finished.
    pub fn frontier(&self) -> i64 {
        self.frontier
    }

    /// How many records are taken in and not finished.
    pub fn unfinished(&self) -> usize {
        self.unfinished
    }

    /// The least offset that can still be taken in.
    pub fn next(&self) -> i64 {
        self.frontier + self.finished.len() as i64
    }

    fn advance(&mut self) {
        while self.finished.front() == Some(&true) {
            self.finished.pop_front();
            self.frontier += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

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

    proptest! {
        #[test]
        fn the_frontier_equals_that_of_a_naive_model(
            start in 0_i64..1_000,
            steps in prop::collection::vec((0_i64..3, any::<prop::sample::Index>(), any::<bool>()), 1..200),
        ) {
            let mut tracker = Tracker::new(start);
            let (mut open, mut next) = (BTreeSet::new(), start);
            for (gap, pick, take) in steps {
                if take {
                    let offset = next + gap;
                    tracker.take(offset).unwrap();
                    open.insert(offset);
                    next = offset + 1;
                } else if !open.is_empty() {
                    let offset = *pick.get(&open.iter().copied().collect::<Vec<_>>());
                    tracker.finish(offset).unwrap();
                    open.remove(&offset);
                }
                prop_assert_eq!(tracker.frontier(), open.first().copied().unwrap_or(next));
                prop_assert_eq!(tracker.unfinished(), open.len());
                prop_assert_eq!(tracker.next(), next);
            }
        }
    }
}
