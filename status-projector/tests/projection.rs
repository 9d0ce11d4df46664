//! The projection against real Kafka and PostgreSQL.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod story;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use database::DatabaseSettings;
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use kafka_loop::producer::{Message, Producer};
use kafka_loop::record::Record;
use kafka_loop::topic_setup;
use pipeline::delivery::Delivery;
use pipeline::ids::{DeliveryId, MessageId, SubscriptionId};
use pipeline::outcome::{Kind, Outcome, State};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use role_runtime::Readiness;
use serde_json::{Map, Value};
use status_projector::Config;
use status_projector::attempt_row::AttemptRow;
use status_projector::delivery_row::{
    Content, DeliveryKey, DeliveryRow, LastCall, Origin, Standing,
};
use status_projector::fold::{PartitionName, Told};
use status_projector::reading::Source;
use status_projector::store::{self, WriteError};
use test_bed::{TestBed, eventually};
use tokio::task::JoinHandle;
use tokio_postgres::{Client, Row};
use tokio_util::sync::CancellationToken;
use uuid::{Builder, Uuid, Version};

const DEADLINE: Duration = Duration::from_secs(60);

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

    fn project(&self, given: &[(&str, &str)]) -> Projector {
        let stop = CancellationToken::new();
        let ready = Readiness::default().flag("status-projector");
        let role = status_projector::run(self.config(given), ready, stop.clone());
        Projector { stop, task: tokio::spawn(role) }
    }

    async fn delivery(&self, delivery: &Delivery) {
        let topic = self.bed.kafka().topics.deliveries();
        self.write(&topic, delivery.subscription_id, &delivery.encode()).await;
    }

    async fn outcome(&self, outcome: &Outcome) {
        let topic = self.bed.kafka().topics.outcomes();
        self.write(&topic, outcome.subscription_id, &outcome.encode()).await;
    }

    async fn write(&self, topic: &str, key: SubscriptionId, value: &[u8]) {
        let key = key.to_string();
        let message = Message { topic, key: key.as_bytes(), value, headers: &[] };
        self.producer.write(message).await.unwrap();
    }

    /// The row as it stands, once `is_there` says so.
    async fn row(&self, id: DeliveryId, is_there: impl Fn(&DeliveryRow) -> bool) -> DeliveryRow {
        eventually(DEADLINE, || async {
            let rows = delivery_rows(&self.sql).await;
            rows.into_iter().find(|row| row.key.id == id).filter(&is_there)
        })
        .await
    }

    async fn count(&self, table: &str) -> i64 {
        let sql = format!("SELECT count(*) FROM {table}");
        self.sql.query_one(&sql, &[]).await.unwrap().get(0)
    }

    async fn eventually_rows(&self, count: usize) -> Vec<DeliveryRow> {
        eventually(DEADLINE, || async {
            let rows = delivery_rows(&self.sql).await;
            (rows.len() == count).then_some(rows)
        })
        .await
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

    async fn eventually_counted(&self, table: &str, count: i64) {
        eventually(DEADLINE, || async { (self.count(table).await == count).then_some(()) }).await;
    }
}

struct Projector {
    stop: CancellationToken,
    task: JoinHandle<anyhow::Result<()>>,
}

impl Projector {
    async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap().unwrap();
    }
}

/// A delivery that is accepted now.
fn fresh() -> Delivery {
    Delivery {
        id: DeliveryId::from_uuid(Uuid::new_v4()),
        subscription_id: SubscriptionId::from_uuid(Uuid::new_v4()),
        message_id: MessageId::from_uuid(Uuid::new_v4()),
        accepted_at: Timestamp::from_microsecond(Timestamp::now().as_microsecond()).unwrap(),
        ..story::delivery(0)
    }
}

/// A delivery that is accepted now and may be again.
fn derived() -> Delivery {
    let id = Builder::from_u128(Uuid::new_v4().as_u128()).with_version(Version::Sha1).into_uuid();
    Delivery { id: DeliveryId::from_uuid(id), ..fresh() }
}

/// The same, but accepted that much earlier or later.
fn accepted(delivery: &Delivery, hours: i64) -> Delivery {
    let accepted_at = delivery.accepted_at + SignedDuration::from_hours(hours);
    Delivery { accepted_at, ..delivery.clone() }
}

