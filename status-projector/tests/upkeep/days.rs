//! The tables of days: made ahead, dropped by retention, 72 hours by default.

use std::collections::BTreeSet;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use test_bed::eventually;
use tokio_postgres::error::SqlState;

use super::{DEADLINE, Scene, accepted_ago, story};

/// The days that have tables, from today on, and how many tables.
async fn days(scene: &Scene) -> (BTreeSet<i32>, usize) {
    let rows = scene
        .sql
        .query(
            "SELECT relname FROM pg_class WHERE relkind = 'r' \
             AND relname ~ '^(deliveries|delivery_attempts)_y'",
            &[],
        )
        .await
        .unwrap();
    let day = |name: &str| {
        let (_, day) = name.rsplit_once("_y").unwrap();
        let day = Date::strptime("%Ym%md%d", day).unwrap();
        (day - today()).get_days()
    };
    (rows.iter().map(|row| day(row.get(0))).collect(), rows.len())
}

fn today() -> Date {
    Timestamp::now().to_zoned(TimeZone::UTC).date()
}

async fn make(scene: &Scene, days_ago: i32) -> String {
    let day = today() - days_ago.days();
    scene.sql.execute("SELECT create_delivery_partitions($1)", &[&day]).await.unwrap();
    day.strftime("y%Ym%md%d").to_string()
}

