//! One idempotency key, however often it is sent, is one delivery.

use std::collections::HashSet;
use std::time::Duration;

use futures_util::future::join_all;
use kafka_loop::producer::{Message, Producer};
use pipeline::delivery::Delivery;
use test_bed::{Http, Receiver, TestBed, eventually};
use uuid::Uuid;

use crate::running::Hooklog;

const SOON: Duration = Duration::from_secs(30);
const CONNECTIONS: usize = 32;
const REQUESTS: usize = 1_000;

async fn send(http: &Http, url: &str, key: &str) -> String {
    let headers =
        [("content-type", "application/json"), ("x-event-type", "t"), ("idempotency-key", key)];
    let answer = http.post(url, &headers, r#"{"n":1}"#).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    answer.json()["deliveries"][0]["delivery_id"].as_str().expect("an id").to_owned()
}

/// The gateway forgets its answers at once, as if each request came to another gateway: what is
/// left are equal ids, and the consumer that has seen them.
#[tokio::test(flavor = "multi_thread")]
async fn one_key_a_thousand_times_at_gateways_that_share_nothing_is_one_delivery() {
    let bed = TestBed::start("one-key").await;
    let hooklog = Hooklog::start(&bed, &[("HOOKLOG_IDEMPOTENCY_CACHE", "1")]).await;
    let receiver = Receiver::start(|_| 200).await;
    let subscription = hooklog.subscribe(&receiver.url("/"), None).await;
    let url = format!("{}/v1/subscriptions/{subscription}/events", hooklog.base);
    let clients = (0..CONNECTIONS).map(|client| {
        let url = url.clone();
        tokio::spawn(async move {
            let http = Http::default();
            let mut ids = HashSet::new();
            for _ in (client..REQUESTS).step_by(CONNECTIONS) {
                ids.insert(send(&http, &url, "key").await);
            }
            ids
        })
    });
    let ids = join_all(clients).await.into_iter().flat_map(Result::unwrap);
    let ids: Vec<String> = ids.collect::<HashSet<_>>().into_iter().collect();
    let [id] = ids.as_slice() else { panic!("{ids:?}") };
    hooklog.status_once(id, "succeeded", SOON).await;

    // Whatever was sent before this one has been taken in when it arrives.
    let last = send(&hooklog.http, &url, "last").await;
    eventually(SOON, || async {
        receiver.calls().iter().any(|call| call.webhook_id() == last).then_some(())
    })
    .await;
    let calls: Vec<String> = receiver.calls().iter().map(|call| call.webhook_id()).collect();
    assert_eq!(calls.iter().filter(|called| *called == id).count(), 1);
    let records = bed.records(&bed.kafka().topics.deliveries()).await;
    let decode = |value: Option<bytes::Bytes>| Delivery::decode(value.unwrap()).unwrap().id;
    let written =
        records.into_iter().filter(|record| &decode(record.value.clone()).to_string() == id);
    assert!(written.count() > 1, "the test is about repeats, and there was none");
    let id: Uuid = id.parse().unwrap();
    let states = "SELECT state FROM deliveries WHERE id = $1";
    let rows = bed.postgres().await.query(states, &[&id]).await.unwrap();
    let states: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    assert_eq!(states, ["delivered"]);
}

/// What a scheduler or a front door leaves that dies between a produce and its commit, when the
/// consumer has changed in between.
#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_is_written_again_after_a_restart_of_the_consumer_is_delivered_once() {
    let bed = TestBed::start("written-again").await;
    let mut hooklog = Hooklog::start(&bed, &[]).await;
    let receiver = Receiver::start(|_| 200).await;
    let subscription = hooklog.subscribe(&receiver.url("/"), None).await;
    let url = format!("{}/v1/subscriptions/{subscription}/events", hooklog.base);
    let id = send(&hooklog.http, &url, "once").await;
    hooklog.status_once(&id, "succeeded", SOON).await;
    let (status, _) = hooklog.terminate();
    assert!(status.success(), "{status}");
    hooklog.kill_and_restart();
    hooklog.ready().await;

    let kafka = bed.kafka();
    let topic = kafka.topics.deliveries();
    let records = bed.records(&topic).await;
    let [record] = records.as_slice() else { panic!("{} records", records.len()) };
    let (key, value) = (record.key.clone().unwrap(), record.value.clone().unwrap());
    let again = Message { topic: &topic, key: &key, value: &value, headers: &[] };
    let written = Producer::new(&kafka, None).unwrap().write(again).await.unwrap();
    assert_eq!(written.partition, record.partition);

    // Its lane has taken in whatever was before it when this one is called.
    let last = send(&hooklog.http, &url, "last").await;
    eventually(SOON, || async {
        receiver.calls().iter().any(|call| call.webhook_id() == last).then_some(())
    })
    .await;
    let calls: Vec<String> = receiver.calls().iter().map(|call| call.webhook_id()).collect();
    assert_eq!(calls, [id, last]);
}
