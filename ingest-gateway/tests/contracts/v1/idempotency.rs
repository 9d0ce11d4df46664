//! One key, one event.

use std::collections::HashSet;
use std::sync::Arc;

use futures_util::future::join_all;
use serde_json::Value;
use test_bed::{Answer, Http};

use crate::running::Running;

const CONNECTIONS: usize = 32;
const REQUESTS: usize = 1_000;

async fn send(http: &Http, url: &str, key: &str, event_type: &str, body: &str) -> Answer {
    let headers = [
        ("Content-Type", "application/json"),
        ("X-Event-Type", event_type),
        ("Idempotency-Key", key),
    ];
    http.post(url, &headers, body.to_owned()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_sent_a_thousand_times_at_once_is_one_record_and_one_answer() {
    let gateway = Running::start("v1-thousand", &[]).await;
    let id = gateway.subscribe(None, &[]).await;
    let urls = ["/v1/events".to_owned(), format!("/v1/subscriptions/{id}/events")];
    for url in urls.map(|path| Arc::new(gateway.url(&path))) {
        let clients = (0..CONNECTIONS).map(|client| {
            let url = url.clone();
            tokio::spawn(async move {
                let http = Http::default();
                let mut answers = HashSet::new();
                for _ in (client..REQUESTS).step_by(CONNECTIONS) {
                    let answer = send(&http, &url, "key-1", "t", r#"{"n":1}"#).await;
                    assert_eq!(answer.status, 202, "{answer:?}");
                    answers.insert(answer.body);
                }
                answers
            })
        });
        let answers = join_all(clients).await.into_iter().flat_map(Result::unwrap);
        assert_eq!(answers.collect::<HashSet<_>>().len(), 1);
    }
    let events = gateway.bed.records(&gateway.bed.kafka().topics.events()).await;
    assert_eq!(events.len(), 1);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_event_under_a_known_key_is_422_and_another_gateway_gives_the_same_ids() {
    let gateway = Running::start("v1-key", &[]).await;
    let id = gateway.subscribe(None, &[]).await;
    let other = Running::start_in(gateway.bed.clone(), &[]);
    let path = format!("/v1/subscriptions/{id}/events");
    let publish = async |gateway: &Running, key, event_type, body| {
        send(&gateway.http, &gateway.url(&path), key, event_type, body).await
    };
    let first = publish(&gateway, "k", "t", "1").await.json();
    for (event_type, body) in [("t", "2"), ("T", "1")] {
        let answer = publish(&gateway, "k", event_type, body).await;
        assert_eq!(answer.status, 422);
        assert_eq!(answer.json()["code"], "idempotency_key_reused");
    }
    let ready = test_bed::eventually(crate::running::PATIENCE, async || {
        let answer = publish(&other, "k", "t", "1").await;
        (answer.status == 202).then(|| answer.json())
    });
    assert_eq!(ready.await, first);
    let elsewhere: Value = publish(&gateway, "k2", "t", "1").await.json();
    assert_ne!(elsewhere["event_id"], first["event_id"]);

    // In a batch the key is each item's, with its place; an item's own goes before it.
    let lines = "{\"event_type\":\"t\",\"data\":1}\n{\"event_type\":\"t\",\"data\":1}\n\
                 {\"event_type\":\"t\",\"data\":1,\"idempotency_key\":\"k\"}";
    let headers = [("Content-Type", "application/x-ndjson"), ("Idempotency-Key", "batch")];
    let mut ids = HashSet::new();
    for _ in 0..2 {
        let answer = gateway.http.post(&gateway.url(&path), &headers, lines).await.json();
        for result in answer["results"].as_array().unwrap() {
            ids.insert(result["event_id"].as_str().unwrap().to_owned());
        }
    }
    assert_eq!(ids.len(), 3);
    assert!(ids.contains(first["event_id"].as_str().unwrap()));
    gateway.stop().await;
    other.stop().await;
}
