//! From an event that was accepted to a record that the broker has.

use std::error::Error;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use fault_point::{CrashPoint, Defect};
use jiff::Timestamp;
use kafka_loop::producer::{Message, Producer};
use pipeline::cancellation::Cancellation;
use pipeline::cloud_event::CloudEvent;
use pipeline::delivery::Delivery;
use pipeline::ids::{DeliveryId, MessageId};
use pipeline::subscription::Subscription;
use pipeline::topics::Topics;
use uuid::Uuid;

/// Writes deliveries, events and cancellations.
#[derive(Debug)]
pub(crate) struct Publisher {
    producer: Producer,
    deliveries: String,
    events: String,
    subscriptions: String,
    patience: Duration,
    /// Whether the last record failed: an outage is told once, not once for each request.
    failing: AtomicBool,
}

/// An event as it was received for one subscription.
pub(crate) struct NewDelivery<'a> {
    pub subscription: &'a Subscription,
    pub event_type: Option<String>,
    pub content_type: String,
    pub body: Bytes,
}

/// The record is not known to be written, and the producer of the event is to send it again.
/// The broker may have it all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the broker has not acknowledged the record")]
pub(crate) struct NotWritten;

impl Publisher {
    /// `patience` is how long a record may wait for its acknowledgement.
    pub(crate) fn new(producer: Producer, topics: &Topics, patience: Duration) -> Self {
        Self {
            producer,
            deliveries: topics.deliveries(),
            events: topics.events(),
            subscriptions: topics.subscriptions(),
            patience,
            failing: AtomicBool::new(false),
        }
    }

    /// Writes the delivery of an event under a new id and returns it once the broker has it.
    /// Dropping the future does not take the record back.
    ///
    /// # Errors
    /// [`NotWritten`], after the patience at the latest.
    pub(crate) async fn publish(&self, event: NewDelivery<'_>) -> Result<DeliveryId, NotWritten> {
        let delivery = delivery(event, Uuid::now_v7(), Timestamp::now());
        self.publish_delivery(&delivery).await?;
        Ok(delivery.id)
    }

    /// Writes a delivery as it is.
    ///
    /// # Errors
    /// As [`Publisher::publish`].
    pub(crate) async fn publish_delivery(&self, delivery: &Delivery) -> Result<(), NotWritten> {
        let key = delivery.subscription_id.to_string();
        let value = delivery.encode();
        let topic = &self.deliveries;
        self.write(Message { topic, key: key.as_bytes(), value: &value, headers: &[] }).await
    }

    /// Writes an event for the front door to fan out. Its key is the event's id, so that a
    /// repeat stands in the same partition.
    ///
    /// # Errors
    /// As [`Publisher::publish`].
    pub(crate) async fn publish_event(&self, event: &CloudEvent) -> Result<(), NotWritten> {
        let headers = event.kafka_headers();
        let headers: Vec<(&str, &[u8])> =
            headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
        let (topic, key) = (&self.events, event.id.as_bytes());
        self.write(Message { topic, key, value: &event.data, headers: &headers }).await
    }

    /// Writes the word that a delivery is cancelled, for every process.
    ///
    /// # Errors
    /// As [`Publisher::publish`].
    pub(crate) async fn publish_cancellation(
        &self,
        cancellation: Cancellation,
    ) -> Result<(), NotWritten> {
        let (topic, key, value) = (&self.subscriptions, cancellation.key(), cancellation.encode());
        self.write(Message { topic, key: key.as_bytes(), value: &value, headers: &[] }).await
    }

    async fn write(&self, message: Message<'_>) -> Result<(), NotWritten> {
        fault_point::crash(CrashPoint::GatewayBeforeProduce);
        let sent = self.producer.send(message).map_err(|error| self.failed(&error))?;
        fault_point::crash(CrashPoint::GatewayAfterProduce);
        if fault_point::defect(Defect::AnswerBeforeAck) {
            return Ok(());
        }
        match tokio::time::timeout(self.patience, sent).await {
            Ok(Ok(_)) => {
                fault_point::crash(CrashPoint::GatewayBeforeAnswer);
                self.succeeded();
                Ok(())
            }
            Ok(Err(error)) => Err(self.failed(&error)),
            // librdkafka looks at its own deadlines about once a second only.
            Err(elapsed) => Err(self.failed(&elapsed)),
        }
    }

    fn failed(&self, error: &dyn Error) -> NotWritten {
        if !self.failing.swap(true, Ordering::Relaxed) {
            let cause = error.source().map(ToString::to_string);
            tracing::warn!(%error, cause, "events are not written; producers are told 503");
        }
        NotWritten
    }

    fn succeeded(&self) {
        if self.failing.load(Ordering::Relaxed) && self.failing.swap(false, Ordering::Relaxed) {
            tracing::info!("events are written again");
        }
    }
}

/// Fills the record of a delivery's first way.
fn delivery(event: NewDelivery<'_>, id: Uuid, now: Timestamp) -> Delivery {
    Delivery {
        id: DeliveryId::from_uuid(id),
        subscription_id: event.subscription.id,
        subscription_version: event.subscription.version,
        message_id: MessageId::from_uuid(id),
        event_type: event.event_type,
        content_type: event.content_type,
        accepted_at: now,
        attempt: 1,
        release: 0,
        wait: None,
        replay_of: None,
        attributes: Vec::new(),
        body: event.body,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use kafka_loop::KafkaSettings;
    use pipeline::ids::SubscriptionId;
    use settings::Environment;

    use super::*;

    /// Longer than any test; what ends before it did not wait for it.
    const LONG: Duration = Duration::from_secs(60);

    fn publisher(patience: Duration, buffer: &str) -> Publisher {
        let given = [("HOOKLOG_KAFKA_BROKERS", "127.0.0.1:1"), ("HOOKLOG_PRODUCE_BUFFER", buffer)];
        let pairs = given.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let kafka =
            KafkaSettings::from_environment(&Environment::from_pairs(pairs).unwrap()).unwrap();
        let producer = Producer::new(&kafka, Some(LONG)).unwrap();
        Publisher::new(producer, &kafka.topics, patience)
    }

    fn subscription() -> Subscription {
        let id = SubscriptionId::from_uuid(Uuid::nil());
        Subscription::new(id, "https://example.com/", Timestamp::UNIX_EPOCH)
    }

    fn event(subscription: &Subscription, size: usize) -> NewDelivery<'_> {
        NewDelivery {
            subscription,
            event_type: None,
            content_type: String::new(),
            body: Bytes::from(vec![b'x'; size]),
        }
    }

    #[tokio::test]
    async fn without_a_broker_a_delivery_fails_when_its_patience_ends() {
        let patience = Duration::from_millis(200);
        let (publisher, subscription) = (publisher(patience, "64MiB"), subscription());
        let began = Instant::now();
        assert_eq!(publisher.publish(event(&subscription, 10)).await, Err(NotWritten));
        let took = began.elapsed();
        assert!((patience..LONG / 2).contains(&took), "{took:?}");
    }

    #[tokio::test]
    async fn what_finds_no_room_in_the_queue_fails_at_once() {
        let (publisher, subscription) = (publisher(LONG, "1MiB"), subscription());
        let publish = || publisher.publish(event(&subscription, 400 << 10));
        tokio::select! {
            biased;
            _ = publish() => panic!("nothing can have been acknowledged"),
            _ = publish() => {}
            ended = publish() => assert_eq!(ended, Err(NotWritten)),
            () = tokio::time::sleep(LONG / 2) => panic!("it waited"),
        }
    }
}
