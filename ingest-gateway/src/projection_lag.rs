//! How far the projection is behind the log, in time.
//!
//! Nothing tells it directly. What is known is whether the projection has passed what was in the
//! log when somebody asked: so the lag is at least as long as the oldest question has waited, and
//! at most as long as an answered one took.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::projection_wait::ProjectionWait;

/// How long whoever asks waits for an answer.
const MOMENT: Duration = Duration::from_millis(300);
/// How long a question is kept open.
const PATIENCE: Duration = Duration::from_secs(600);

/// Asks; one per process.
#[derive(Debug, Clone)]
pub(crate) struct ProjectionLag {
    projection: ProjectionWait,
    /// Since when the one open question waits.
    open_since: Arc<Mutex<Option<Instant>>>,
}

impl ProjectionLag {
    pub(crate) fn new(projection: ProjectionWait) -> Self {
        Self { projection, open_since: Arc::default() }
    }

    /// At least so far is the projection behind; `None` if nothing is known of it.
    pub(crate) async fn at_least(&self) -> Option<Duration> {
        let asked_at = Instant::now();
        let mut question = {
            let mut open_since = self.open_since();
            if let Some(since) = *open_since {
                return Some(since.elapsed());
            }
            *open_since = Some(asked_at);
            let this = self.clone();
            tokio::spawn(async move {
                let passed = this.projection.caught_up_within(PATIENCE).await;
                *this.open_since() = None;
                passed
            })
        };
        match tokio::time::timeout(MOMENT, &mut question).await {
            Ok(Ok(true)) => Some(asked_at.elapsed()),
            Ok(_) => None,
            Err(_) => Some(asked_at.elapsed()),
        }
    }

    fn open_since(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        self.open_since.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
