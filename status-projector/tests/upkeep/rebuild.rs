//! The projection, made anew from the log.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::Date;
use kafka_loop::log_trimmer::{LogTrimmer, Trim};
use kafka_loop::record::Record;
use pipeline::delivery::Delivery;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use role_runtime::Readiness;
use status_projector::checksum::{Checksum, checksum};
use status_projector::fold::{PartitionName, Told};
use status_projector::reading::Source;
use status_projector::rebuild::{self, Options, Rebuilt};
use status_projector::store;
use tokio_util::sync::CancellationToken;

use super::{Scene, accepted_ago, story};

const SWAP: Options = Options { restart: false, swap: true };
const SMALL_BATCHES: [(&str, &str); 2] =
    [("HOOKLOG_PROJECTION_BATCH", "20"), ("HOOKLOG_PROJECTION_LINGER", "1ms")];

impl Scene {
    async fn deliveries(&self, count: usize) -> Vec<Delivery> {
        let mut deliveries = Vec::new();
        for n in 0..count {
            let delivery = accepted_ago(n as i64 % 40);
            self.whole_delivery(&delivery).await;
            deliveries.push(delivery);
        }
        deliveries
    }

    async fn rebuild(&self, options: Options) -> anyhow::Result<Rebuilt> {
        let config = self.config(&SMALL_BATCHES);
        rebuild::rebuild(&config, options, &CancellationToken::new(), &mut |_| {}).await
    }

    async fn checksum(&self, schema: Option<&str>) -> Checksum {
        checksum(&self.pool(), schema).await.unwrap()
    }

    /// The whole log, folded at once, in a schema of its own.
    async fn fold_at_once(&self) -> Checksum {
        let schema = "CREATE SCHEMA folded; \
            CREATE TABLE folded.deliveries (LIKE deliveries INCLUDING ALL); \
            CREATE TABLE folded.delivery_attempts (LIKE delivery_attempts INCLUDING ALL); \
            CREATE TABLE folded.projector_offsets (LIKE projector_offsets INCLUDING ALL); \
            CREATE TABLE folded.projector_rejects (LIKE projector_rejects INCLUDING ALL)";
        self.sql.batch_execute(schema).await.unwrap();
        let topics = self.bed.kafka().topics;
        let mut records = self.bed.records(&topics.deliveries()).await;
        records.extend(self.bed.records(&topics.outcomes()).await);
        let outcomes = topics.outcomes();
        let source = |record: &Record| match *record.topic == *outcomes {
            true => Source::Outcomes,
            false => Source::Deliveries,
        };
        let told = Told::by(&records, source, Timestamp::now(), Date::MIN);
        let pool = database::pool(&self.database().in_schema("folded")).unwrap();
        let names: Vec<PartitionName> = told.ends.keys().cloned().collect();
        let expected: BTreeMap<_, _> = store::positions(&pool, &names).await.unwrap();
        let mut client = pool.get().await.unwrap();
        store::write(&mut client, told, &expected).await.unwrap();
        self.checksum(Some("folded")).await
    }

