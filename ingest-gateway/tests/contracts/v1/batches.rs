//! Many events in one request.

use serde_json::{Value, json};
use test_bed::Answer;

use crate::running::Running;

const LINES: (&str, &str) = ("Content-Type", "application/x-ndjson");
const JSON: (&str, &str) = ("Content-Type", "application/json");
const TYPE: (&str, &str) = ("X-Event-Type", "t");

async fn post(gateway: &Running, id: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let url = gateway.url(&format!("/v1/subscriptions/{id}/events"));
    gateway.http.post(&url, headers, body.to_owned()).await
}

fn statuses(answer: &Answer) -> Vec<String> {
    let word = |result: &Value| match result["code"].as_str() {
        Some(code) => code.to_owned(),
        None => result["status"].as_str().unwrap().to_owned(),
    };
    answer.json()["results"].as_array().unwrap().iter().map(word).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_item_has_its_result_and_a_bad_one_does_not_spoil_the_others() {
    let gateway = Running::start("v1-batch", &[("HOOKLOG_MAX_BODY", "1KiB")]).await;
    let id = gateway.subscribe(None, &["t"]).await;
    let items = [
        r#"{"event_type":"t","data":{"n": 1}}"#.to_owned(),
        "{\"event_type\":\"t\",".to_owned(),
        r#"{"event_type":"other","data":2}"#.to_owned(),
        r#"{"specversion":"1.0","id":"1","source":"/s","type":"t","data":3}"#.to_owned(),
        format!(r#"{{"event_type":"t","data":"{}"}}"#, "x".repeat(2_000)),
        r#"{"event_type":"t"}"#.to_owned(),
        r#"{"event_type":"t","data":4}"#.to_owned(),
    ];
    let expected = [
        "accepted",
        "malformed_json",
        "filtered",
        "accepted",
        "payload_too_large",
        "invalid_event",
        "accepted",
    ];
    let answer = post(&gateway, &id, &[LINES], &items.join("\r\n")).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    assert_eq!(statuses(&answer), expected);
    let counts = ["accepted", "filtered", "rejected"].map(|name| answer.json()[name].clone());
    assert_eq!(counts, [json!(3), json!(1), json!(3)]);
    for (index, result) in answer.json()["results"].as_array().unwrap().iter().enumerate() {
        assert_eq!(result["index"], index);
    }

    // In an array a broken item ends the batch, for where it ends nobody knows.
    let in_array = format!("[{}, {}, {}", items[0], items[3], items[1]);
    let answer = post(&gateway, &id, &[JSON], &in_array).await;
    assert_eq!(statuses(&answer), ["accepted", "accepted", "malformed_json"]);
    let whole = format!(" [{},{}]", items[0], items[2]);
    assert_eq!(statuses(&post(&gateway, &id, &[JSON], &whole).await), ["accepted", "filtered"]);

    let bodies: Vec<_> = gateway.deliveries().await.into_iter().map(|(_, d)| d.body).collect();
    let n = r#"{"n": 1}"#;
    assert_eq!(bodies, [n, "3", "4", n, n]);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_type_in_the_header_each_line_is_a_body() {
    let gateway = Running::start("v1-lines", &[]).await;
    let id = gateway.subscribe(None, &[]).await;
    let answer = post(&gateway, &id, &[LINES, TYPE], "{\"a\": 1}\n[2]\n\"3\"").await;
    assert_eq!(statuses(&answer), ["accepted"; 3]);
    let all = gateway.deliveries().await;
    let bodies: Vec<_> = all.iter().map(|(_, delivery)| delivery.body.clone()).collect();
    assert_eq!(bodies, ["{\"a\": 1}", "[2]", "\"3\""]);
    assert!(all.iter().all(|(_, delivery)| delivery.event_type.as_deref() == Some("t")));

    let batch = ("Content-Type", "application/cloudevents-batch+json");
    let event = |id: u8| json!({"specversion":"1.0","id":id.to_string(),"source":"/s","type":"t"});
    let answer = post(&gateway, &id, &[batch], &json!([event(1), event(2), 7]).to_string()).await;
    assert_eq!(statuses(&answer), ["accepted", "accepted", "invalid_cloud_event"]);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_is_too_much_is_taken_up_to_the_bound_and_told() {
    let bounds = [("HOOKLOG_MAX_BATCH", "3"), ("HOOKLOG_MAX_BATCH_BODY", "1KiB")];
    let gateway = Running::start("v1-batch-bounds", &bounds).await;
    let id = gateway.subscribe(None, &[]).await;
    let answer = post(&gateway, &id, &[LINES, TYPE], "1\n2\n3\n4\n5").await;
    assert_eq!(answer.status, 202);
    assert_eq!(statuses(&answer), ["accepted", "accepted", "accepted", "payload_too_large"]);
    assert_eq!(gateway.deliveries().await.len(), 3);
    let answer = post(&gateway, &id, &[LINES, TYPE], &"7\n".repeat(600)).await;
    assert_eq!(
        (answer.status.as_u16(), &answer.json()["code"]),
        (413, &"payload_too_large".into())
    );
    let answer = post(&gateway, &id, &[LINES, TYPE], "{\n}").await;
    assert_eq!(answer.status, 422);
    assert_eq!(statuses(&answer), ["malformed_json", "malformed_json"]);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_batch_is_written_whole_and_in_order() {
    let gateway = Running::start("v1-batch-large", &[("HOOKLOG_PARTITIONS", "1")]).await;
    let id = gateway.subscribe(None, &[]).await;
    let lines: Vec<String> = (0..5_000).map(|n| format!("{{\"n\":{n}}}")).collect();
    let answer = post(&gateway, &id, &[LINES, TYPE], &lines.join("\n")).await;
    assert_eq!(answer.json()["accepted"], 5_000);
    let written: Vec<_> = gateway.deliveries().await.into_iter().map(|(_, d)| d.body).collect();
    assert_eq!(written, lines);
    // An answer lists no more than a bounded number of deliveries.
    let listed = |result: &Value| result["deliveries"].as_array().unwrap().len();
    let results = answer.json()["results"].clone();
    assert_eq!(results.as_array().unwrap().iter().map(listed).sum::<usize>(), 1_000);
    gateway.stop().await;
}
