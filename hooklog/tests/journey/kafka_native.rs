//! Producers that write CloudEvents to `events` and speak no HTTP.

use std::collections::HashSet;
use std::time::Duration;

use kafka_loop::producer::{Message, Producer};
use pipeline::dead_letter::{REASON_HEADER, SOURCE_HEADER};
use test_bed::{Receiver, TestBed, eventually};

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
