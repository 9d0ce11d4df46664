//! What a projector tells of itself while it runs.

mod figures;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use metrics::registry::{BATCH_SECONDS, PROJECTED};
use metrics::{Counter, Histogram, Page};
use tokio::sync::watch;

use crate::day_keeper::DaysKept;
use crate::janitor_task::WorkKept;

/// The ends at which one reads.
#[derive(Debug, Clone)]
pub struct Watched {
    /// What is kept of the work topics.
    pub work: watch::Receiver<WorkKept>,
    /// Which days have tables.
    pub days: watch::Receiver<DaysKept>,
    /// How far the projection is behind, in the whole installation.
    pub lag: watch::Receiver<ProjectionLag>,
    /// What this process has in hand, and has counted.
    pub tally: Arc<Tally>,
}

/// The ends that [`crate::run_watched`] writes to.
#[derive(Debug)]
pub struct Watching {
    pub(crate) work: watch::Sender<WorkKept>,
    pub(crate) days: watch::Sender<DaysKept>,
    pub(crate) lag: watch::Sender<ProjectionLag>,
    pub(crate) tally: Arc<Tally>,
}

/// Both ends.
pub fn watched() -> (Watching, Watched) {
    watched_on(&Page::default())
}

/// The same, with what is counted shown on `page`.
pub(crate) fn watched_on(page: &Page) -> (Watching, Watched) {
    let (work, work_end) = watch::channel(WorkKept::default());
    let (days, days_end) = watch::channel(DaysKept::default());
    let (lag, lag_end) = watch::channel(ProjectionLag::default());
    let tally = Arc::new(Tally::on(page));
    let watched =
        Watched { work: work_end, days: days_end, lag: lag_end, tally: Arc::clone(&tally) };
    (Watching { work, days, lag, tally }, watched)
}

/// How many records of each partition are not projected yet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProjectionLag {
    /// When that was so; `None` before the first look. While a store is away it stays as it is,
    /// with what was known then: its age is a figure of its own.
    pub looked_at: Option<Timestamp>,
    /// By topic and partition: the log's end less the offset that is projected next.
    pub records: BTreeMap<(String, i32), i64>,
}

/// What one process counts from its start on.
#[derive(Debug)]
pub struct Tally {
    rejected: AtomicU64,
    of_dropped_days: AtomicU64,
    /// When the oldest record was appended that is gathered, and that is being written, in
    /// milliseconds since the Unix epoch; [`NONE`] if there is none.
    gathered_since: AtomicI64,
    writing_since: AtomicI64,
    projected: Counter,
    batch_seconds: Histogram,
}

const NONE: i64 = i64::MAX;

impl Default for Tally {
    fn default() -> Self {
        Self::on(&Page::default())
    }
}

impl Tally {
    fn on(page: &Page) -> Self {
        Self {
            projected: page.counter(&PROJECTED, &[]),
            batch_seconds: page.histogram(&BATCH_SECONDS, &[]),
            rejected: AtomicU64::new(0),
            of_dropped_days: AtomicU64::new(0),
            gathered_since: AtomicI64::new(NONE),
            writing_since: AtomicI64::new(NONE),
        }
    }
}

impl Tally {
    /// Records that were set aside in `projector_rejects`.
    pub fn rejected(&self) -> u64 {
        self.rejected.load(Ordering::Relaxed)
    }

    /// Records that told of a delivery whose day was dropped, or is about to be. They are written
    /// nowhere.
    pub fn of_dropped_days(&self) -> u64 {
        self.of_dropped_days.load(Ordering::Relaxed)
    }

    /// When the broker appended the oldest record that this process has read and that is not in
    /// PostgreSQL; `None` if there is none.
    pub fn oldest_unprojected_at(&self) -> Option<Timestamp> {
        let [gathered, writing] = [&self.gathered_since, &self.writing_since];
        let oldest = gathered.load(Ordering::Relaxed).min(writing.load(Ordering::Relaxed));
        if oldest == NONE { None } else { Timestamp::from_millisecond(oldest).ok() }
    }

    pub(crate) fn count(&self, rejected: u64, of_dropped_days: u64) {
        self.rejected.fetch_add(rejected, Ordering::Relaxed);
        self.of_dropped_days.fetch_add(of_dropped_days, Ordering::Relaxed);
    }

    pub(crate) fn gather(&self, appended_at_millis: i64) {
        self.gathered_since.fetch_min(appended_at_millis, Ordering::Relaxed);
    }

    /// What is gathered is only this any more.
    pub(crate) fn gathered(&self, appended_at_millis: impl Iterator<Item = i64>) {
        self.gathered_since.store(appended_at_millis.min().unwrap_or(NONE), Ordering::Relaxed);
    }

    pub(crate) fn hand_over(&self) {
        // In this order: at no moment is it in neither.
        self.writing_since.store(self.gathered_since.load(Ordering::Relaxed), Ordering::Relaxed);
        self.gathered_since.store(NONE, Ordering::Relaxed);
    }

    pub(crate) fn batch_written(&self, records: usize, took: Duration) {
        self.projected.inc_by(records as u64);
        self.batch_seconds.observe(took.as_secs_f64());
    }

    pub(crate) fn end_of_write(&self) {
        self.writing_since.store(NONE, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_record_is_known_from_its_reading_to_the_end_of_its_write() {
        let tally = Tally::default();
        let oldest = || tally.oldest_unprojected_at().map(Timestamp::as_millisecond);
        assert_eq!(oldest(), None);
        tally.gather(20);
        tally.gather(10);
        assert_eq!(oldest(), Some(10));
        tally.hand_over();
        tally.gather(30);
        assert_eq!(oldest(), Some(10));
        tally.end_of_write();
        assert_eq!(oldest(), Some(30));
        tally.gathered(std::iter::empty());
        assert_eq!(oldest(), None);
    }
}