/// The days that are kept, and those that are to come, are there and no others.
async fn eventually_settled(scene: &Scene, kept: impl IntoIterator<Item = i32>) {
    let expected: BTreeSet<i32> = kept.into_iter().chain(0..=2).collect();
    let tables = expected.len() * 2;
    eventually(DEADLINE, || async {
        (days(scene).await == (expected.clone(), tables)).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_days_are_made_and_days_that_are_wholly_too_old_are_dropped() {
    let scene = Scene::start("days").await;
    for days_ago in [30, 5, 4, 3, 1] {
        make(&scene, days_ago).await;
    }
    let (mut projector, mut watched) = scene.project();
    eventually_settled(&scene, [-3, -1]).await;
    let kept = *watched.days.wait_for(|days| days.looked_at.is_some()).await.unwrap();
    assert_eq!(kept.dropped, 6);
    assert_eq!(kept.oldest, Some(today() - 3.days()));
    assert_eq!(kept.newest, Some(today() + 2.days()));
    projector.shut_down();
    projector.ended().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_goes_while_reads_go_on_and_somebody_reads_it_without_an_end() {
    let scene = Scene::start("days-read").await;
    make(&scene, 9).await;
    make(&scene, 0).await;
    let mut slow = scene.bed.postgres().await;
    let slow = slow.transaction().await.unwrap();
    slow.query("SELECT * FROM deliveries", &[]).await.unwrap();

    let reads = scene.meanwhile("SELECT count(*) FROM deliveries");
    let (mut projector, _watched) = scene.project();
    let half_detached = "SELECT FROM pg_inherits WHERE inhdetachpending";
    eventually(DEADLINE, || async {
        (!scene.sql.query(half_detached, &[]).await.unwrap().is_empty()).then_some(())
    })
    .await;
    // New rows are written to other days meanwhile.
    let delivery = accepted_ago(0);
    scene.whole_delivery(&delivery).await;
    scene.eventually_passed(3).await;
    assert_eq!(scene.count("deliveries").await, 1);
    slow.commit().await.unwrap();
    eventually_settled(&scene, []).await;
    let (longest, _) = reads.stop().await;
    assert!(longest.as_secs() < 2, "a read took {longest:?}");
    projector.shut_down();
    projector.ended().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_process_that_died_has_left_of_a_day_is_finished() {
    let scene = Scene::start("days-left").await;
    let [half, loose, kept] = [make(&scene, 9).await, make(&scene, 8).await, make(&scene, 1).await];
    let delivery = accepted_ago(24);
    let insert = "INSERT INTO deliveries (id, accepted_at, subscription_id, message_id, state, \
                  release, state_attempt) VALUES ($1, $2, $1, $1, 'pending', 0, 0)";
    scene.sql.execute(insert, &[&delivery.id.uuid(), &delivery.accepted_at]).await.unwrap();
    for (parent, day) in
        [("deliveries", &loose), ("delivery_attempts", &loose), ("deliveries", &kept)]
    {
        let detach = format!("ALTER TABLE {parent} DETACH PARTITION {parent}_{day}");
        scene.sql.batch_execute(&detach).await.unwrap();
    }
    // It waits for a reader, and is given up in the middle.
    let mut slow = scene.bed.postgres().await;
    let slow = slow.transaction().await.unwrap();
    slow.query("SELECT * FROM deliveries", &[]).await.unwrap();
    scene.sql.batch_execute("SET lock_timeout = '50ms'").await.unwrap();
    let detach = format!("ALTER TABLE deliveries DETACH PARTITION deliveries_{half} CONCURRENTLY");
    let given_up = scene.sql.batch_execute(&detach).await.unwrap_err();
    assert_eq!(given_up.code(), Some(&SqlState::LOCK_NOT_AVAILABLE));
    slow.commit().await.unwrap();
    scene.sql.batch_execute("SET lock_timeout = 0").await.unwrap();

    let (mut projector, _watched) = scene.project();
    eventually_settled(&scene, [-1]).await;
    scene.eventually_counted("deliveries", 1).await;
    projector.shut_down();
    projector.ended().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outcome_for_a_day_that_was_dropped_is_counted_and_makes_no_day() {
    let scene = Scene::start("days-late").await;
    let (mut projector, watched) = scene.project();
    let (old, fresh) = (accepted_ago(9 * 24), accepted_ago(0));
    let old = pipeline::delivery::Delivery { subscription_id: fresh.subscription_id, ..old };
    scene.delivery(&old).await;
    scene.outcome(&story::failed(&old)).await;
    scene.whole_delivery(&fresh).await;
    scene.eventually_passed(5).await;
    assert_eq!((scene.count("deliveries").await, scene.count("delivery_attempts").await), (1, 2));
    eventually_settled(&scene, []).await;
    assert_eq!(scene.count("projector_rejects").await, 0);
    // The offsets are committed a moment before they are counted.
    eventually(DEADLINE, || async { (watched.tally.of_dropped_days() == 2).then_some(()) }).await;
    assert_eq!((watched.tally.rejected(), watched.tally.oldest_unprojected_at()), (0, None));
    projector.shut_down();
    projector.ended().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lag_is_told_for_every_partition_also_while_nothing_is_written() {
    let scene = Scene::start("lag").await;
    let (mut projector, watched) = scene.project();
    let fresh = accepted_ago(0);
    scene.whole_delivery(&fresh).await;
    scene.eventually_passed(3).await;
    let held =
        scene.sql.batch_execute("BEGIN; LOCK TABLE projector_offsets IN EXCLUSIVE MODE").await;
    held.unwrap();
    scene.whole_delivery(&fresh).await;
    let mut lag = watched.lag.clone();
    let behind = lag.wait_for(|lag| lag.records.values().sum::<i64>() == 3);
    let behind = tokio::time::timeout(DEADLINE, behind).await.unwrap().unwrap().clone();
    assert_eq!(behind.records.len(), 4, "two topics of two partitions each: {behind:?}");
    let age =
        || watched.tally.oldest_unprojected_at().map(|at| Timestamp::now().duration_since(at));
    assert!(age().is_some_and(|age| age.as_secs() < 60), "{:?}", age());
    scene.sql.batch_execute("COMMIT").await.unwrap();
    let caught_up = lag.wait_for(|lag| lag.records.values().all(|records| *records == 0));
    tokio::time::timeout(DEADLINE, caught_up).await.unwrap().unwrap();
    assert_eq!(age(), None);
    projector.shut_down();
    projector.ended().await.unwrap();
}
