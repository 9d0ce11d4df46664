//! Puts subscriptions and deliveries straight into Kafka, as the gateway would.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use jiff::Timestamp;
use kafka_loop::KafkaSettings;
use kafka_loop::producer::{Message, ProduceError, Producer};
use pipeline::delivery::{Delivery, Wait};
use pipeline::ids::{DeliveryId, MessageId, SubscriptionId};
use pipeline::outcome::Outcome;
use pipeline::subscription::{Options, Subscription};
use pipeline::tier::Tier;
use pipeline::topics::Topics;
use uuid::Uuid;

/// Between two tries to send, when as much as may wait is waiting.
const TRY_AGAIN: Duration = Duration::from_millis(1);

/// Clones share one client.
#[derive(Debug, Clone)]
pub struct Source {
    producer: Producer,
    topics: Topics,
    unacknowledged: Arc<AtomicU64>,
    failed: Arc<AtomicU64>,
}

impl Source {
    /// Creates a client.
    ///
    /// # Errors
    /// Settings that librdkafka refuses.
    pub fn new(kafka: &KafkaSettings) -> anyhow::Result<Self> {
        Ok(Self {
            producer: Producer::new(kafka, None)?,
            topics: kafka.topics.clone(),
            unacknowledged: Arc::default(),
            failed: Arc::default(),
        })
    }

    /// Publishes a new subscription for each URL.
    ///
    /// # Errors
    /// The broker refuses one.
    pub async fn subscribe(
        &self,
        urls: impl IntoIterator<Item = String>,
        options: &Options,
    ) -> anyhow::Result<Vec<Subscription>> {
        let subscriptions: Vec<Subscription> = urls
            .into_iter()
            .map(|url| {
                let id = SubscriptionId::from_uuid(Uuid::new_v4());
                Subscription {
                    options: options.clone(),
                    ..Subscription::new(id, url, Timestamp::now())
                }
            })
            .collect();
        self.publish(&subscriptions).await?;
        Ok(subscriptions)
    }

    /// Publishes that the subscriptions are deleted: what waits for them is cancelled.
    ///
    /// # Errors
    /// The broker refuses one.
    pub async fn unsubscribe(&self, subscriptions: &[Subscription]) -> anyhow::Result<()> {
        let deleted: Vec<Subscription> = subscriptions
            .iter()
            .map(|it| Subscription { deleted: true, version: it.version + 1, ..it.clone() })
            .collect();
        self.publish(&deleted).await
    }

    async fn publish(&self, subscriptions: &[Subscription]) -> anyhow::Result<()> {
        let topic = self.topics.subscriptions();
        let written = subscriptions.iter().map(|subscription| {
            let (key, value) = (subscription.key(), subscription.encode());
            let topic = &topic;
            async move {
                let message = Message { topic, key: key.as_bytes(), value: &value, headers: &[] };
                self.producer.write(message).await
            }
        });
        futures_util::future::try_join_all(written).await.context("publish subscriptions")?;
        Ok(())
    }

    /// Sends an event on its way to a subscription.
    pub async fn send(&self, to: &Subscription, body: Bytes) {
        self.write(&self.topics.deliveries(), &delivery(to, body, None)).await;
    }

    /// Lets an event wait in a tier, as a retry that was decided this instant.
    pub async fn retry(&self, to: &Subscription, body: Bytes, tier: Tier, due_at: Timestamp) {
        let wait = Wait { due_at, delay: tier.delay(), doubles: false };
        self.write(&self.topics.retries(tier), &delivery(to, body, Some(wait))).await;
    }

    /// Writes a delivery and what has become of it, as the gateway and a consumer would.
    pub async fn tell(&self, delivery: &Delivery, outcomes: &[Outcome]) {
        self.write(&self.topics.deliveries(), delivery).await;
        for outcome in outcomes {
            self.put(&self.topics.outcomes(), delivery.subscription_id, &outcome.encode()).await;
        }
    }

    async fn write(&self, topic: &str, delivery: &Delivery) {
        self.put(topic, delivery.subscription_id, &delivery.encode()).await;
    }

    async fn put(&self, topic: &str, key: SubscriptionId, value: &[u8]) {
        let key = key.to_string();
        let message = Message { topic, key: key.as_bytes(), value, headers: &[] };
        let written = loop {
            match self.producer.send(message) {
                Err(ProduceError::QueueFull) => tokio::time::sleep(TRY_AGAIN).await,
                Err(_) => {
                    self.failed.fetch_add(1, Ordering::Relaxed);
                    return;
                }
                Ok(written) => break written,
            }
        };
        self.unacknowledged.fetch_add(1, Ordering::Relaxed);
        let (unacknowledged, failed) = (self.unacknowledged.clone(), self.failed.clone());
        tokio::spawn(async move {
            if written.await.is_err() {
                failed.fetch_add(1, Ordering::Relaxed);
            }
            unacknowledged.fetch_sub(1, Ordering::Relaxed);
        });
    }

    /// Waits until everything sent is acknowledged.
    ///
    /// # Errors
    /// Something was not written: the figures of this run mean nothing.
    pub async fn flush(&self) -> anyhow::Result<()> {
        while self.unacknowledged.load(Ordering::Relaxed) > 0 {
            tokio::time::sleep(TRY_AGAIN).await;
        }
        let failed = self.failed.load(Ordering::Relaxed);
        anyhow::ensure!(failed == 0, "{failed} deliveries of the load were not written");
        Ok(())
    }
}

fn delivery(to: &Subscription, body: Bytes, wait: Option<Wait>) -> Delivery {
    let id = Uuid::new_v4();
    Delivery {
        id: DeliveryId::from_uuid(id),
        subscription_id: to.id,
        subscription_version: to.version,
        message_id: MessageId::from_uuid(id),
        event_type: Some("bench".to_owned()),
        content_type: "application/json".to_owned(),
        accepted_at: Timestamp::now(),
        attempt: if wait.is_some() { 2 } else { 1 },
        release: u32::from(wait.is_some()),
        wait,
        replay_of: None,
        attributes: Vec::new(),
        body,
    }
}
