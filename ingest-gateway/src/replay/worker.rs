//! Works replays off: takes over what nobody works on, and goes on with it round by round.
//!
//! A round notes what has ended, writes what is planned, and plans the next page if there is
//! room. After a kill, or when the broker has not answered, nobody knows which of the planned
//! ones were written: then the projection is waited for and asked before anything more is.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp};
use pipeline::cancellation::KEPT_BEYOND;
use pipeline::delivery::Delivery;
use pipeline::filter::{Match, match_wildcard};
use pipeline::ids::{DeliveryId, SubscriptionId};
use pipeline::payload_filter::Payload;
use pipeline::subscription::Subscription;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::made_anew::{anew, derived_id};
use crate::projection_wait::ProjectionWait;
use crate::publisher::Publisher;
use crate::replay::pace::Pace;
use crate::replay::range::{Planned, Range};
use crate::replay::work_store::{Claimed, ReplayEnd, Unpublished, WorkStore};
use crate::storage::{Storage, StorageError};
use crate::subscription_lookup::SubscriptionLookup;

/// Replays that one process works on at once.
const AT_ONCE: usize = 4;
/// Between two looks for a replay that nobody works on.
const LOOK: Duration = Duration::from_secs(2);
/// Between two rounds, so that a replay writes at most [`PAGE`] in that time.
const ROUND: Duration = Duration::from_millis(250);
/// The same while there is nothing to write.
const IDLE_ROUND: Duration = Duration::from_secs(1);
/// After Postgres or the broker failed.
const TRY_AGAIN: Duration = Duration::from_secs(1);
/// Deliveries that are planned, read and written at once.
const PAGE: usize = 50;
/// For the word to others that they may take over.
const RELEASE: Duration = Duration::from_secs(1);

/// What a worker needs.
pub(crate) struct ReplayWorker {
    pub storage: Storage,
    pub publisher: Publisher,
    pub lookup: SubscriptionLookup,
    pub projection: ProjectionWait,
    pub max_delivery_age: Duration,
    /// Wakes it at once when this process has made a replay.
    pub made: Arc<Notify>,
}

