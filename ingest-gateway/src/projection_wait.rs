//! Whether the projection has come as far as the log was when somebody asked.
//!
//! A status read right after a 202 must find the delivery, and the projection is a moment
//! behind. One task asks for all waiters: whoever asks while a look-up of the log's ends is
//! under way gets the next one, for the one under way may be older than the question.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::Context;
use kafka_loop::log_end::LogEnds;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use crate::storage::{Storage, StorageError};

/// Between two looks at how far the projection is.
const LOOK: Duration = Duration::from_millis(50);
/// Reads that may wait to be taken up; further ones are told at once to come back.
const MAX_ASKING: usize = 1_024;

const OFFSETS: &str = "SELECT partition, next_offset FROM projector_offsets WHERE topic = $1";

type Waiter = oneshot::Sender<()>;

/// Asks the watch.
#[derive(Debug, Clone)]
pub(crate) struct ProjectionWait {
    asks: mpsc::Sender<Waiter>,
    patience: Duration,
}

impl ProjectionWait {
    /// A watch over the projection of `topic`, and the handle that asks it.
    pub(crate) fn new(
        patience: Duration,
        storage: Storage,
        log_ends: LogEnds,
        topic: String,
    ) -> (Self, ProjectionWatch) {
        let (asks, asked) = mpsc::channel(MAX_ASKING);
        let watch = ProjectionWatch {
            asked,
            storage,
            log_ends,
            topic,
            gathering: Vec::new(),
            looking_up: Vec::new(),
            look_up: JoinSet::new(),
            waiting: Vec::new(),
        };
        (Self { asks, patience }, watch)
    }

    /// True once the projection has everything that the topic had when this was called; false
    /// if that is not known within the patience.
    pub(crate) async fn caught_up(&self) -> bool {
        self.caught_up_within(self.patience).await
    }

    /// The same with a patience of the caller's own.
    pub(crate) async fn caught_up_within(&self, patience: Duration) -> bool {
        let (tell, told) = oneshot::channel();
        if self.asks.try_send(tell).is_err() {
            return false;
        }
        matches!(tokio::time::timeout(patience, told).await, Ok(Ok(())))
    }
}

/// The task behind [`ProjectionWait`].
pub(crate) struct ProjectionWatch {
    asked: mpsc::Receiver<Waiter>,
    storage: Storage,
    log_ends: LogEnds,
    topic: String,
    /// Who has asked since the look-up under way began.
    gathering: Vec<Waiter>,
    /// Whom the look-up under way is for.
    looking_up: Vec<Waiter>,
    /// At most one task.
    look_up: JoinSet<anyhow::Result<Vec<i64>>>,
    /// Who waits for the projection to pass which ends.
    waiting: Vec<(Vec<i64>, Vec<Waiter>)>,
}

impl ProjectionWatch {
    /// Answers until nobody can ask any more. Dropping it tells all waiters that nothing is
    /// known.
    ///
    /// # Errors
    /// A look-up that died.
    pub(crate) async fn run(mut self) -> anyhow::Result<()> {
        let mut look = tokio::time::interval(LOOK);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                waiter = self.asked.recv() => match waiter {
                    Some(waiter) => self.gathering.push(waiter),
                    None => return Ok(()),
                },
                Some(ends) = self.look_up.join_next() => {
                    self.looked_up(ends.context("the look-up of the log's ends has died")?);
                    self.look().await;
                }
                _ = look.tick(), if !self.waiting.is_empty() => self.look().await,
            }
            self.look_up_next();
        }
    }

    fn look_up_next(&mut self) {
        if self.look_up.is_empty() && !self.gathering.is_empty() {
            self.looking_up = std::mem::take(&mut self.gathering);
            let (log_ends, topic) = (self.log_ends.clone(), self.topic.clone());
            self.look_up.spawn_blocking(move || log_ends.of(&topic));
        }
    }

    fn looked_up(&mut self, ends: anyhow::Result<Vec<i64>>) {
        let waiters = std::mem::take(&mut self.looking_up);
        match ends {
            Ok(ends) => self.waiting.push((ends, waiters)),
            // Dropping the waiters tells them.
            Err(error) => tracing::debug!(error = format!("{error:#}"), "no log ends"),
        }
    }

    /// Tells those whose ends the projection has passed; forgets those that have gone.
    async fn look(&mut self) {
        for (_, waiters) in &mut self.waiting {
            waiters.retain(|waiter| !waiter.is_closed());
        }
        self.waiting.retain(|(_, waiters)| !waiters.is_empty());
        if self.waiting.is_empty() {
            return;
        }
        match self.projected().await {
            Ok(projected) => {
                let passed = self.waiting.extract_if(.., |(ends, _)| has_passed(&projected, ends));
                for waiter in passed.flat_map(|(_, waiters)| waiters) {
                    // It may have run out of patience just now.
                    let _ = waiter.send(());
                }
            }
            Err(error) => tracing::debug!(%error, "how far the projection is is not known"),
        }
    }

    async fn projected(&self) -> Result<HashMap<i32, i64>, StorageError> {
        let rows = self.storage.query(OFFSETS, &[&self.topic]).await?;
        rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
    }
}

/// Whether each partition's next offset is at or after the end that the partition had.
fn has_passed(projected: &HashMap<i32, i64>, ends: &[i64]) -> bool {
    (0_i32..).zip(ends).all(|(partition, end)| {
        let next = projected.get(&partition).copied().unwrap_or(0);
        next >= *end
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_projection_has_passed_when_every_partition_has() {
        let projected = HashMap::from([(0, 5), (2, 1)]);
        assert!(has_passed(&projected, &[5, 0, 1]));
        assert!(has_passed(&projected, &[4, 0]));
        assert!(!has_passed(&projected, &[6, 0, 1]));
        assert!(!has_passed(&projected, &[5, 1, 1]));
        assert!(has_passed(&HashMap::new(), &[0, 0]));
    }
}