/// The second attempt, after the first was put back.
fn second(delivery: &Delivery) -> Delivery {
    Delivery { attempt: 2, release: 1, ..delivery.clone() }
}

async fn delivery_rows(sql: &Client) -> Vec<DeliveryRow> {
    let rows = sql.query("SELECT * FROM deliveries ORDER BY id, accepted_at", &[]).await.unwrap();
    rows.iter().map(delivery_row).collect()
}

/// The offset of each attempt's outcome, and the acceptance that it is filed under.
async fn attempt_places(sql: &Client) -> Vec<(i64, Timestamp)> {
    let all = "SELECT outcome_offset, accepted_at FROM delivery_attempts ORDER BY outcome_offset";
    let rows = sql.query(all, &[]).await.unwrap();
    rows.iter().map(|row| (row.get(0), row.get(1))).collect()
}

fn delivery_row(row: &Row) -> DeliveryRow {
    fn word<T: serde::de::DeserializeOwned>(word: String) -> T {
        serde_json::from_value(word.into()).unwrap()
    }
    let content_type: Option<String> = row.get("content_type");
    let last_attempt_at: Option<Timestamp> = row.get("last_attempt_at");
    DeliveryRow {
        key: DeliveryKey {
            id: DeliveryId::from_uuid(row.get("id")),
            accepted_at: row.get("accepted_at"),
        },
        origin: Origin {
            subscription_id: SubscriptionId::from_uuid(row.get("subscription_id")),
            message_id: MessageId::from_uuid(row.get("message_id")),
            event_type: row.get("event_type"),
        },
        content: content_type.map(|content_type| Content {
            content_type,
            payload: Bytes::from(row.get::<_, Vec<u8>>("payload")),
            attributes: row.get("attributes"),
            replay_of: row.get::<_, Option<Uuid>>("replay_of").map(DeliveryId::from_uuid),
        }),
        standing: Standing {
            state: word(row.get("state")),
            reason: row.get::<_, Option<String>>("reason").map(word),
            release: row.get("release"),
            attempt: row.get("state_attempt"),
            next_attempt_at: row.get("next_attempt_at"),
        },
        attempts: row.get("attempts"),
        last_call: last_attempt_at.map(|attempted_at| LastCall {
            attempted_at,
            http_status: row.get("last_http_status"),
            error: row.get("last_error"),
        }),
    }
}

fn attributes_of(delivery: &Delivery) -> Option<Value> {
    let text = |(name, value): &(String, String)| (name.clone(), Value::from(value.as_str()));
    let object: Map<String, Value> = delivery.attributes.iter().map(text).collect();
    (!object.is_empty()).then_some(object.into())
}

