//! Replays. Nothing delivers here and nothing projects: the tests write the rows.

use std::collections::HashMap;

use axum::http::Method;
use jiff::Timestamp;
use pipeline::delivery::Delivery;
use serde_json::{Value, json};
use test_bed::{Answer, eventually};
use tokio_postgres::Client;
use uuid::Uuid;

use super::own_subscription::{create, problem};
use crate::projected::AT;
use crate::running::{PATIENCE, Running};

const PATH: &str = "/v1/replays";

/// Dead letters of `subscription`, one for each number, a second apart from [`AT`] on; of type
/// `t.<last digit>`.
async fn add_dead(postgres: &Client, subscription: &str, count: i32) {
    let sql = "INSERT INTO deliveries (id, accepted_at, subscription_id, message_id, event_type, \
                   content_type, payload, state, release, state_attempt) \
               SELECT gen_random_uuid(), $1::timestamptz + n * interval '1 second', $2, \
                   gen_random_uuid(), 't.' || n % 10, 'application/json', \
                   convert_to('{\"n\":' || n || '}', 'UTF8'), 'dead_lettered', 0, 1 \
               FROM generate_series(0, $3 - 1) AS n";
    postgres.batch_execute("SELECT create_delivery_partitions('2026-03-04')").await.unwrap();
    let (at, subscription): (Timestamp, Uuid) =
        (AT.parse().unwrap(), subscription.parse().unwrap());
    postgres.execute(sql, &[&at, &subscription, &count]).await.unwrap();
}

async fn post(gateway: &Running, body: Value) -> Answer {
    gateway.send_json(Method::POST, PATH, &[], body.to_string()).await
}

/// Begins a replay of the day of [`AT`], with these fields beside.
async fn begin(gateway: &Running, fields: Value) -> Value {
    let mut body = json!({"from": "2026-03-04T00:00:00Z", "to": "2026-03-05T00:00:00Z"});
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    let answer = post(gateway, body).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let replay = answer.json();
    let path = format!("{PATH}/{}", replay["id"].as_str().unwrap());
    assert_eq!(answer.headers["location"], path);
    assert_eq!(gateway.get(&path).await.json()["id"], replay["id"]);
    replay
}

async fn read(gateway: &Running, replay: &Value) -> Value {
    gateway.get(&format!("{PATH}/{}", replay["id"].as_str().unwrap())).await.json()
}

/// Projects what is in `deliveries`, as if each had come to `state`.
async fn project(gateway: &Running, postgres: &Client, state: &str) -> Vec<Delivery> {
    let records = gateway.deliveries().await;
    let sql = "INSERT INTO deliveries (id, accepted_at, subscription_id, message_id, state, \
                   release, state_attempt, replay_of) VALUES ($1, $2, $3, $4, $5, 0, 1, $6) \
               ON CONFLICT DO NOTHING";
    let mut made = Vec::new();
    for (_, delivery) in records {
        let day = "SELECT create_delivery_partitions(($1::timestamptz AT TIME ZONE 'UTC')::date)";
        postgres.execute(day, &[&delivery.accepted_at]).await.unwrap();
        let [id, subscription, message] =
            [delivery.id.uuid(), delivery.subscription_id.uuid(), delivery.message_id.uuid()];
        let replay_of = delivery.replay_of.map(|id| id.uuid());
        postgres
            .execute(
                sql,
                &[&id, &delivery.accepted_at, &subscription, &message, &state, &replay_of],
            )
            .await
            .unwrap();
        made.push(delivery);
    }
    made
}

/// The projection has everything.
async fn catch_up(gateway: &Running, postgres: &Client) {
    let sql = "INSERT INTO projector_offsets (topic, partition, next_offset) \
               SELECT $1, n, 100000 FROM generate_series(0, 1) AS n ON CONFLICT DO NOTHING";
    let topic = gateway.bed.kafka().topics.deliveries();
    postgres.execute(sql, &[&topic]).await.unwrap();
}

/// Projects until the replay is done, and returns it and what was written.
async fn until_done(
    gateway: &Running,
    postgres: &Client,
    replay: &Value,
) -> (Value, Vec<Delivery>) {
    eventually(PATIENCE, async || {
        let made = project(gateway, postgres, "delivered").await;
        let replay = read(gateway, replay).await;
        (replay["state"] != "running").then_some((replay, made))
    })
    .await
}

