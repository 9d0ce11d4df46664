//! What an operator does about deliveries: again, no more, and many of them again.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use http::Method;
use jiff::Timestamp;
use pipeline::delivery::Delivery;
use serde_json::{Value, json};
use test_bed::{Receiver, TestBed, eventually};
use uuid::Uuid;

use crate::running::Hooklog;

const SOON: Duration = Duration::from_secs(30);
/// A gateway takes over what a killed one was working on when its lease has ended.
const TAKEN_OVER: Duration = Duration::from_secs(90);
const JSON: (&str, &str) = ("content-type", "application/json");

/// Speaks to `/v1{path}`; the answer is a success.
async fn v1(hooklog: &Hooklog, method: Method, path: &str, body: Value) -> Value {
    let url = format!("{}/v1{path}", hooklog.base);
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let answer = hooklog.http.try_send(method, &url, &[JSON], body).await.expect("an answer");
    assert!(answer.status.is_success(), "{path}: {answer:?}");
    answer.json()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_that_is_retried_arrives_with_the_webhook_id_that_it_had() {
    let bed = TestBed::start("retried").await;
    let hooklog = Hooklog::start(&bed, &[("CELERY_MAX_RETRIES", "1")]).await;
    let receiver = Receiver::start(|call| if call.number == 1 { 500 } else { 200 }).await;
    let subscription = hooklog.subscribe(&receiver.url("/"), None).await;
    let url = format!("{}/v1/subscriptions/{subscription}/events", hooklog.base);
    let event =
        [JSON, ("ce-specversion", "1.0"), ("ce-id", "7"), ("ce-source", "/shop"), ("ce-type", "a")];
    let taken = hooklog.http.post(&url, &event, "{\"n\": 1.50}".to_owned()).await;
    let first = taken.json()["deliveries"][0]["delivery_id"].as_str().unwrap().to_owned();
    hooklog.status_once(&first, "failed", SOON).await;

    let path = format!("/deliveries/{first}/retry");
    let retried = v1(&hooklog, Method::POST, &path, Value::Null).await;
    let again = retried["id"].as_str().unwrap();
    hooklog.status_once(again, "succeeded", SOON).await;
    let calls = receiver.calls();
    assert_eq!(calls.len(), 2);
    assert_eq!((calls[1].webhook_id(), &calls[1].body), (first.clone(), &calls[0].body));
    for header in ["ce-id", "ce-source", "ce-type", "content-type"] {
        assert_eq!(calls[1].header(header), calls[0].header(header), "{header}");
    }
    let shown = v1(&hooklog, Method::GET, &format!("/deliveries/{again}"), Value::Null).await;
    assert_eq!((&shown["replay_of"], &shown["message_id"]), (&json!(first), &json!(first)));
    let original = v1(&hooklog, Method::GET, &format!("/deliveries/{first}"), Value::Null).await;
    assert_eq!(original["status"], "dead_lettered");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retrying_delivery_that_is_cancelled_ends_so_and_its_receiver_is_not_called_again() {
    let bed = TestBed::start("cancelled").await;
    let retries = [("CELERY_MAX_RETRIES", "9"), ("CELERY_BASE_RETRY_DELAY_SECONDS", "3")];
    let hooklog = Hooklog::start(&bed, &retries).await;
    let receiver = Receiver::start(|_| 500).await;
    let subscription = hooklog.subscribe(&receiver.url("/"), None).await;
    let id = hooklog.ingest(&subscription, None, r#"{"payload":{}}"#).await;
    let path = format!("/deliveries/{id}");
    eventually(SOON, || async {
        let shown = v1(&hooklog, Method::GET, &path, Value::Null).await;
        (shown["status"] == "retrying").then_some(())
    })
    .await;
    v1(&hooklog, Method::POST, &format!("{path}/cancel"), Value::Null).await;
    let calls = receiver.count();
    let ended = eventually(SOON, || async {
        let shown = v1(&hooklog, Method::GET, &path, Value::Null).await;
        (shown["status"] != "retrying").then_some(shown)
    })
    .await;
    assert_eq!(
        (&ended["status"], &ended["reason"], &ended["attempts"]),
        (&json!("cancelled"), &json!("cancel_requested"), &json!(calls))
    );
    assert_eq!(receiver.count(), calls);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_to_another_subscription_makes_each_delivery_once_though_its_gateway_is_killed() {
    const EVENTS: usize = 150;
    let bed = TestBed::start("replayed").await;
    let mut hooklog = Hooklog::start(&bed, &[("CELERY_MAX_RETRIES", "1")]).await;
    // An answer that opens no breaker, so that all of them are given up at once.
    let broken = Receiver::start(|_| 404).await;
    let subscription = hooklog.subscribe(&broken.url("/"), None).await;
    let from = Timestamp::now();
    let mut sent = HashSet::new();
    for n in 0..EVENTS {
        let body = format!(r#"{{"payload":{{"n":{n}}}}}"#);
        sent.insert(hooklog.ingest(&subscription, None, &body).await);
    }
    let postgres = bed.postgres().await;
    let dead = "SELECT count(*) FROM deliveries WHERE state = 'dead_lettered'";
    eventually(TAKEN_OVER, || async {
        let count: i64 = postgres.query_one(dead, &[]).await.unwrap().get(0);
        (count == EVENTS as i64).then_some(())
    })
    .await;

    let mended = Receiver::start_slow(|_| (Duration::from_millis(100), 200)).await;
    let other = hooklog.subscribe(&mended.url("/"), None).await;
    let body = json!({ "from": from, "to": Timestamp::now(), "to_subscription_id": other });
    let replay = v1(&hooklog, Method::POST, "/replays", body).await;
    let path = format!("/replays/{}", replay["id"].as_str().unwrap());
    eventually(SOON, || async { (mended.count() >= 10).then_some(()) }).await;
    hooklog.kill_and_restart();
    let noted = "SELECT published FROM replays";
    let noted: i64 = postgres.query_one(noted, &[]).await.unwrap().get(0);
    assert!(noted < EVENTS as i64, "it was over before the kill");
    hooklog.ready().await;

    let done = eventually(TAKEN_OVER, || async {
        let shown = v1(&hooklog, Method::GET, &path, Value::Null).await;
        (shown["state"] != "running").then_some(shown)
    })
    .await;
    for field in ["total", "published", "finished", "delivered"] {
        assert_eq!(done[field], json!(EVENTS), "{field}: {done}");
    }
    // By the rows, by the log, and by what the receiver saw.
    let sql = "SELECT replay_of, state FROM deliveries WHERE replay_of IS NOT NULL";
    let rows = postgres.query(sql, &[]).await.unwrap();
    let repeated: HashSet<String> =
        rows.iter().map(|row| row.get::<_, Uuid>(0).to_string()).collect();
    assert_eq!((rows.len(), &repeated), (EVENTS, &sent));
    let mut written: HashMap<_, usize> = HashMap::new();
    for record in bed.records(&bed.kafka().topics.deliveries()).await {
        let delivery = Delivery::decode(record.value.unwrap()).unwrap();
        if delivery.replay_of.is_some() && delivery.release == 0 {
            *written.entry(delivery.id).or_default() += 1;
        }
    }
    assert_eq!((written.len(), written.values().max()), (EVENTS, Some(&1)));
    let seen: HashSet<_> = mended.calls().iter().map(|call| call.webhook_id()).collect();
    assert_eq!(seen, sent);
}