fn delivered_row(delivery: &Delivery) -> DeliveryRow {
    let outcome = story::delivered(&second(delivery));
    DeliveryRow {
        key: DeliveryKey { id: delivery.id, accepted_at: delivery.accepted_at },
        origin: Origin {
            subscription_id: delivery.subscription_id,
            message_id: delivery.message_id,
            event_type: delivery.event_type.clone(),
        },
        content: Some(Content {
            content_type: delivery.content_type.clone(),
            payload: delivery.body.clone(),
            attributes: attributes_of(delivery),
            replay_of: delivery.replay_of,
        }),
        standing: Standing {
            state: State::Delivered,
            reason: None,
            release: 1,
            attempt: 2,
            next_attempt_at: None,
        },
        attempts: 2,
        last_call: Some(LastCall {
            attempted_at: outcome.occurred_at,
            http_status: Some(200),
            error: None,
        }),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_and_its_outcomes_become_one_row_and_a_row_per_attempt() {
    let scene = Scene::start("rows").await;
    let projector = scene.project(&[]);
    let delivery = fresh();
    scene.delivery(&delivery).await;
    let pending = scene.row(delivery.id, |_| true).await;
    assert_eq!((pending.standing, pending.attempts), (Standing::untold(), 0));
    assert_eq!(pending.content.unwrap().payload, delivery.body);

    scene.outcome(&story::failed(&delivery)).await;
    let retrying = scene.row(delivery.id, |row| row.attempts == 1).await;
    assert_eq!(retrying.standing.state, State::Retrying);
    assert_eq!(retrying.last_call.unwrap().http_status, Some(500));

    let spilled = Outcome { kind: Kind::Spill, call: None, ..story::failed(&second(&delivery)) };
    scene.outcome(&spilled).await;
    let spilled = scene.row(delivery.id, |row| row.standing.release == 1).await;
    assert_eq!(spilled.attempts, 1, "a spill is no attempt");

    scene.delivery(&second(&delivery)).await;
    scene.outcome(&story::delivered(&second(&delivery))).await;
    let row = scene.row(delivery.id, |row| row.standing.state == State::Delivered).await;
    assert_eq!(row, delivered_row(&delivery));
    let attempts: Vec<(i32, bool, Option<i32>, Uuid)> = scene
        .sql
        .query(
            "SELECT attempt, succeeded, http_status, delivery_id FROM delivery_attempts \
             ORDER BY attempt",
            &[],
        )
        .await
        .unwrap()
        .iter()
        .map(|row| (row.get(0), row.get(1), row.get(2), row.get(3)))
        .collect();
    let id = delivery.id.uuid();
    assert_eq!(attempts, [(1, false, Some(500), id), (2, true, Some(200), id)]);
    projector.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn outcomes_that_are_read_before_the_delivery_give_the_same_row() {
    let scene = Scene::start("early").await;
    let projector = scene.project(&[]);
    let delivery = fresh();
    scene.outcome(&story::failed(&delivery)).await;
    scene.outcome(&story::delivered(&second(&delivery))).await;
    let early = scene.row(delivery.id, |row| row.attempts == 2).await;
    assert_eq!(early.content, None);
    scene.delivery(&delivery).await;
    let row = scene.row(delivery.id, |row| row.content.is_some()).await;
    assert_eq!(row, delivered_row(&delivery));
    projector.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_projector_that_dies_at_any_moment_neither_loses_nor_doubles_a_row() {
    const COUNT: usize = 300;
    const LIVES: usize = 12;
    let scene = Scene::start("dies").await;
    let deliveries: Vec<Delivery> = (0..COUNT).map(|_| fresh()).collect();
    for delivery in &deliveries {
        scene.delivery(delivery).await;
        scene.outcome(&story::failed(delivery)).await;
        scene.outcome(&story::delivered(&second(delivery))).await;
    }
    let given = [("HOOKLOG_PROJECTION_BATCH", "3"), ("HOOKLOG_PROJECTION_LINGER", "1ms")];
    let mut runner = TestRunner::deterministic();
    let mut seen = 0;
    for _ in 0..LIVES {
        let ready = Readiness::default().flag("status-projector");
        let life = status_projector::run(scene.config(&given), ready, CancellationToken::new());
        let mut life = Box::pin(life);
        let progressed = async { while scene.count("delivery_attempts").await <= seen {} };
        tokio::select! {
            ended = &mut life => panic!("it ended by itself: {ended:?}"),
            () = progressed => {}
        }
        // Then it dies, within some batch or between two.
        let micros = (0_u64..8_000).new_tree(&mut runner).unwrap().current();
        let _ = tokio::time::timeout(Duration::from_micros(micros), life).await;
        seen = scene.count("delivery_attempts").await;
    }
    assert!(seen < 2 * COUNT as i64, "it was done before it had died {LIVES} times");
    let projector = scene.project(&given);
    scene.eventually_counted("deliveries WHERE payload IS NOT NULL", COUNT as i64).await;
    scene.eventually_counted("deliveries WHERE state = 'delivered'", COUNT as i64).await;
    projector.stop().await;

    let mut expected: Vec<DeliveryRow> = deliveries.iter().map(delivered_row).collect();
    expected.sort_by_key(|row| row.key);
    assert_eq!(delivery_rows(&scene.sql).await, expected);
    assert_eq!(scene.count("delivery_attempts").await, 2 * COUNT as i64);
    assert_eq!(scene.count("projector_rejects").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_writes_from_the_same_offset_one_wins() {
    let scene = Scene::start("fight").await;
    let pool = pool(&scene.bed);
    let delivery = story::delivery(0);
    let name: PartitionName = (Arc::from(story::DELIVERIES), 0);
    let expected = store::positions(&pool, std::slice::from_ref(&name)).await.unwrap();
    assert_eq!(expected, BTreeMap::from([(name.clone(), 0)]));
    let told = |body: &'static str| {
        let told = Delivery { body: Bytes::from_static(body.as_bytes()), ..delivery.clone() };
        read(&[story::record(story::DELIVERIES, 0, told.encode().to_vec())])
    };
    make_days(&scene.sql, &told("")).await;
    let (mut one, mut other) = (pool.get().await.unwrap(), pool.get().await.unwrap());
    let (one, other) = tokio::join!(
        store::write(&mut one, told("one"), &expected),
        store::write(&mut other, told("other"), &expected),
    );
    let winner = match (one, other) {
        (Ok(()), Err(WriteError::Conflict(_))) => "one",
        (Err(WriteError::Conflict(_)), Ok(())) => "other",
        both => panic!("{both:?}"),
    };
    let [row] = delivery_rows(&scene.sql).await.try_into().unwrap();
    assert_eq!(row.content.unwrap().payload, winner);
    assert_eq!(store::positions(&pool, std::slice::from_ref(&name)).await.unwrap()[&name], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_merges_rows_as_the_fold_does() {
    let scene = Scene::start("merge").await;
    let pool = pool(&scene.bed);
    let mut client = pool.get().await.unwrap();
    let names = [story::DELIVERIES, story::OUTCOMES].map(|topic| (Arc::from(topic), 0));
    let strategy = (
        story::any_story(),
        prop::collection::vec(any::<bool>(), 0..80),
        prop::collection::vec(1_usize..9, 1..40),
    );
    let mut runner = TestRunner::deterministic();
    for _ in 0..100 {
        let (story, picks, cuts) = strategy.new_tree(&mut runner).unwrap().current();
        let reset = "DELETE FROM deliveries; DELETE FROM delivery_attempts; \
                     DELETE FROM projector_offsets";
        scene.sql.batch_execute(reset).await.unwrap();
        let mut expected = store::positions(&pool, &names).await.unwrap();
        let records = story.interleaved(picks);
        make_days(&scene.sql, &read(&records)).await;
        let folded = read(&records).into_rows(BTreeSet::new());
        let (mut rest, mut cuts) = (records.as_slice(), cuts.into_iter().cycle());
        while !rest.is_empty() {
            let (batch, later) = rest.split_at(cuts.next().unwrap().min(rest.len()));
            let told = read(batch);
            let ends = told.ends.clone();
            store::write(&mut client, told, &expected).await.unwrap();
            expected.extend(ends);
            rest = later;
        }
        let folded_rows: Vec<DeliveryRow> = folded.deliveries.into_values().collect();
        assert_eq!(delivery_rows(&scene.sql).await, folded_rows, "{story:?}");
        let accepted_at = |attempt: &AttemptRow| (attempt.outcome_offset, attempt.accepted_at);
        let mut attempts: Vec<_> = folded.attempts.iter().map(accepted_at).collect();
        attempts.sort_unstable();
        assert_eq!(attempt_places(&scene.sql).await, attempts, "{story:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn poison_is_set_aside_and_the_partition_moves_on() {
    let scene = Scene::start("poison").await;
    let projector = scene.project(&[]);
    let topics = scene.bed.kafka().topics;
    let delivery = fresh();
    scene.write(&topics.deliveries(), delivery.subscription_id, b"nobody reads this").await;
    scene.write(&topics.outcomes(), delivery.subscription_id, b"{\"schema\":1,\"\0\"").await;
    let tomorrow_week = delivery.accepted_at + SignedDuration::from_hours(200);
    let unborn = Delivery { accepted_at: tomorrow_week, ..fresh() };
    scene.delivery(&Delivery { subscription_id: delivery.subscription_id, ..unborn }).await;
    scene.delivery(&delivery).await;
    scene.outcome(&story::failed(&delivery)).await;
    scene.outcome(&story::delivered(&second(&delivery))).await;
    let row = scene.row(delivery.id, |row| row.attempts == 2 && row.content.is_some()).await;
    assert_eq!(row, delivered_row(&delivery));
    let rejects: Vec<(String, i64, String, Vec<u8>)> = scene
        .sql
        .query("SELECT * FROM projector_rejects ORDER BY topic, record_offset", &[])
        .await
        .unwrap()
        .iter()
        .map(|row| {
            (row.get("topic"), row.get("record_offset"), row.get("reason"), row.get("value"))
        })
        .collect();
    assert_eq!(rejects.len(), 3, "{rejects:?}");
    assert_eq!((&rejects[0].0, rejects[0].1), (&topics.deliveries(), 0));
    assert_eq!(rejects[0].3, b"nobody reads this");
    assert!(rejects[1].2.contains("no partition for that day"), "{rejects:?}");
    assert_eq!((&rejects[2].0, rejects[2].1), (&topics.outcomes(), 0));
    projector.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_postgres_refuses_is_found_and_set_aside_alone() {
    let scene = Scene::start("refused").await;
    let deliveries: Vec<Delivery> = (0..20).map(|_| fresh()).collect();
    for (index, delivery) in deliveries.iter().enumerate() {
        let mut outcome = story::failed(delivery);
        if index == 13 {
            // Earlier than anything that PostgreSQL keeps.
            outcome.next_attempt_at = Some(Timestamp::MIN);
        }
        scene.delivery(delivery).await;
        scene.outcome(&outcome).await;
    }
    let projector = scene.project(&[]);
    scene.eventually_counted("delivery_attempts", 19).await;
    scene.eventually_counted("deliveries WHERE payload IS NOT NULL", 20).await;
    let reject = scene.sql.query_one("SELECT * FROM projector_rejects", &[]).await.unwrap();
    assert_eq!(reject.get::<_, String>("topic"), scene.bed.kafka().topics.outcomes());
    let value: Vec<u8> = reject.get("value");
    assert_eq!(Outcome::decode(&value).unwrap().delivery_id, deliveries[13].id);
    projector.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nul_in_texts_and_in_the_body_stops_nothing() {
    let scene = Scene::start("nul").await;
    let projector = scene.project(&[]);
    let delivery = Delivery {
        event_type: Some("a\0b".to_owned()),
        content_type: "text/\0".to_owned(),
        body: Bytes::from_static(b"\0\xff\0"),
        ..fresh()
    };
    let mut outcome = story::failed(&delivery);
    let call = outcome.call.as_mut().unwrap();
    call.response_excerpt = "\0".to_owned();
    call.error = Some("\0".to_owned());
    call.error_kind = Some("\0".to_owned());
    call.target_url = "http://h/\0".to_owned();
    scene.delivery(&delivery).await;
    scene.outcome(&outcome).await;
    let row = scene.row(delivery.id, |row| row.attempts == 1 && row.content.is_some()).await;
    assert_eq!(row.origin.event_type.as_deref(), Some("a\u{fffd}b"));
    assert_eq!(row.content.unwrap().payload, delivery.body);
    assert_eq!(scene.count("projector_rejects").await, 0);
    projector.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_postgres_is_away_nothing_is_lost_and_it_catches_up() {
    let mut scene = Scene::start("away").await;
    let projector = scene.project(&[("HOOKLOG_PROJECTION_LINGER", "1ms")]);
    let before = fresh();
    scene.delivery(&before).await;
    scene.row(before.id, |_| true).await;

    let name: String = scene.sql.query_one("SELECT current_database()", &[]).await.unwrap().get(0);
    let elsewhere = TestBed::start("away-admin").await.postgres().await;
    let allow = |allowed: bool| format!("ALTER DATABASE {name} ALLOW_CONNECTIONS {allowed}");
    elsewhere.batch_execute(&allow(false)).await.unwrap();
    let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1";
    elsewhere.execute(cut, &[&name]).await.unwrap();

    // Long enough for several tries to fail.
    let meanwhile: Vec<Delivery> = (0..100).map(|_| fresh()).collect();
    for delivery in &meanwhile {
        scene.delivery(delivery).await;
        scene.outcome(&story::failed(delivery)).await;
        scene.outcome(&story::delivered(&second(delivery))).await;
    }
    assert!(!projector.task.is_finished());
    elsewhere.batch_execute(&allow(true)).await.unwrap();

    scene.sql = scene.bed.postgres().await;
    scene.eventually_counted("delivery_attempts", 200).await;
    for delivery in &meanwhile {
        let row = scene.row(delivery.id, |row| row.content.is_some()).await;
        assert_eq!(row, delivered_row(delivery));
    }
    projector.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn offsets_that_were_moved_are_read_again_and_repeated_records_change_nothing() {
    let scene = Scene::start("moved").await;
    let projector = scene.project(&[]);
    let delivery = fresh();
    scene.delivery(&delivery).await;
    scene.outcome(&story::failed(&delivery)).await;
    scene.row(delivery.id, |row| row.attempts == 1 && row.content.is_some()).await;
    // As a PostgreSQL that lost its last transactions in a crash, but kept the rows.
    scene.sql.batch_execute("UPDATE projector_offsets SET next_offset = 0").await.unwrap();
    scene.delivery(&second(&delivery)).await;
    scene.outcome(&story::delivered(&second(&delivery))).await;
    let row = scene.row(delivery.id, |row| row.standing.state == State::Delivered).await;
    assert_eq!(row, delivered_row(&delivery));
    assert_eq!(scene.count("delivery_attempts").await, 2);
    scene.eventually_passed(4).await;
    assert_eq!(scene.count("projector_rejects").await, 0, "a repeated record is no reject");
    projector.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_that_somebody_dropped_is_made_again() {
    let scene = Scene::start("dropped").await;
    let projector = scene.project(&[]);
    let delivery = fresh();
    scene.delivery(&delivery).await;
    scene.row(delivery.id, |_| true).await;
    let day = delivery.accepted_at.strftime("y%Ym%md%d");
    let drop = format!("DROP TABLE deliveries_{day}, delivery_attempts_{day}");
    scene.sql.batch_execute(&drop).await.unwrap();
    let later = Delivery { accepted_at: delivery.accepted_at, ..fresh() };
    scene.delivery(&later).await;
    scene.row(later.id, |_| true).await;
    assert_eq!(scene.count("projector_rejects").await, 0);
    projector.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_that_comes_later_goes_to_the_row_that_is_there_and_resets_nothing() {
    let scene = Scene::start("repeat").await;
    let projector = scene.project(&[("HOOKLOG_PROJECTION_LINGER", "1ms")]);
    let delivery = accepted(&derived(), -20);
    scene.delivery(&delivery).await;
    scene.outcome(&story::failed(&delivery)).await;
    scene.outcome(&story::delivered(&second(&delivery))).await;
    let delivered = |row: &DeliveryRow| row.attempts == 2 && row.content.is_some();
    scene.row(delivery.id, delivered).await;

    // It was accepted on another day, and was delivered again after a restart.
    let repeat = accepted(&delivery, 20);
    scene.delivery(&repeat).await;
    scene.outcome(&story::failed(&repeat)).await;
    scene.eventually_counted("delivery_attempts", 3).await;
    scene.eventually_passed(5).await;
    let mut expected = delivered_row(&delivery);
    assert_eq!(delivery_rows(&scene.sql).await, [expected.clone()]);
    let places = attempt_places(&scene.sql).await;
    assert!(places.iter().all(|(_, at)| *at == delivery.accepted_at), "{places:?}");

    // What is accepted again later than a repeat can be has a row of its own.
    let again = accepted(&delivery, 25);
    scene.delivery(&again).await;
    let rows = scene.eventually_rows(2).await;
    assert_eq!(rows[0], expected);
    expected =
        DeliveryRow { standing: Standing::untold(), attempts: 0, last_call: None, ..expected };
    expected.key.accepted_at = again.accepted_at;
    assert_eq!(rows[1], expected);
    projector.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn repeats_in_one_batch_are_one_row_also_if_the_batch_is_taken_apart() {
    let scene = Scene::start("repeats").await;
    let delivery = derived();
    let spoiled = Delivery { subscription_id: delivery.subscription_id, ..fresh() };
    for hours in [0, 1, -2, 3] {
        scene.delivery(&accepted(&delivery, hours)).await;
    }
    scene.delivery(&spoiled).await;
    // Earlier than anything that PostgreSQL keeps.
    let refused = Outcome { next_attempt_at: Some(Timestamp::MIN), ..story::failed(&spoiled) };
    scene.outcome(&refused).await;
    scene.outcome(&story::failed(&delivery)).await;
    scene.outcome(&story::delivered(&second(&accepted(&delivery, 3)))).await;
    let projector = scene.project(&[]);
    scene.eventually_passed(8).await;

    let rows = delivery_rows(&scene.sql).await;
    let rows: Vec<&DeliveryRow> = rows.iter().filter(|row| row.key.id == delivery.id).collect();
    let [row] = rows.as_slice() else { panic!("{rows:?}") };
    assert_eq!((row.key.accepted_at, row.attempts), (delivery.accepted_at, 2));
    assert_eq!(row.standing.state, State::Delivered);
    assert_eq!(row.content.as_ref().unwrap().payload, delivery.body);
    let places = attempt_places(&scene.sql).await;
    assert_eq!(places.len(), 2);
    assert!(places.iter().all(|(_, at)| *at == delivery.accepted_at), "{places:?}");
    assert_eq!(scene.count("projector_rejects").await, 1);
    projector.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn which_rows_are_there_is_asked_after_whoever_had_the_partition_is_done() {
    let scene = Scene::start("takeover").await;
    let pool = pool(&scene.bed);
    let first = Delivery { id: derived().id, ..story::delivery(0) };
    let repeat = accepted(&first, 1);
    let told = read(&[story::record(story::DELIVERIES, 1, repeat.encode().to_vec())]);
    let name: PartitionName = (Arc::from(story::DELIVERIES), 0);
    store::positions(&pool, std::slice::from_ref(&name)).await.unwrap();
    make_days(&scene.sql, &told).await;
    scene.sql.batch_execute("UPDATE projector_offsets SET next_offset = 1").await.unwrap();

    // It holds the offset, and has written the delivery's row; neither is committed.
    let mut other = scene.bed.postgres().await;
    let held = other.transaction().await.unwrap();
    held.batch_execute("UPDATE projector_offsets SET next_offset = 1").await.unwrap();
    let insert = "INSERT INTO deliveries (id, accepted_at, subscription_id, message_id, state, \
                  release, state_attempt) VALUES ($1, $2, $1, $1, 'delivered', 0, 1)";
    held.execute(insert, &[&first.id.uuid(), &first.accepted_at]).await.unwrap();
    let taking_over = tokio::spawn(async move {
        let mut client = pool.get().await.unwrap();
        store::write(&mut client, told, &BTreeMap::from([(name, 1)])).await
    });
    let waits = "SELECT FROM pg_locks JOIN pg_stat_activity USING (pid) \
                 WHERE datname = current_database() AND NOT granted";
    eventually(DEADLINE, || async {
        let waiting = scene.sql.query(waits, &[]).await.unwrap();
        (!waiting.is_empty()).then_some(())
    })
    .await;
    held.commit().await.unwrap();
    taking_over.await.unwrap().unwrap();

    let [row] = delivery_rows(&scene.sql).await.try_into().unwrap();
    assert_eq!(row.key.accepted_at, first.accepted_at);
    assert_eq!(row.standing.state, State::Delivered);
}

fn pool(bed: &TestBed) -> deadpool_postgres::Pool {
    let settings = DatabaseSettings::from_environment(&bed.environment(&[])).unwrap();
    database::pool(&settings).unwrap()
}

fn read(records: &[Record]) -> Told {
    let source = |record: &Record| match &*record.topic {
        story::DELIVERIES => Source::Deliveries,
        _ => Source::Outcomes,
    };
    Told::by(records, source, story::NOW.parse().unwrap(), Date::MIN)
}

async fn make_days(sql: &Client, told: &Told) {
    for day in told.days() {
        sql.execute("SELECT create_delivery_partitions($1)", &[&day]).await.unwrap();
    }
}
