//! The compacted configuration topic, kept in memory.
//!
//! A thread follows the topic from its beginning for as long as the process lives. Lookups
//! touch no network. A record with a lower version than the one in memory is ignored, so it
//! does not matter in which order a process hears of a change from its own hand and from the
//! topic. The same topic tells which deliveries are cancelled.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::thread;
use std::time::Duration;

use anyhow::Context;
use pipeline::cancellation::Cancellation;
use pipeline::delivery::Delivery;
use pipeline::gone::Gone;
use pipeline::ids::{DeliveryId, SubscriptionId};
use pipeline::subscription::{PauseReason, Subscription};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::{Message, Offset, TopicPartitionList};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::KafkaSettings;
use crate::client::{self, Calm};

mod cancellations;

use self::cancellations::Cancellations;

/// The longest time between two looks at whether the process is shutting down.
const POLL: Duration = Duration::from_millis(100);

/// Every subscription that this process knows, deleted ones included, and every delivery that is
/// cancelled.
#[derive(Debug, Clone)]
pub struct SubscriptionTable {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    rows: RwLock<HashMap<SubscriptionId, Arc<Subscription>>>,
    /// The versions whose receivers have said that they are gone; until a later version comes,
    /// the row is paused. Locked after `rows` where both are.
    gone: RwLock<HashMap<SubscriptionId, u64>>,
    cancellations: Cancellations,
    /// Counts changes, so that a waiter can look again.
    changes: watch::Sender<u64>,
    complete: watch::Sender<bool>,
}

impl Default for SubscriptionTable {
    fn default() -> Self {
        Self::new()
    }
}

impl SubscriptionTable {
    /// An empty table that nobody feeds yet.
    pub fn new() -> Self {
        let inner = Inner {
            rows: RwLock::default(),
            gone: RwLock::default(),
            cancellations: Cancellations::default(),
            changes: watch::Sender::new(0),
            complete: watch::Sender::new(false),
        };
        Self { inner: Arc::new(inner) }
    }

    /// The subscription, also if it is deleted.
    pub fn get(&self, id: SubscriptionId) -> Option<Arc<Subscription>> {
        self.inner.rows.read().unwrap_or_else(PoisonError::into_inner).get(&id).cloned()
    }

    /// Every subscription that `wanted` picks. Looks at all of them.
    pub fn matching(&self, wanted: impl Fn(&Subscription) -> bool) -> Vec<Arc<Subscription>> {
        let rows = self.inner.rows.read().unwrap_or_else(PoisonError::into_inner);
        rows.values().filter(|known| wanted(known)).cloned().collect()
    }

    /// Enters a subscription unless a version at least as high is there.
    pub fn put(&self, mut subscription: Subscription) {
        let mut rows = self.inner.rows.write().unwrap_or_else(PoisonError::into_inner);
        let known = rows.get(&subscription.id).map(|known| known.version);
        if known.is_none_or(|known| known < subscription.version) {
            let mut gone = self.inner.gone.write().unwrap_or_else(PoisonError::into_inner);
            match gone.get(&subscription.id) {
                Some(version) if *version == subscription.version => pause(&mut subscription),
                Some(version) if *version < subscription.version => {
                    gone.remove(&subscription.id);
                }
                Some(_) | None => {}
            }
            rows.insert(subscription.id, Arc::new(subscription));
            drop((rows, gone));
            self.inner.changes.send_modify(|count| *count += 1);
        }
    }

    /// Pauses a version of a subscription whose receiver has said that it is gone. A later
    /// version, here already or still to come, is not touched.
    pub fn mark_gone(&self, mark: Gone) {
        let Gone { subscription_id: id, version } = mark;
        let mut rows = self.inner.rows.write().unwrap_or_else(PoisonError::into_inner);
        let known = rows.get_mut(&id);
        if known.as_ref().is_some_and(|known| known.version > version) {
            return;
        }
        let mut gone = self.inner.gone.write().unwrap_or_else(PoisonError::into_inner);
        let marked = gone.entry(id).or_default();
        *marked = version.max(*marked);
        if let Some(known) = known.filter(|known| known.version == version) {
            pause(Arc::make_mut(known));
        }
        drop((rows, gone));
        self.inner.changes.send_modify(|count| *count += 1);
    }

    /// The marks that no later version has answered yet.
    pub fn gone(&self) -> Vec<Gone> {
        let gone = self.inner.gone.read().unwrap_or_else(PoisonError::into_inner);
        let marks = gone.iter().map(|(id, version)| (*id, *version));
        marks.map(|(subscription_id, version)| Gone { subscription_id, version }).collect()
    }

    /// Enters the word that a delivery is cancelled.
    pub fn cancel(&self, cancellation: Cancellation) {
        self.inner.cancellations.put(cancellation);
    }

