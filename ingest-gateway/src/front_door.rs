//! The Kafka front door: reads CloudEvents from `events` and makes a delivery for each
//! subscription that an event is for.
//!
//! An event's offset is finished when every delivery that it caused is acknowledged; a crash
//! before that fans it out again into deliveries with the same ids. What is no CloudEvent goes
//! to `dead-letters` with its bytes and headers, and the partition moves on.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use fault_point::CrashPoint;
use futures_util::future::try_join_all;
use jiff::Timestamp;
use kafka_loop::consumer_loop::{self, LoopConfig, Role};
use kafka_loop::producer::{Message, ProduceError, Producer};
use kafka_loop::record::Record;
use kafka_loop::subscription_table::SubscriptionTable;
use kafka_loop::{KafkaSettings, Ticket};
use metrics::registry::{FRONT_DOOR_DELIVERIES, FRONT_DOOR_EVENTS};
use metrics::{Counter, Page};
use pipeline::cloud_event::CloudEvent;
use pipeline::dead_letter::DeadLetter;
use pipeline::fan_out::{self, Address, EventDigest};
use pipeline::ids::SubscriptionId;
use pipeline::outcome::Reason;
use pipeline::subscription::Subscription;
use tokio::runtime::Handle;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::subscription_lookup::SubscriptionLookup;

const NAME: &str = "front-door";
/// Events whose deliveries are not all acknowledged yet, and the same in bytes.
const MAX_UNFINISHED: usize = 1_024;
const MAX_UNFINISHED_BYTES: usize = 64 << 20;
/// How long events that are being fanned out may go on after a shutdown was asked for.
const DRAIN: Duration = Duration::from_secs(5);
/// Before Postgres is asked again about a subscription that an event names.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// Fans events out. One per process, shared by all events under way.
pub(crate) struct FrontDoor {
    table: SubscriptionTable,
    lookup: SubscriptionLookup,
    /// Without a deadline: a delivery must be written, and the event's offset waits for it.
    producer: Producer,
    deliveries: String,
    dead_letters: String,
    page: Page,
    fanned_out: Counter,
    buried: Counter,
    deliveries_made: Counter,
}

