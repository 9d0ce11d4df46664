//! What becomes of the projection over time, against real Kafka and PostgreSQL: days come and go,
//! and all of it is made anew.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod days;
mod rebuild;
#[path = "../story/mod.rs"]
mod story;

use std::time::Duration;

use database::DatabaseSettings;
use deadpool_postgres::Pool;
use jiff::{SignedDuration, Timestamp};
use kafka_loop::producer::{Message, Producer};
use kafka_loop::topic_setup;
use pipeline::delivery::Delivery;
use pipeline::ids::{DeliveryId, MessageId, SubscriptionId};
use pipeline::outcome::Outcome;
use role_runtime::Readiness;
use status_projector::Config;
use status_projector::watched::{Watched, watched};
use test_bed::{Running, TestBed, eventually};
use tokio_postgres::Client;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

const DEADLINE: Duration = Duration::from_secs(90);

/// A place in the stack with a producer for its topics.
struct Scene {
    bed: TestBed,
    producer: Producer,
    sql: Client,
}

impl Scene {
    async fn start(name: &str) -> Self {
        let bed = TestBed::start(name).await;
        let kafka = bed.kafka();
        assert!(topic_setup::prepare(&kafka, &CancellationToken::new()).await.unwrap());
        let producer = Producer::new(&kafka, None).unwrap();
        let sql = bed.postgres().await;
        Self { bed, producer, sql }
    }

    fn config(&self, given: &[(&str, &str)]) -> Config {
        Config::from_environment(&self.bed.environment(given)).unwrap()
    }

    fn pool(&self) -> Pool {
        database::pool(&self.database()).unwrap()
    }

    fn database(&self) -> DatabaseSettings {
        DatabaseSettings::from_environment(&self.bed.environment(&[])).unwrap()
    }

    fn project(&self) -> (Running, Watched) {
        let (watching, watched) = watched();
        let config = self.config(&[]);
        let ready = Readiness::default().flag("status-projector");
        let running = Running::start(|shutdown| {
            status_projector::run_watched(config, watching, ready, shutdown)
        });
        (running, watched)
    }

    async fn delivery(&self, delivery: &Delivery) {
        let topic = self.bed.kafka().topics.deliveries();
        self.write(&topic, delivery.subscription_id, &delivery.encode()).await;
    }

    async fn outcome(&self, outcome: &Outcome) {
        let topic = self.bed.kafka().topics.outcomes();
        self.write(&topic, outcome.subscription_id, &outcome.encode()).await;
    }

    /// A delivery that fails once and then arrives: three records.
    async fn whole_delivery(&self, delivery: &Delivery) {
        self.delivery(delivery).await;
        self.outcome(&story::failed(delivery)).await;
        let second = Delivery { attempt: 2, release: 1, ..delivery.clone() };
        self.outcome(&story::delivered(&second)).await;
    }

    async fn write(&self, topic: &str, key: SubscriptionId, value: &[u8]) {
        let key = key.to_string();
        let message = Message { topic, key: key.as_bytes(), value, headers: &[] };
        self.producer.write(message).await.unwrap();
    }

    async fn count(&self, table: &str) -> i64 {
        let sql = format!("SELECT count(*) FROM {table}");
        self.sql.query_one(&sql, &[]).await.unwrap().get(0)
    }

    async fn eventually_counted(&self, table: &str, count: i64) {
        eventually(DEADLINE, || async { (self.count(table).await == count).then_some(()) }).await;
    }

    /// Waits until that many records are projected.
    async fn eventually_passed(&self, records: i64) {
        eventually(DEADLINE, || async {
            let sum = "SELECT coalesce(sum(next_offset), 0)::bigint FROM projector_offsets";
            let sum: i64 = self.sql.query_one(sum, &[]).await.unwrap().get(0);
            (sum == records).then_some(())
        })
        .await;
    }

    /// Does it until it is stopped, and then says how long it took at most.
    fn meanwhile(&self, sql_text: &'static str) -> Reads {
        let (bed, stop) = (self.bed.clone(), CancellationToken::new());
        let stopped = stop.clone();
        let task = tokio::spawn(async move {
            let sql = bed.postgres().await;
            let (mut longest, mut highest, mut fell) = (Duration::ZERO, 0, false);
            while !stopped.is_cancelled() {
                let started_at = std::time::Instant::now();
                let row = sql.query_one(sql_text, &[]).await.unwrap();
                longest = longest.max(started_at.elapsed());
                let read: i64 = row.get(0);
                fell |= read < highest;
                highest = highest.max(read);
            }
            (longest, fell)
        });
        Reads { stop, task }
    }
}

/// Somebody who reads again and again.
struct Reads {
    stop: CancellationToken,
    task: tokio::task::JoinHandle<(Duration, bool)>,
}

impl Reads {
    /// The longest read, and whether one has read less than one before.
    async fn stop(self) -> (Duration, bool) {
        self.stop.cancel();
        self.task.await.unwrap()
    }
}

/// A delivery that was accepted so many hours ago.
fn accepted_ago(hours: i64) -> Delivery {
    let at = Timestamp::now() - SignedDuration::from_hours(hours);
    Delivery {
        id: DeliveryId::from_uuid(Uuid::new_v4()),
        subscription_id: SubscriptionId::from_uuid(Uuid::new_v4()),
        message_id: MessageId::from_uuid(Uuid::new_v4()),
        accepted_at: Timestamp::from_microsecond(at.as_microsecond()).unwrap(),
        ..story::delivery(0)
    }
}
