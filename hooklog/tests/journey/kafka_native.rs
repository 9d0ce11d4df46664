//! Producers that write CloudEvents to `events` and speak no HTTP.

use std::collections::HashSet;
use std::time::Duration;

use futures_util::future::join_all;
use kafka_loop::producer::{Message, Producer};
use pipeline::dead_letter::{REASON_HEADER, SOURCE_HEADER};
use test_bed::{Receiver, TestBed, eventually};
use uuid::Uuid;

use crate::running::Hooklog;

const SOON: Duration = Duration::from_secs(20);

async fn produce(bed: &TestBed, headers: &[(&str, &str)], value: &[u8]) {
    let producer = Producer::new(&bed.kafka(), None).unwrap();
    let topic = bed.kafka().topics.events();
    let headers: Vec<(&str, &[u8])> =
        headers.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
    let message = Message { topic: &topic, key: b"order-1", value, headers: &headers };
    producer.write(message).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cloud_event_reaches_every_matching_subscription_and_has_a_status() {
    let bed = TestBed::start("native").await;
    let hooklog = Hooklog::start(&bed, &[]).await;
    let receiver = Receiver::start(|_| 200).await;
    for (path, types) in
        [("/all", "[]"), ("/below", r#"["order.*"]"#), ("/other", r#"["user.created"]"#)]
    {
        let body = format!(r#"{{"target_url":"{}","event_types":{types}}}"#, receiver.url(path));
        let url = format!("{}/subscriptions", hooklog.base);
        let answer = hooklog.http.post(&url, &[("content-type", "application/json")], body).await;
        assert_eq!(answer.status, 201, "{answer:?}");
    }
    let binary = [
        ("ce_specversion", "1.0"),
        ("ce_id", "1"),
        ("ce_source", "/shop"),
        ("ce_type", "order.created"),
        ("ce_subject", "\u{20ac} 5"),
        ("content-type", "application/octet-stream"),
    ];
    let data = b"any bytes \0\xff";
    produce(&bed, &binary, data).await;

    eventually(SOON, || async { (receiver.count() == 2).then_some(()) }).await;
    let calls = receiver.calls();
    let paths: HashSet<&str> = calls.iter().map(|call| call.path.as_str()).collect();
    assert_eq!(paths, HashSet::from(["/all", "/below"]));
    for call in &calls {
        assert_eq!(call.body, data[..]);
        assert_eq!(call.header("content-type"), "application/octet-stream");
        assert_eq!(call.header("ce-type"), "order.created");
        assert_eq!(call.header("ce-source"), "/shop");
        assert_eq!(call.header("ce-subject"), "%E2%82%AC%205");
        hooklog.status_once(&call.webhook_id(), "succeeded", SOON).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_structured_event_that_names_a_subscription_reaches_that_one_alone() {
    let bed = TestBed::start("addressed").await;
    let hooklog = Hooklog::start(&bed, &[]).await;
    let receiver = Receiver::start(|_| 200).await;
    let one = hooklog.subscribe(&receiver.url("/one"), None).await;
    hooklog.subscribe(&receiver.url("/two"), None).await;
    let document = format!(
        r#"{{"specversion":"1.0","id":"1","source":"/s","type":"t","subscription":"{one}",
            "datacontenttype":"application/json","data":{{"n": 1.0}}}}"#
    );
    produce(&bed, &[("content-type", "application/cloudevents+json")], document.as_bytes()).await;
    // A second event to all shows that the first one has passed.
    let all = r#"{"specversion":"1.0","id":"2","source":"/s","type":"t","data":1}"#;
    produce(&bed, &[("content-type", "application/cloudevents+json")], all.as_bytes()).await;

    eventually(SOON, || async { (receiver.count() == 3).then_some(()) }).await;
    let calls = receiver.calls();
    let bodies = |path: &str| -> HashSet<Vec<u8>> {
        calls.iter().filter(|call| call.path == path).map(|call| call.body.to_vec()).collect()
    };
    assert_eq!(bodies("/one"), HashSet::from([br#"{"n": 1.0}"#.to_vec(), b"1".to_vec()]));
    assert_eq!(bodies("/two"), HashSet::from([b"1".to_vec()]));
    assert!(calls.iter().all(|call| call.header("ce-subscription").is_empty()));
}

const EVENT: [(&str, &str); 4] =
    [("ce_specversion", "1.0"), ("ce_id", "1"), ("ce_source", "/shop"), ("ce_type", "paid")];
/// Comes after everything else.
const LAST: [(&str, &str); 4] =
    [("ce_specversion", "1.0"), ("ce_id", "last"), ("ce_source", "/shop"), ("ce_type", "paid")];

/// Waits until the front door has made that many deliveries, lets a last event pass behind them
/// and all of them be projected, and ends the process, which lets running calls end. Returns how
/// many outcomes there are, but for the one that delivered the last event.
async fn outcomes_of(
    bed: &TestBed,
    mut hooklog: Hooklog,
    receiver: &Receiver,
    made: usize,
) -> usize {
    let topics = bed.kafka().topics;
    let deliveries = topics.deliveries();
    eventually(SOON, || async { (bed.records(&deliveries).await.len() == made).then_some(()) })
        .await;
    produce(bed, &LAST, b"last").await;
    let last = eventually(SOON, || async {
        receiver.calls().into_iter().find(|call| call.header("ce-id") == "last")
    })
    .await;
    hooklog.status_once(&last.webhook_id(), "succeeded", SOON).await;
    let projected = "SELECT sum(next_offset)::bigint FROM projector_offsets WHERE topic = $1";
    let postgres = bed.postgres().await;
    eventually(SOON, || async {
        let projected: i64 = postgres.query_one(projected, &[&deliveries]).await.unwrap().get(0);
        (projected > made as i64).then_some(())
    })
    .await;
    assert!(hooklog.terminate().0.success());
    bed.records(&topics.outcomes()).await.len() - 1
}

/// The state and the number of attempts of each row with that id.
async fn rows_of(bed: &TestBed, webhook_id: &str) -> Vec<(String, i32)> {
    let rows = "SELECT state, attempts FROM deliveries WHERE id = $1";
    let id: Uuid = webhook_id.parse().unwrap();
    let rows = bed.postgres().await.query(rows, &[&id]).await.unwrap();
    rows.iter().map(|row| (row.get(0), row.get(1))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_is_written_a_hundred_times_is_one_call_and_one_row() {
    let bed = TestBed::start("hundred").await;
    let hooklog = Hooklog::start(&bed, &[]).await;
    // Slow enough for repeats to come while the call is under way, and after it.
    let receiver = Receiver::start_slow(|_| (Duration::from_millis(50), 200)).await;
    hooklog.subscribe(&receiver.url("/"), None).await;
    let producers = (0..4).map(|_| async {
        for _ in 0..25 {
            produce(&bed, &EVENT, b"data").await;
        }
    });
    join_all(producers).await;
    let webhook_id = eventually(SOON, || async { receiver.calls().pop() }).await.webhook_id();
    hooklog.status_once(&webhook_id, "succeeded", SOON).await;

    assert_eq!(outcomes_of(&bed, hooklog, &receiver, 100).await, 1);
    let calls = receiver.calls();
    assert_eq!(calls.len(), 2, "one for the event, one for the last");
    assert_eq!(rows_of(&bed, &webhook_id).await, [("delivered".to_owned(), 1)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_goes_through_while_its_event_is_repeated() {
    let bed = TestBed::start("repeated").await;
    let retries = [("CELERY_MAX_RETRIES", "3"), ("CELERY_BASE_RETRY_DELAY_SECONDS", "1")];
    let hooklog = Hooklog::start(&bed, &retries).await;
    let receiver = Receiver::start(|call| if call.number == 1 { 500 } else { 200 }).await;
    hooklog.subscribe(&receiver.url("/"), None).await;
    produce(&bed, &EVENT, b"data").await;
    let webhook_id = eventually(SOON, || async { receiver.calls().pop() }).await.webhook_id();
    // These come before the retry, and those after it.
    for _ in 0..5 {
        produce(&bed, &EVENT, b"data").await;
    }
    hooklog.status_once(&webhook_id, "succeeded", SOON).await;
    for _ in 0..5 {
        produce(&bed, &EVENT, b"data").await;
    }

    // The first, its repeats, and the release of the retry. The last event fails once, too.
    assert_eq!(outcomes_of(&bed, hooklog, &receiver, 12).await, 3);
    let of_event = receiver.calls().iter().filter(|call| call.webhook_id() == webhook_id).count();
    assert_eq!(of_event, 2);
    assert_eq!(rows_of(&bed, &webhook_id).await, [("delivered".to_owned(), 2)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_event_is_dead_lettered_with_its_bytes_and_headers() {
    let bed = TestBed::start("no-event").await;
    let _hooklog = Hooklog::start(&bed, &[]).await;
    produce(&bed, &[("ce_specversion", "1.0"), ("ce_id", "1")], b"\xff").await;
    let topics = bed.kafka().topics;
    let letters = eventually(SOON, || async {
        let letters = bed.records(&topics.dead_letters()).await;
        (!letters.is_empty()).then_some(letters)
    })
    .await;
    assert_eq!(letters[0].value.as_ref().unwrap(), &b"\xff"[..]);
    assert_eq!(letters[0].header(REASON_HEADER).unwrap(), "poison");
    assert_eq!(letters[0].header("ce_id").unwrap(), "1");
    let source = letters[0].header(SOURCE_HEADER).unwrap();
    assert!(source.starts_with(topics.events().as_bytes()), "{source:?}");
}