impl FrontDoor {
    pub(crate) fn new(
        kafka: &KafkaSettings,
        table: SubscriptionTable,
        lookup: SubscriptionLookup,
        page: &Page,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            table,
            lookup,
            producer: Producer::shown(kafka, None, page, NAME)?,
            deliveries: kafka.topics.deliveries(),
            dead_letters: kafka.topics.dead_letters(),
            page: page.clone(),
            fanned_out: page.counter(&FRONT_DOOR_EVENTS, &["fanned_out"]),
            buried: page.counter(&FRONT_DOOR_EVENTS, &["buried"]),
            deliveries_made: page.counter(&FRONT_DOOR_DELIVERIES, &[]),
        })
    }

    /// Waits until every subscription is known, then fans out until `shutdown` is cancelled.
    ///
    /// # Errors
    /// Whatever it cannot go on from; what was under way is fanned out again after a restart.
    pub(crate) async fn run(
        self,
        kafka: KafkaSettings,
        shutdown: CancellationToken,
    ) -> anyhow::Result<()> {
        if shutdown.run_until_cancelled(self.table.complete()).await.is_none() {
            return Ok(());
        }
        let config = LoopConfig {
            name: NAME,
            group: kafka.topics.group(NAME),
            topics: vec![kafka.topics.events()],
            max_unfinished: MAX_UNFINISHED,
            max_unfinished_bytes: MAX_UNFINISHED_BYTES,
            recall: 0,
            drain_timeout: DRAIN,
            page: self.page.clone(),
        };
        let failed = self.producer.failed();
        let intake = Intake { door: Arc::new(self), runtime: Handle::current() };
        tokio::select! {
            ended = consumer_loop::run(&kafka, config, intake, shutdown) => ended,
            () = failed.cancelled() => anyhow::bail!("the producer cannot go on"),
        }
        .context("fan events out")
    }

    async fn let_in(&self, record: Record, ticket: Ticket) {
        match self.effects_of(&record).await {
            Ok(()) => {
                fault_point::crash(CrashPoint::FrontDoorBeforeFinish);
                ticket.finish();
            }
            Err(error) => tracing::error!(
                topic = %record.topic, partition = record.partition, offset = record.offset,
                %error, "an event's effect was not written"
            ),
        }
    }

    async fn effects_of(&self, record: &Record) -> Result<(), ProduceError> {
        let event = match CloudEvent::from_kafka(&record.headers, record.value.clone()) {
            Ok(event) => event,
            Err(error) => return self.bury(record, error.to_string()).await,
        };
        let named = match fan_out::address(&event) {
            Address::All => None,
            Address::One(id) => Some(self.find(id).await),
            Address::Unreadable => {
                return self.bury(record, "ce_subscription is no subscription's id".into()).await;
            }
        };
        let subscriptions = self.lookup.wanting(&event, named);
        let digest = EventDigest::of(&event);
        let accepted_at = Timestamp::from_millisecond(record.appended_at_millis);
        let accepted_at = accepted_at.unwrap_or_else(|_| Timestamp::now());
        let writes = subscriptions.iter().map(|to| self.write(&event, digest, to, accepted_at));
        try_join_all(writes).await?;
        self.fanned_out.inc();
        self.deliveries_made.inc_by(subscriptions.len() as u64);
        Ok(())
    }

    /// The subscription that an event names. Waits while it is not known here and Postgres
    /// cannot be asked: the event is not to be lost for that.
    async fn find(&self, id: SubscriptionId) -> Option<Arc<Subscription>> {
        loop {
            match self.lookup.find(id).await {
                Ok(found) => return found,
                Err(error) => {
                    tracing::debug!(%error, subscription = %id, "an event waits for PostgreSQL");
                    sleep(ASK_AGAIN).await;
                }
            }
        }
    }

    async fn write(
        &self,
        event: &CloudEvent,
        digest: EventDigest,
        to: &Subscription,
        accepted_at: Timestamp,
    ) -> Result<(), ProduceError> {
        let delivery = fan_out::delivery(event, digest, to, accepted_at);
        let key = to.id.to_string();
        let value = delivery.encode();
        let message =
            Message { topic: &self.deliveries, key: key.as_bytes(), value: &value, headers: &[] };
        self.producer.write(message).await?;
        fault_point::crash(CrashPoint::FrontDoorBetweenDeliveries);
        Ok(())
    }

    /// Gives a record up, with its own headers beside those that say why.
    async fn bury(&self, record: &Record, detail: String) -> Result<(), ProduceError> {
        tracing::warn!(
            topic = %record.topic, partition = record.partition, offset = record.offset, detail,
            "a record is no event and goes to dead-letters"
        );
        let letter = DeadLetter {
            reason: Reason::Poison,
            detail,
            topic: record.topic.to_string(),
            partition: record.partition,
            offset: record.offset,
        };
        let why = letter.headers();
        let own = record.headers.iter().map(|(name, value)| (name.as_str(), &value[..]));
        let headers: Vec<(&str, &[u8])> =
            why.iter().map(|(name, value)| (*name, value.as_bytes())).chain(own).collect();
        let message = Message {
            topic: &self.dead_letters,
            key: record.key.as_deref().unwrap_or_default(),
            value: record.value.as_deref().unwrap_or_default(),
            headers: &headers,
        };
        self.producer.write(message).await?;
        self.buried.inc();
        Ok(())
    }
}

/// Starts one task per event; how many run at once is bounded by the loop.
struct Intake {
    door: Arc<FrontDoor>,
    runtime: Handle,
}

impl Role for Intake {
    fn take(&mut self, record: Record, ticket: Ticket) {
        let door = Arc::clone(&self.door);
        self.runtime.spawn(async move { door.let_in(record, ticket).await });
    }
}
