//! How old the oldest unfinished record of a partition is. Pure.
//!
//! Not every record is noted, only one for each tenth of a second of the log: the record at the
//! frontier is then at most so much younger than the last noted one that is not above it.

use std::collections::VecDeque;

/// Between two records that are noted.
const STEP_MILLIS: i64 = 100;

/// Records of one partition that were taken, each with when the broker appended it.
#[derive(Debug, Default)]
pub(crate) struct Ages {
    noted: VecDeque<(i64, i64)>,
}

impl Ages {
    /// Notes a record that was taken; offsets only grow. `appended_at` is in milliseconds since
    /// the Unix epoch.
    pub fn note(&mut self, offset: i64, appended_at: i64) {
        if self.noted.back().is_none_or(|(_, last)| appended_at - last >= STEP_MILLIS) {
            self.noted.push_back((offset, appended_at));
        }
    }

    /// When the record at `frontier` was appended, and forgets what lies below; `None` if nothing
    /// is unfinished.
    pub fn oldest(&mut self, frontier: i64, is_unfinished: bool) -> Option<i64> {
        if !is_unfinished {
            self.noted.clear();
            return None;
        }
        while self.noted.get(1).is_some_and(|(offset, _)| *offset <= frontier) {
            self.noted.pop_front();
        }
        self.noted.front().map(|(_, appended_at)| *appended_at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_is_the_last_noted_record_that_is_not_above_the_frontier() {
        let mut ages = Ages::default();
        for (offset, appended_at) in [(5, 1_000), (6, 1_050), (7, 1_120), (9, 3_000)] {
            ages.note(offset, appended_at);
        }
        assert_eq!(ages.oldest(5, true), Some(1_000));
        assert_eq!(ages.oldest(6, true), Some(1_000), "it is younger by less than a step");
        assert_eq!(ages.oldest(7, true), Some(1_120));
        assert_eq!(ages.oldest(9, true), Some(3_000));
        assert_eq!(ages.noted.len(), 1, "what is finished is forgotten");
    }

    #[test]
    fn nothing_is_old_while_nothing_is_unfinished() {
        let mut ages = Ages::default();
        ages.note(5, 1_000);
        assert_eq!(ages.oldest(6, false), None);
        ages.note(6, 1_010);
        assert_eq!(ages.oldest(6, true), Some(1_010));
    }
}
