//! The janitor against real Kafka and PostgreSQL.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use kafka_loop::consumer_loop::{self, LoopConfig, Role};
use kafka_loop::log_trimmer::{LogTrimmer, Trim};
use kafka_loop::producer::{Message, Producer};
use kafka_loop::record::Record;
use kafka_loop::{KafkaSettings, Ticket, topic_setup};
use role_runtime::Readiness;
use status_projector::Config;
use test_bed::{Running, TestBed, eventually};
use tokio_util::sync::CancellationToken;

const DEADLINE: Duration = Duration::from_secs(60);
const SOON: (&str, &str) = ("HOOKLOG_JANITOR_INTERVAL", "200ms");

struct Scene {
    bed: TestBed,
    kafka: KafkaSettings,
    producer: Producer,
}

impl Scene {
    async fn start(name: &str) -> Self {
        let bed = TestBed::start(name).await;
        let kafka = bed.kafka();
        assert!(topic_setup::prepare(&kafka, &CancellationToken::new()).await.unwrap());
        let producer = Producer::new(&kafka, None).unwrap();
        Self { bed, kafka, producer }
    }

    /// Writes records of which none is a delivery: the projection sets them aside and moves on.
    /// All are in one partition.
    async fn write(&self, topic: &str, count: usize) -> i32 {
        let mut partition = 0;
        for _ in 0..count {
            let message = Message { topic, key: b"k", value: b"poison", headers: &[] };
            partition = self.producer.write(message).await.unwrap().partition;
        }
        partition
    }

    /// The offsets of all records that are in a topic now.
    async fn offsets(&self, topic: &str) -> Vec<i64> {
        self.bed.records(topic).await.iter().map(|record| record.offset).collect()
    }

    async fn until(&self, topic: &str, expected: impl IntoIterator<Item = i64>) {
        let expected: Vec<i64> = expected.into_iter().collect();
        let look = || async { (self.offsets(topic).await == expected).then_some(()) };
        eventually(DEADLINE, look).await;
    }

    fn project(&self, given: &[(&str, &str)]) -> Running {
        let config = Config::from_environment(&self.bed.environment(given)).unwrap();
        let ready = Readiness::default().flag("status-projector");
        Running::start(|shutdown| status_projector::run(config, ready, shutdown))
    }

    /// A group that finishes what is below `finished` and works on the rest without an end.
    fn consume(&self, group: &str, topic: &str, finished: i64) -> Running {
        let (held, holds) = channel();
        let config = LoopConfig {
            name: "test",
            group: self.kafka.topics.group(group),
            topics: vec![topic.to_owned()],
            max_unfinished: 100,
            max_unfinished_bytes: 1 << 20,
            recall: 0,
            drain_timeout: Duration::from_millis(10),
            page: metrics::Page::default(),
        };
        let kafka = self.kafka.clone();
        let role = Worker { finished, held, _holds: holds };
        Running::start(|shutdown| async move {
            consumer_loop::run(&kafka, config, role, shutdown).await
        })
    }
}

struct Worker {
    finished: i64,
    held: Sender<Ticket>,
    /// Keeps the tickets: one that is dropped ends the loop.
    _holds: Receiver<Ticket>,
}

impl Role for Worker {
    fn take(&mut self, record: Record, ticket: Ticket) {
        if record.offset < self.finished {
            ticket.finish();
        } else {
            let _ = self.held.send(ticket);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn work_goes_once_all_have_read_it_and_nothing_goes_that_still_waits() {
    let scene = Scene::start("janitor").await;
    let topics = &scene.kafka.topics;
    let tier = topics.tiers().iter().last().unwrap();
    let spill_tier = topics.spill_tiers().iter().last().unwrap();
    let (deliveries, outcomes) = (topics.deliveries(), topics.outcomes());
    let (retries, spills) = (topics.retries(tier), topics.spills(spill_tier));
    for topic in [&deliveries, &outcomes, &retries, &spills] {
        scene.write(topic, 10).await;
    }
    let projector = scene.project(&[SOON, ("HOOKLOG_WORK_RETENTION", "1ms")]);
    // Only the projector reads outcomes. Once they are gone, the janitor has been everywhere.
    scene.until(&outcomes, []).await;
    for topic in [&deliveries, &retries, &spills] {
        assert_eq!(scene.offsets(topic).await.len(), 10, "{topic} was not read by its group");
    }

    let consumer = scene.consume("delivery-consumer", &deliveries, 7);
    let scheduler = scene.consume("retry-scheduler", &retries, 4);
    scene.until(&deliveries, 7..10).await;
    scene.until(&retries, 4..10).await;
    // Another round: what was just written to outcomes is gone after it.
    scene.write(&outcomes, 1).await;
    scene.until(&outcomes, []).await;
    assert_eq!(scene.offsets(&deliveries).await, [7, 8, 9]);
    assert_eq!(scene.offsets(&retries).await, [4, 5, 6, 7, 8, 9]);
    assert_eq!(scene.offsets(&spills).await.len(), 10);
    for running in [consumer, scheduler, projector] {
        running.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_read_stays_for_its_age_up_to_the_limit() {
    let scene = Scene::start("janitor-limit").await;
    let outcomes = scene.kafka.topics.outcomes();
    scene.write(&outcomes, 10).await;
    // Two partitions share the limit.
    let projector = scene.project(&[SOON, ("HOOKLOG_WORK_LIMIT", "6")]);
    scene.until(&outcomes, 7..10).await;
    projector.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_projection_below_the_start_of_the_log_stops_and_skips_nothing() {
    let scene = Scene::start("overtaken").await;
    let outcomes = scene.kafka.topics.outcomes();
    let partition = scene.write(&outcomes, 3).await;
    let sql = scene.bed.postgres().await;
    let projected = || async {
        let sql_text =
            "SELECT next_offset FROM projector_offsets WHERE topic = $1 AND partition = $2";
        let row = sql.query_opt(sql_text, &[&outcomes, &partition]).await.unwrap()?;
        (row.get::<_, i64>(0) == 3).then_some(())
    };
    let projector = scene.project(&[]);
    eventually(DEADLINE, projected).await;
    projector.stop().await;
    scene.write(&outcomes, 3).await;
    let trimmer = LogTrimmer::new(&scene.kafka, []).unwrap();
    let trim = Trim { topic: outcomes.clone(), partition, below: 5 };
    assert_eq!(trimmer.delete(vec![trim.clone()]).await.unwrap(), [trim]);

    let mut again = scene.project(&[]);
    let said = again.ended().await.unwrap_err();
    let said = format!("{said:#}");
    let place = format!("is at offset 3 of {outcomes}/{partition}, and the log goes from 5 to 6");
    assert!(said.contains(&place), "{said}");
    assert!(projected().await.is_some(), "the projection has not moved");
}
