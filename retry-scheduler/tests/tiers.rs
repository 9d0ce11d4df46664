//! Waiting in real tiers.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::HashSet;
use std::time::Duration;

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use kafka_loop::producer::{Message, Producer};
use kafka_loop::topic_setup;
use pipeline::cascade::{Hop, next_hop, tolerance};
use pipeline::delivery::{Delivery, Wait};
use pipeline::ids::{DeliveryId, MessageId, SubscriptionId};
use retry_scheduler::Config;
use role_runtime::Readiness;
use test_bed::{Running, TestBed, eventually};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

const DEADLINE: Duration = Duration::from_secs(60);

/// A place in the stack whose tiers wait for a scheduler.
struct Scene {
    bed: TestBed,
    producer: Producer,
}

/// A delivery that was put back into `deliveries`.
struct Released {
    id: DeliveryId,
    wait: Wait,
    at: Timestamp,
}

impl Released {
    /// Negative if it was early.
    fn seconds_late(&self) -> f64 {
        self.at.duration_since(self.wait.due_at).as_secs_f64()
    }

    fn assert_never_early(&self) {
        let (late, delay) = (self.seconds_late(), self.wait.delay);
        assert!(late >= -tolerance(delay).as_secs_f64(), "{delay:?} ended {} s early", -late);
    }
}

impl Scene {
    async fn start(name: &str) -> Self {
        let bed = TestBed::start(name).await;
        let kafka = bed.kafka();
        assert!(topic_setup::prepare(&kafka, &CancellationToken::new()).await.unwrap());
        Self { bed, producer: Producer::new(&kafka, None).unwrap() }
    }

    fn schedule(&self, settings: &[(&str, &str)]) -> Running {
        let config = Config::from_environment(&self.bed.environment(settings)).unwrap();
        let ready = Readiness::default().flag("retry-scheduler");
        Running::start(|shutdown| retry_scheduler::run(config, ready, shutdown))
    }

    /// Puts a delivery into the first tier of its cascade, as the consumer would.
    async fn wait(&self, subscription: SubscriptionId, delay: Duration) {
        let topics = self.bed.kafka().topics;
        let Hop::Hold(tier) = next_hop(topics.tiers(), delay, delay) else {
            panic!("{delay:?} needs no tier");
        };
        let (topic, key) = (topics.retries(tier), subscription.to_string());
        let value = waiting(subscription, delay).encode();
        let message = Message { topic: &topic, key: key.as_bytes(), value: &value, headers: &[] };
        self.producer.write(message).await.unwrap();
    }

    /// Everything that was released, once that is `count` deliveries.
    async fn released(&self, count: usize) -> Vec<Released> {
        let topic = self.bed.kafka().topics.deliveries();
        let records = eventually(DEADLINE, || async {
            let records = self.bed.records(&topic).await;
            (records.len() >= count).then_some(records)
        })
        .await;
        let read = records.into_iter().map(|record| {
            let delivery = Delivery::decode(record.value.unwrap()).unwrap();
            let at = Timestamp::from_millisecond(record.appended_at_millis).unwrap();
            Released { id: delivery.id, wait: delivery.wait.unwrap(), at }
        });
        read.collect()
    }
}

fn waiting(subscription: SubscriptionId, delay: Duration) -> Delivery {
    let (id, now) = (Uuid::new_v4(), Timestamp::now());
    let due_at = now.checked_add(SignedDuration::try_from(delay).unwrap()).unwrap();
    Delivery {
        id: DeliveryId::from_uuid(id),
        subscription_id: subscription,
        subscription_version: 1,
        message_id: MessageId::from_uuid(id),
        event_type: None,
        content_type: "application/json".to_owned(),
        accepted_at: now,
        attempt: 2,
        release: 1,
        wait: Some(Wait { due_at, delay, doubles: false }),
        replay_of: None,
        attributes: Vec::new(),
        body: Bytes::from_static(b"{}"),
    }
}

fn a_subscription() -> SubscriptionId {
    SubscriptionId::from_uuid(Uuid::new_v4())
}

#[tokio::test(flavor = "multi_thread")]
async fn delays_that_are_tiers_and_delays_of_several_hops_end_in_time() {
    let scene = Scene::start("accuracy").await;
    let scheduler = scene.schedule(&[]);
    // Once one has come through, the scheduler has its partitions.
    scene.wait(a_subscription(), Duration::from_millis(300)).await;
    scene.released(1).await;

    // The bed's tiers are 250 ms, 1 s, 2 s and 10 s.
    let delays = [1_000, 1_260, 1_700, 2_000, 2_600, 3_300, 4_100, 5_900, 7_700, 10_000];
    let delays = delays.map(Duration::from_millis);
    for delay in delays {
        scene.wait(a_subscription(), delay).await;
    }
    let released = scene.released(1 + delays.len()).await;
    scheduler.stop().await;
    assert_eq!(released.len(), 1 + delays.len(), "something was released twice");
    for released in released.iter().filter(|it| delays.contains(&it.wait.delay)) {
        released.assert_never_early();
        let (late, delay) = (released.seconds_late(), released.wait.delay);
        assert!(late <= delay.as_secs_f64() / 10.0 + 1.0, "{delay:?} ended {late} s late");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_an_outage_everything_due_is_released_once_and_at_the_limited_rate() {
    const WAITING: usize = 600;
    const RATE: usize = 200;
    let scene = Scene::start("outage").await;
    // One subscription, so one partition.
    let (subscription, delay) = (a_subscription(), Duration::from_secs(1));
    let waits = (0..WAITING).map(|_| scene.wait(subscription, delay));
    futures_util::future::join_all(waits).await;
    let all_due = Timestamp::now().checked_add(SignedDuration::from_secs(1)).unwrap();
    eventually(DEADLINE, || async { (Timestamp::now() > all_due).then_some(()) }).await;

    let scheduler = scene.schedule(&[("HOOKLOG_RELEASE_RATE", &RATE.to_string())]);
    let released = scene.released(WAITING).await;
    scheduler.stop().await;
    released.iter().for_each(Released::assert_never_early);
    let ids: HashSet<DeliveryId> = released.iter().map(|it| it.id).collect();
    assert_eq!((ids.len(), released.len()), (WAITING, WAITING), "lost, or released twice");
    let mut instants: Vec<Timestamp> = released.iter().map(|it| it.at).collect();
    instants.sort_unstable();
    // The rate, its burst of a tenth of a second, and as much again for the way to the broker.
    let most = RATE + RATE / 10 + RATE / 10;
    for (first, past) in instants.iter().zip(instants.iter().skip(most)) {
        let span = past.duration_since(*first);
        assert!(span >= SignedDuration::from_secs(1), "{most} releases within {span:?}");
    }
    let whole = instants[WAITING - 1].duration_since(instants[0]);
    assert!(whole <= SignedDuration::from_secs(6), "the backlog took {whole:?}");
}
