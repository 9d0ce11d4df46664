//! All tallies of a run, shared by the load and its receivers, on one monotonic clock.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::mark::{Cohort, Mark};
use crate::tally::{Micros, Tally};

/// How often [`Board::settled`] looks.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

#[derive(Debug)]
struct Cell {
    tally: Mutex<Tally>,
    /// Told of each first arrival; a closed loop waits for it.
    arrived: Notify,
}

/// Clones share the tallies.
#[derive(Debug, Clone)]
pub struct Board {
    started_at: Instant,
    cells: Arc<Mutex<Vec<Arc<Cell>>>>,
}

impl Default for Board {
    fn default() -> Self {
        Self { started_at: Instant::now(), cells: Arc::default() }
    }
}

impl Board {
    /// A cohort that has no event yet.
    pub fn cohort(&self) -> Cohort {
        let mut cells = lock(&self.cells);
        cells.push(Arc::new(Cell { tally: Mutex::default(), arrived: Notify::new() }));
        Cohort((cells.len() - 1) as u32)
    }

    pub fn now(&self) -> Micros {
        self.at(Instant::now())
    }

    pub fn at(&self, instant: Instant) -> Micros {
        instant.saturating_duration_since(self.started_at).as_micros() as Micros
    }

    /// Notes an event that is to be sent at `at`.
    pub fn intend(&self, cohort: Cohort, at: Instant) -> Mark {
        let at = self.at(at);
        Mark { cohort, number: self.with(cohort, |tally| tally.intend(at)) }
    }

    /// Notes what a receiver got; true if it is an event's first arrival.
    pub fn arrive(&self, mark: Mark) -> bool {
        let now = self.now();
        let Some(cell) = self.find(mark.cohort) else { return false };
        let is_first = lock(&cell.tally).arrive(mark.number, now);
        if is_first {
            cell.arrived.notify_one();
        }
        is_first
    }

    /// Reads or changes a cohort's tally. A cohort of another board has an empty one.
    pub fn with<T>(&self, cohort: Cohort, look: impl FnOnce(&mut Tally) -> T) -> T {
        match self.find(cohort) {
            Some(cell) => look(&mut lock(&cell.tally)),
            None => look(&mut Tally::default()),
        }
    }

    /// Copies of the cohorts' tallies.
    pub fn tallies(&self, cohorts: &[Cohort]) -> Vec<Tally> {
        cohorts.iter().map(|cohort| self.with(*cohort, |tally| tally.clone())).collect()
    }

    /// Waits for the next first arrival in a cohort, at most for `patience`. One waiter at a time.
    pub async fn next_arrival(&self, cohort: Cohort, patience: Duration) {
        if let Some(cell) = self.find(cohort) {
            // The caller looks at the tally again, whichever came first.
            let _ = tokio::time::timeout(patience, cell.arrived.notified()).await;
        }
    }

    /// Waits until every event of the cohorts has arrived, at most for `patience`; returns how
    /// many are missing.
    pub async fn settled(&self, cohorts: &[Cohort], patience: Duration) -> usize {
        let end = Instant::now() + patience;
        loop {
            let missing = cohorts.iter().map(|c| self.with(*c, |tally| tally.missing())).sum();
            if missing == 0 || Instant::now() >= end {
                return missing;
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    fn find(&self, Cohort(index): Cohort) -> Option<Arc<Cell>> {
        lock(&self.cells).get(index as usize).cloned()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