    /// Whether somebody has cancelled the delivery.
    pub fn is_cancelled(&self, delivery: &Delivery) -> bool {
        self.inner.cancellations.cover(delivery)
    }

    /// Forgets that a delivery is cancelled, as the null in the topic makes every process do.
    pub fn forget_cancellation(&self, id: DeliveryId) {
        self.inner.cancellations.remove(id);
    }

    /// How many cancelled deliveries are known.
    pub fn cancelled(&self) -> usize {
        self.inner.cancellations.count()
    }

    /// At most `most` of the cancellations that `wanted` picks. Looks at all of them.
    pub fn cancellations(
        &self,
        most: usize,
        wanted: impl Fn(Cancellation) -> bool,
    ) -> Vec<Cancellation> {
        self.inner.cancellations.matching(most, wanted)
    }

    /// The subscription in `version` or a later one, waiting up to `patience` for it to arrive.
    pub async fn at_least(
        &self,
        id: SubscriptionId,
        version: u64,
        patience: Duration,
    ) -> Option<Arc<Subscription>> {
        let current = || self.get(id).filter(|known| known.version >= version);
        if let Some(known) = current() {
            return Some(known);
        }
        let mut changes = self.inner.changes.subscribe();
        let arrived = async {
            loop {
                if let Some(known) = current() {
                    return known;
                }
                if changes.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
        };
        tokio::time::timeout(patience, arrived).await.ok()
    }

    /// Ends when the topic has been read to the end that it had.
    pub async fn complete(&self) {
        let mut complete = self.inner.complete.subscribe();
        // The sender lives as long as self.
        let _ = complete.wait_for(|complete| *complete).await;
    }

    /// Follows the topic until `shutdown` is cancelled.
    ///
    /// # Errors
    /// Whatever the reader cannot go on from.
    pub async fn follow(
        &self,
        kafka: &KafkaSettings,
        shutdown: CancellationToken,
    ) -> anyhow::Result<()> {
        let topic = kafka.topics.subscriptions();
        let consumer: BaseConsumer<Calm> = client::consumer(kafka, &kafka.topics.group("table"))
            .set("enable.partition.eof", "true")
            .set("auto.offset.reset", "earliest")
            .create_with_context(Calm)
            .context("create the configuration reader")?;
        let mut place = TopicPartitionList::new();
        place.add_partition_offset(&topic, 0, Offset::Beginning)?;
        consumer.assign(&place).context("read the configuration topic")?;
        let table = self.clone();
        let (ended, when_ended) = tokio::sync::oneshot::channel();
        thread::Builder::new().name("subscriptions".to_owned()).spawn(move || {
            let _ = ended.send(table.read(&consumer, &shutdown));
        })?;
        when_ended.await.context("the configuration reader's thread has died")?
    }

    fn read(
        &self,
        consumer: &BaseConsumer<Calm>,
        shutdown: &CancellationToken,
    ) -> anyhow::Result<()> {
        while !shutdown.is_cancelled() {
            match consumer.poll(POLL) {
                None => {}
                Some(Ok(message)) => self.enter(message.key(), message.payload()),
                Some(Err(KafkaError::PartitionEOF(_))) => {
                    self.inner.complete.send_replace(true);
                }
                Some(Err(error)) if is_fatal(&error) => {
                    return Err(error).context("read the configuration topic");
                }
                Some(Err(error)) => {
                    tracing::debug!(%error, "the configuration reader goes on by itself");
                }
            }
        }
        Ok(())
    }

    fn enter(&self, key: Option<&[u8]>, value: Option<&[u8]>) {
        let Some(key) = key else { return };
        let Some(value) = value else {
            // Its time has passed. No other kind of record is ever followed by a null.
            return Cancellation::key_id(key)
                .into_iter()
                .for_each(|id| self.forget_cancellation(id));
        };
        let entered = match key.get(..2) {
            Some(b"s/") => Subscription::decode(value).map(|subscription| self.put(subscription)),
            Some(b"g/") => Gone::decode(value).map(|mark| self.mark_gone(mark)),
            Some(b"c/") => Cancellation::decode(value).map(|told| self.cancel(told)),
            _ => return,
        };
        if let Err(error) = entered {
            let key = String::from_utf8_lossy(key).into_owned();
            tracing::error!(key, %error, "a subscription's record is not readable");
        }
    }
}

fn pause(subscription: &mut Subscription) {
    subscription.paused.get_or_insert(PauseReason::Gone);
}

fn is_fatal(error: &KafkaError) -> bool {
    matches!(error, KafkaError::MessageConsumptionFatal(_))
        || error.rdkafka_error_code() == Some(RDKafkaErrorCode::Fatal)
}