    async fn schemas(&self) -> Vec<String> {
        let sql = "SELECT nspname::text FROM pg_namespace WHERE nspname LIKE 'projection%'";
        self.sql.query(sql, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_projector_that_is_killed_and_a_rebuild_both_give_the_rows_of_the_log_folded_at_once() {
    const COUNT: usize = 300;
    const LIVES: usize = 8;
    let scene = Scene::start("equal").await;
    scene.deliveries(COUNT).await;
    let poison = accepted_ago(0).subscription_id;
    scene.write(&scene.bed.kafka().topics.outcomes(), poison, b"poison").await;
    let mut runner = TestRunner::deterministic();
    let mut seen = 0;
    for _ in 0..LIVES {
        let ready = Readiness::default().flag("status-projector");
        let config = scene.config(&SMALL_BATCHES);
        let mut life = Box::pin(status_projector::run(config, ready, CancellationToken::new()));
        let progressed = async { while scene.count("delivery_attempts").await <= seen {} };
        tokio::select! {
            ended = &mut life => panic!("it ended by itself: {ended:?}"),
            () = progressed => {}
            () = tokio::time::sleep(Duration::from_secs(20)) => {}
        }
        let micros = (0_u64..20_000).new_tree(&mut runner).unwrap().current();
        let _ = tokio::time::timeout(Duration::from_micros(micros), life).await;
        seen = scene.count("delivery_attempts").await;
    }
    let (mut projector, _watched) = scene.project();
    scene.eventually_passed(3 * COUNT as i64 + 1).await;
    let folded = scene.fold_at_once().await;
    assert_eq!(scene.checksum(None).await, folded);

    // Rows that are wrong, and rows that are lost, are mended; views and reads go on.
    scene
        .sql
        .batch_execute(
            "CREATE VIEW seen AS SELECT id FROM deliveries WHERE message_id IS NOT NULL; \
             UPDATE deliveries SET state = 'pending' WHERE random() < 0.5; \
             DELETE FROM delivery_attempts WHERE random() < 0.5; DELETE FROM projector_rejects",
        )
        .await
        .unwrap();
    assert_ne!(scene.checksum(None).await, folded);
    let reads = scene.meanwhile("SELECT count(*) FROM seen");
    let rebuilt = scene.rebuild(SWAP).await.unwrap();
    let (longest, fell) = reads.stop().await;
    assert!(!fell, "a read has seen less than one before");
    assert!(longest.as_secs() < 3, "a read took {longest:?}");
    assert_eq!((rebuilt.rejected, rebuilt.kept.before), (1, None));
    assert_eq!(scene.checksum(None).await, folded);
    assert_eq!(scene.schemas().await, Vec::<String>::new());

    // The live projector goes on with the tables that are there now.
    let later = accepted_ago(0);
    scene.whole_delivery(&later).await;
    scene.eventually_passed(3 * COUNT as i64 + 4).await;
    assert_eq!(scene.count("seen").await, COUNT as i64 + 1);
    projector.shut_down();
    projector.ended().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_under_load_loses_nothing_and_never_shows_the_past() {
    let scene = Scene::start("underway").await;
    scene.deliveries(100).await;
    let (mut projector, _watched) = scene.project();
    scene.eventually_passed(300).await;
    let offsets = scene.meanwhile("SELECT sum(next_offset)::bigint FROM projector_offsets");
    let attempts = scene.meanwhile("SELECT count(*) FROM delivery_attempts");
    let load = async {
        for _ in 0..6 {
            scene.deliveries(40).await;
        }
    };
    let rebuilds = async {
        for _ in 0..3 {
            scene.rebuild(SWAP).await.unwrap();
        }
    };
    tokio::join!(load, rebuilds);
    scene.eventually_passed(3 * 340).await;
    for reads in [offsets, attempts] {
        let (_, fell) = reads.stop().await;
        assert!(!fell, "a read has seen less than one before");
    }
    assert_eq!(scene.checksum(None).await, scene.fold_at_once().await);
    let counted = "SELECT sum(accepted)::bigint FROM delivery_minutes";
    let counted: i64 = scene.sql.query_one(counted, &[]).await.unwrap().get(0);
    assert_eq!(counted, 340, "acceptances by minute");
    projector.shut_down();
    projector.ended().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_that_was_interrupted_goes_on_and_can_be_looked_at_before_it_is_swapped() {
    let scene = Scene::start("resumed").await;
    scene.deliveries(100).await;
    let folded = scene.fold_at_once().await;
    let (shutdown, config) = (CancellationToken::new(), scene.config(&SMALL_BATCHES));
    let mut first_done = 0;
    let mut told = |told| {
        if let rebuild::Told::Progress(progress) = told {
            first_done = progress.done;
            shutdown.cancel();
        }
    };
    let interrupted = rebuild::rebuild(&config, SWAP, &shutdown, &mut told).await;
    let said = interrupted.unwrap_err().to_string();
    assert!(said.contains("goes on from here"), "{said}");

    let mut resumed = false;
    let mut told = |told| resumed |= matches!(told, rebuild::Told::Begun { resumed: true, .. });
    let (no_swap, shutdown) = (Options { swap: false, ..SWAP }, CancellationToken::new());
    let rebuilt = rebuild::rebuild(&config, no_swap, &shutdown, &mut told).await.unwrap();
    assert!(resumed && first_done > 0);
    assert_eq!(rebuilt.progress.done, 300 - first_done);
    assert_eq!(scene.checksum(Some(rebuild::NEXT)).await, folded);
    assert_eq!(scene.count("deliveries").await, 0, "the live one is as it was");

    let rebuilt = scene.rebuild(SWAP).await.unwrap();
    assert_eq!(rebuilt.progress.done, 0);
    assert_eq!(scene.checksum(None).await, folded);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_log_no_longer_tells_is_kept_as_it_was() {
    let scene = Scene::start("trimmed").await;
    scene.deliveries(60).await;
    let (mut projector, _watched) = scene.project();
    scene.eventually_passed(180).await;
    projector.shut_down();
    projector.ended().await.unwrap();
    let before = scene.checksum(None).await;

    let (kafka, topics) = (scene.bed.kafka(), scene.bed.kafka().topics);
    let trimmer = LogTrimmer::new(&kafka, []).unwrap();
    let mut trims = Vec::new();
    for (topic, share) in [(topics.deliveries(), 2), (topics.outcomes(), 3)] {
        for partition in 0..2 {
            let end = trimmer.bounds(&topic, partition).unwrap().end;
            trims.push(Trim { topic: topic.clone(), partition, below: end / share });
        }
    }
    // Of one partition nothing is left at all.
    trims[0].below = trimmer.bounds(&trims[0].topic, 0).unwrap().end;
    assert_eq!(trimmer.delete(trims.clone()).await.unwrap().len(), trims.len());

    let rebuilt = scene.rebuild(SWAP).await.unwrap();
    assert_eq!(rebuilt.kept.deliveries, 60, "all are from before the records that are left");
    let trimmed: i64 = trims[2..].iter().map(|trim| trim.below).sum();
    assert_eq!(rebuilt.kept.attempts, trimmed);
    assert_eq!(scene.checksum(None).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_rebuilds_at_once_are_refused() {
    let scene = Scene::start("twice").await;
    scene.deliveries(30).await;
    let (one, other) = tokio::join!(scene.rebuild(SWAP), scene.rebuild(SWAP));
    let refused = match (one, other) {
        (Ok(_), Err(refused)) | (Err(refused), Ok(_)) => refused.to_string(),
        both => panic!("{both:?}"),
    };
    assert!(refused.contains("another rebuild is running"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checksum_tells_what_differs_and_not_where_rows_lie() {
    let scene = Scene::start("checksum").await;
    let fold = |deliveries: &[Delivery]| {
        let records: Vec<Record> = (0..)
            .zip(deliveries)
            .map(|(at, it)| story::record(story::DELIVERIES, at, it.encode().to_vec()))
            .collect();
        Told::by(&records, |_| Source::Deliveries, Timestamp::now(), Date::MIN)
    };
    let mut deliveries = vec![accepted_ago(0), accepted_ago(30), accepted_ago(31)];
    let (pool, name): (_, PartitionName) = (scene.pool(), (Arc::from(story::DELIVERIES), 0));
    let mut sums = Vec::new();
    for order in 0..3 {
        let reset = "DELETE FROM deliveries; DELETE FROM projector_offsets";
        scene.sql.batch_execute(reset).await.unwrap();
        let told = fold(&deliveries);
        for day in told.days() {
            scene.sql.execute("SELECT create_delivery_partitions($1)", &[&day]).await.unwrap();
        }
        let expected = store::positions(&pool, std::slice::from_ref(&name)).await.unwrap();
        store::write(&mut pool.get().await.unwrap(), told, &expected).await.unwrap();
        sums.push(scene.checksum(None).await);
        deliveries.reverse();
        if order == 1 {
            deliveries[0].body = bytes::Bytes::from_static(b"another");
        }
    }
    assert_eq!(sums[0], sums[1]);
    assert_ne!(sums[1].tables[0].checksum, sums[2].tables[0].checksum);
    let differing = std::iter::zip(&sums[1].tables[0].days, &sums[2].tables[0].days);
    assert_eq!(differing.filter(|(one, other)| one != other).count(), 1);
    let spoil = "UPDATE deliveries SET last_error = 'x'";
    scene.sql.batch_execute(spoil).await.unwrap();
    assert_ne!(scene.checksum(None).await, sums[2]);
}