/// Each original once.
fn originals(made: &[Delivery]) -> HashMap<Uuid, &Delivery> {
    let by_original: HashMap<Uuid, &Delivery> =
        made.iter().map(|made| (made.replay_of.unwrap().uuid(), made)).collect();
    let distinct: std::collections::HashSet<_> = made.iter().map(|made| made.id).collect();
    assert_eq!((by_original.len(), distinct.len()), (made.len(), made.len()));
    by_original
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_makes_each_delivery_of_its_range_anew_once_and_counts_how_they_end() {
    let gateway = Running::start("v1-replay", &[]).await;
    let postgres = gateway.bed.postgres().await;
    let [subscription, deleted] =
        [gateway.subscribe(None, &["order.*"]).await, gateway.subscribe(None, &[]).await];
    add_dead(&postgres, &subscription, 70).await;
    add_dead(&postgres, &deleted, 3).await;
    gateway.send(Method::DELETE, &format!("/v1/subscriptions/{deleted}"), "").await;
    // The first ten are not in the range, ten have been delivered, and two are not stored.
    let rest = "UPDATE deliveries SET state = 'delivered' WHERE payload >= '{\"n\":60'; \
                UPDATE deliveries SET payload = NULL WHERE payload IN ('{\"n\":40}', '{\"n\":41}')";
    postgres.batch_execute(rest).await.unwrap();
    let from = "2026-03-04T05:06:17.000008Z";
    let replay = begin(&gateway, json!({"from": from, "description": "after the outage"})).await;
    assert_eq!(replay["state"], "running");
    assert_eq!(replay["status"], json!(["dead_lettered"]));
    assert_eq!(
        (&replay["from"], &replay["description"]),
        (&json!(from), &json!("after the outage"))
    );

    let (done, made) = until_done(&gateway, &postgres, &replay).await;
    let total = 50_i64;
    assert_eq!((&done["state"], &done["error"]), (&json!("done"), &Value::Null), "{done}");
    assert_eq!((&done["total"], &done["skipped"]), (&json!(total), &json!(2)));
    let written = total - 2;
    for field in ["published", "finished", "delivered"] {
        assert_eq!(done[field], json!(written), "{field}");
    }
    assert_eq!(done["dead_lettered"], 0);
    assert!(done["ended_at"].is_string());
    let by_original = originals(&made);
    assert_eq!(by_original.len() as i64, written);
    let sql = "SELECT id, message_id, payload FROM deliveries \
               WHERE state = 'dead_lettered' AND payload IS NOT NULL AND accepted_at >= $1";
    let from: Timestamp = from.parse().unwrap();
    for row in postgres.query(sql, &[&from]).await.unwrap() {
        let made = by_original[&row.get::<_, Uuid>(0)];
        assert_eq!(made.message_id.uuid(), row.get::<_, Uuid>(1));
        assert_eq!(made.body, row.get::<_, Vec<u8>>(2));
        assert_eq!(made.subscription_id.to_string(), subscription);
    }
    let left: i64 =
        postgres.query_one("SELECT count(*) FROM replay_deliveries", &[]).await.unwrap().get(0);
    assert_eq!(left, 0);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_to_another_subscription_asks_that_ones_filter() {
    let gateway = Running::start("v1-replay-to", &[]).await;
    let postgres = gateway.bed.postgres().await;
    let [first, second] = [Uuid::new_v4().to_string(), Uuid::new_v4().to_string()];
    add_dead(&postgres, &first, 40).await;
    add_dead(&postgres, &second, 5).await;
    let other = create(
        &gateway,
        json!({"event_types": ["t.1", "t.2"], "filter": {"jsonpath": "$[?@.n > 20]"}}),
    )
    .await;
    let fields = json!({"to_subscription_id": other["id"], "subscription_id": first});
    let replay = begin(&gateway, fields).await;
    let (done, made) = until_done(&gateway, &postgres, &replay).await;
    assert_eq!((&done["state"], &done["total"]), (&json!("done"), &json!(40)));
    assert_eq!((&done["published"], &done["skipped"]), (&json!(4), &json!(36)));
    assert_eq!(originals(&made).len(), 4);
    assert!(made.iter().all(|made| other["id"] == made.subscription_id.to_string()));
    let mut bodies: Vec<_> = made.iter().map(|made| made.body.to_vec()).collect();
    bodies.sort();
    assert_eq!(bodies, [b"{\"n\":21}", b"{\"n\":22}", b"{\"n\":31}", b"{\"n\":32}"]);

    let replay = begin(&gateway, json!({"event_type": "t.3", "subscription_id": second})).await;
    let (done, _) = until_done(&gateway, &postgres, &replay).await;
    // Its subscription was never there.
    assert_eq!((&done["total"], &done["skipped"]), (&json!(1), &json!(1)));
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn few_are_on_their_way_while_none_ends_and_another_gateway_goes_on_without_repeating_any() {
    let gateway = Running::start("v1-replay-resume", &[]).await;
    let bed = gateway.bed.clone();
    let postgres = bed.postgres().await;
    let subscription = gateway.subscribe(None, &[]).await;
    add_dead(&postgres, &subscription, 100).await;
    let replay = begin(&gateway, json!({})).await;
    eventually(PATIENCE, async || {
        let published = read(&gateway, &replay).await["published"].as_i64().unwrap();
        assert!(published <= 20, "{published} are on their way");
        (published == 20).then_some(())
    })
    .await;
    project(&gateway, &postgres, "pending").await;
    gateway.stop().await;
    // As if it had been killed between the broker's answer and the note of it, and before the
    // records of some others.
    let sql = "UPDATE replay_deliveries SET published = false; \
               UPDATE replays SET published = 0, leased_until = now() + interval '1 second'";
    postgres.batch_execute(sql).await.unwrap();

    let gateway = Running::start_in(bed, &[]);
    eventually(PATIENCE, async || gateway.is_ready().then_some(())).await;
    // It does nothing before the projection has everything.
    catch_up(&gateway, &postgres).await;
    eventually(PATIENCE, async || {
        let published = read(&gateway, &replay).await["published"].as_i64().unwrap();
        (published == 20).then_some(())
    })
    .await;
    postgres
        .execute("UPDATE deliveries SET state = 'dead_lettered' WHERE state = 'pending'", &[])
        .await
        .unwrap();
    let (done, made) = until_done(&gateway, &postgres, &replay).await;
    assert_eq!(originals(&made).len(), 100);
    for (field, count) in [
        ("total", 100),
        ("published", 100),
        ("finished", 100),
        ("dead_lettered", 20),
        ("delivered", 80),
    ] {
        assert_eq!(done[field], json!(count), "{field}: {done}");
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_is_cancelled_once_and_fails_when_where_it_goes_is_deleted() {
    let gateway = Running::start("v1-replay-ends", &[]).await;
    let postgres = gateway.bed.postgres().await;
    let subscription = gateway.subscribe(None, &[]).await;
    add_dead(&postgres, &subscription, 100).await;
    let replay = begin(&gateway, json!({})).await;
    let path = format!("{PATH}/{}/cancel", replay["id"].as_str().unwrap());
    eventually(PATIENCE, async || (read(&gateway, &replay).await["published"] == 20).then_some(()))
        .await;
    let cancelled = gateway.post(&path, "").await;
    assert_eq!(cancelled.status, 200, "{cancelled:?}");
    assert_eq!(cancelled.json()["state"], "cancelled");
    assert_eq!(problem(&gateway.post(&path, "").await), (409, "already_ended".to_owned()));

    let other = gateway.subscribe(None, &[]).await;
    let replay = begin(&gateway, json!({"to_subscription_id": other})).await;
    gateway.send(Method::DELETE, &format!("/v1/subscriptions/{other}"), "").await;
    let failed = eventually(PATIENCE, async || {
        project(&gateway, &postgres, "delivered").await;
        let replay = read(&gateway, &replay).await;
        (replay["state"] != "running").then_some(replay)
    })
    .await;
    assert_eq!(failed["state"], "failed");
    assert_eq!(failed["error"], "The subscription that it goes to was deleted.");
    // What the first one had on its way is forgotten once its worker's lease is over.
    for missing in [Uuid::new_v4().to_string(), "x".to_owned()] {
        for answer in [
            gateway.get(&format!("{PATH}/{missing}")).await,
            gateway.post(&format!("{PATH}/{missing}/cancel"), "").await,
        ] {
            assert_eq!(problem(&answer), (404, "replay_not_found".to_owned()));
        }
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn replays_are_listed_newest_first_and_a_body_that_cannot_be_taken_is_told_why() {
    let gateway = Running::start("v1-replay-list", &[]).await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.insert(0, begin(&gateway, json!({})).await["id"].clone());
    }
    let (mut listed, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = gateway.get(&format!("{PATH}/?limit=2{cursor}")).await.json();
        listed.extend(page["data"].as_array().unwrap().iter().map(|replay| replay["id"].clone()));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(listed, ids);
    // The end of the range is no later than its making.
    let replay = begin(&gateway, json!({"to": "2100-01-01T00:00:00Z"})).await;
    assert_eq!(replay["to"], replay["created_at"]);
    for (body, at) in [
        (json!({"to": "2026-03-05T00:00:00Z"}), "/from"),
        (json!({"from": "2026-03-05T00:00:00Z", "to": "2026-03-05T00:00:00Z"}), "/from"),
        (
            json!({"from": "2026-03-04T00:00:00Z", "to": "2026-03-05T00:00:00Z",
                   "to_subscription_id": Uuid::new_v4()}),
            "/to_subscription_id",
        ),
    ] {
        let answer = post(&gateway, body).await;
        assert_eq!(problem(&answer), (422, "invalid_fields".to_owned()));
        assert_eq!(answer.json()["errors"][0]["pointer"], at);
    }
    let answer = gateway.get(&format!("{PATH}?limit=0")).await;
    assert_eq!(problem(&answer), (400, "invalid_query".to_owned()));
    gateway.stop().await;
}