/// Why a round did not come to its end.
#[derive(Debug, thiserror::Error)]
enum RoundError {
    #[error(transparent)]
    Storage(#[from] StorageError),
    #[error("a subscription is not known here, and could not be asked for")]
    Lookup(#[from] Arc<StorageError>),
    #[error("the broker did not acknowledge every record")]
    NotWritten,
    #[error("the projection is behind the log")]
    Behind,
}

/// Whether there is more to do.
enum Round {
    Next(Duration),
    Ended,
}

/// A replay under way.
struct Job {
    parts: Arc<ReplayWorker>,
    store: WorkStore,
    claimed: Claimed,
    range: Range,
    pace: Pace,
    looked_at: Instant,
    /// What is not known to be written may be written.
    in_doubt: bool,
}

impl ReplayWorker {
    /// Works until `stop` is cancelled, then lets others take over.
    ///
    /// # Errors
    /// A part of it that has died.
    pub(crate) async fn run(self, stop: CancellationToken) -> anyhow::Result<()> {
        let store = WorkStore::new(self.storage.clone(), Uuid::new_v4());
        let parts = Arc::new(self);
        let mut jobs = JoinSet::new();
        while !stop.is_cancelled() {
            let free = AT_ONCE.saturating_sub(jobs.len());
            match parts.take_over(&store, free).await {
                Ok(claimed) => {
                    for claimed in claimed {
                        let job = Job::new(Arc::clone(&parts), store.clone(), claimed);
                        jobs.spawn(stop.clone().run_until_cancelled_owned(job.run()));
                    }
                }
                Err(error) => tracing::debug!(%error, "no look for replays"),
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = sleep(LOOK) => {}
                () = parts.made.notified() => {}
                Some(ended) = jobs.join_next() => {
                    ended?;
                }
            }
        }
        while let Some(ended) = jobs.join_next().await {
            ended?;
        }
        let released = timeout(RELEASE, store.release_all()).await;
        if !matches!(released, Ok(Ok(()))) {
            tracing::debug!("replays wait for the end of their lease");
        }
        Ok(())
    }

    async fn take_over(
        &self,
        store: &WorkStore,
        free: usize,
    ) -> Result<Vec<Claimed>, StorageError> {
        store.forget_ended().await?;
        if free == 0 { Ok(Vec::new()) } else { store.claim(free as i64).await }
    }
}

impl Job {
    fn new(parts: Arc<ReplayWorker>, store: WorkStore, claimed: Claimed) -> Self {
        let range = Range::new(parts.storage.clone(), claimed.replay.wanted.scope.clone());
        let (pace, looked_at) = (Pace::default(), Instant::now());
        Self { parts, store, claimed, range, pace, looked_at, in_doubt: true }
    }

    /// Goes on until the replay has ended, or is somebody else's.
    async fn run(mut self) {
        let replay = self.claimed.replay.id;
        tracing::info!(%replay, "works on a replay");
        loop {
            let pause = match self.round().await {
                Ok(Round::Next(pause)) => pause,
                Ok(Round::Ended) => break,
                Err(error) => {
                    self.in_doubt = true;
                    tracing::debug!(%replay, %error, "a replay waits");
                    TRY_AGAIN
                }
            };
            sleep(pause).await;
        }
        tracing::info!(%replay, "does not work on a replay any more");
    }

    async fn round(&mut self) -> Result<Round, RoundError> {
        let (id, now) = (self.claimed.replay.id, Timestamp::now());
        let forgotten = forgotten(now, self.parts.max_delivery_age);
        let Some(tally) = self.store.tally(id, forgotten).await? else {
            return Ok(Round::Ended);
        };
        self.pace.finished(tally.ended_now, self.looked_at.elapsed());
        self.looked_at = Instant::now();
        if tally.unpublished > 0 {
            if self.in_doubt {
                self.settle_doubts(now).await?;
            }
            return self.write().await;
        }
        self.in_doubt = false;
        if tally.planned_all && tally.unfinished == 0 {
            self.store.end(id, ReplayEnd::Done).await?;
            return Ok(Round::Ended);
        }
        let room = self.pace.room(tally.unfinished).min(PAGE);
        if tally.planned_all || room == 0 {
            return Ok(Round::Next(IDLE_ROUND));
        }
        self.count().await?;
        self.plan(tally.planned, room, now).await?;
        // What is planned is written in the next round, which has asked who works on it.
        Ok(Round::Next(Duration::ZERO))
    }

    async fn settle_doubts(&mut self, now: Timestamp) -> Result<(), RoundError> {
        if !self.parts.projection.caught_up().await {
            return Err(RoundError::Behind);
        }
        self.store.find_published(self.claimed.replay.id, now).await?;
        self.in_doubt = false;
        Ok(())
    }

    async fn count(&mut self) -> Result<(), RoundError> {
        if self.claimed.is_new
            && let Some(total) = self.range.count().await?
        {
            self.store.counted(self.claimed.replay.id, total).await?;
        }
        self.claimed.is_new = false;
        Ok(())
    }

    async fn plan(
        &mut self,
        planned: Option<Planned>,
        room: usize,
        now: Timestamp,
    ) -> Result<(), RoundError> {
        let page = self.range.page(planned, room).await?;
        let replay = self.claimed.replay.id;
        let derived = |original| derived_id("replay", replay.as_bytes(), original);
        let ids: Vec<DeliveryId> = page.found.iter().map(|found| derived(found.id)).collect();
        Ok(self.store.plan(replay, &page, &ids, in_micros(now)).await?)
    }

    async fn write(&mut self) -> Result<Round, RoundError> {
        let id = self.claimed.replay.id;
        let to = match self.claimed.replay.wanted.to_subscription_id {
            None => None,
            Some(to) => match self.parts.lookup.find(SubscriptionId::from_uuid(to)).await? {
                Some(to) => Some(to),
                None => {
                    let error = "The subscription that it goes to was deleted.";
                    self.store.end(id, ReplayEnd::Failed(error)).await?;
                    return Ok(Round::Ended);
                }
            },
        };
        let (mut made, mut skipped) = (Vec::new(), Vec::new());
        for told in self.store.unpublished(id, PAGE as i64).await? {
            match self.delivery(&told, to.as_deref()).await? {
                Some(delivery) => made.push(delivery),
                None => skipped.push(told.delivery_id),
            }
        }
        let writes = made.iter().map(async |delivery| {
            self.parts.publisher.publish_delivery(delivery).await.map(|()| delivery.id)
        });
        let answers = join_all(writes).await;
        let written: Vec<DeliveryId> = answers.iter().flatten().copied().collect();
        self.store.published(id, &written, &skipped).await?;
        if written.len() < made.len() {
            return Err(RoundError::NotWritten);
        }
        Ok(Round::Next(ROUND))
    }

    /// The record of what is made anew; `None` for what is left out.
    async fn delivery(
        &self,
        told: &Unpublished,
        to: Option<&Subscription>,
    ) -> Result<Option<Delivery>, RoundError> {
        let Some(original) = &told.original else { return Ok(None) };
        let Some(content) = &original.content else { return Ok(None) };
        let own;
        let to = match to {
            Some(to) if wants(to, original.event_type.as_deref(), &content.payload) => to,
            Some(_) => return Ok(None),
            None => match self.parts.lookup.find(original.subscription_id).await? {
                Some(found) => {
                    own = found;
                    &*own
                }
                None => return Ok(None),
            },
        };
        Ok(Some(anew(original, content, told.delivery_id, to, told.accepted_at)))
    }
}

/// Whether a subscription's own filter lets an event through.
fn wants(to: &Subscription, event_type: Option<&str>, payload: &[u8]) -> bool {
    let filter = to.options.filter.as_ref();
    match_wildcard(to.event_types(), event_type) == Match::Yes
        && filter.is_none_or(|filter| filter.lets_through(&Payload::new(payload)))
}

/// Before when nothing can have been accepted that is still about.
fn forgotten(now: Timestamp, max_age: Duration) -> Timestamp {
    let kept = SignedDuration::try_from(max_age.saturating_add(KEPT_BEYOND)).ok();
    let then = kept.and_then(|kept| now.checked_sub(kept).ok());
    then.unwrap_or(Timestamp::UNIX_EPOCH).max(Timestamp::UNIX_EPOCH)
}

/// As Postgres and the record keep it.
fn in_micros(at: Timestamp) -> Timestamp {
    Timestamp::from_microsecond(at.as_microsecond()).unwrap_or(at)
}

#[cfg(test)]
mod tests {
    use pipeline::payload_filter::PayloadFilter;

    use super::*;

    #[test]
    fn what_has_no_row_counts_as_ended_once_it_is_older_than_a_delivery_and_a_week() {
        let now: Timestamp = "2026-03-21T00:00:00Z".parse().unwrap();
        let week = Duration::from_secs(7 * 86_400);
        assert_eq!(forgotten(now, week).to_string(), "2026-03-07T00:00:00Z");
        assert_eq!(forgotten(now, Duration::MAX), Timestamp::UNIX_EPOCH);
    }

    #[test]
    fn the_other_subscriptions_types_and_payload_filter_are_asked() {
        let id = SubscriptionId::from_uuid(Uuid::nil());
        let mut to = Subscription::new(id, "https://example.com/", Timestamp::UNIX_EPOCH);
        assert!(wants(&to, None, b"x") && wants(&to, Some("a.b"), b"{}"));
        to.event_types = Some(vec!["a.*".to_owned()]);
        assert!(wants(&to, Some("a.b"), b"{}"));
        assert!(!wants(&to, Some("b"), b"{}") && !wants(&to, None, b"{}"));
        to.options.filter = Some(PayloadFilter::new("$[?@.n > 1]").unwrap());
        assert!(wants(&to, Some("a.b"), b"{\"n\":2}"));
        assert!(!wants(&to, Some("a.b"), b"{\"n\":1}") && !wants(&to, Some("a.b"), b"x"));
    }
}
