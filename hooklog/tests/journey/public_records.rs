//! What `docs/schemas` promises to readers of the public topics, held against real records.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use jsonschema::Validator;
use kafka_loop::record::Record;
use serde_json::Value;
use test_bed::{Call, Receiver, TestBed, eventually};

use crate::running::Hooklog;

const SOON: Duration = Duration::from_secs(20);

fn published(name: &str) -> Validator {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/schemas").join(name);
    let schema = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    jsonschema::options().should_validate_formats(true).build(&schema).unwrap()
}

fn value(record: &Record) -> Value {
    serde_json::from_slice(record.value.as_ref().unwrap()).unwrap()
}

fn headers(record: &Record) -> Value {
    let text = |value: &[u8]| String::from_utf8(value.to_vec()).unwrap();
    Value::from_iter(record.headers.iter().map(|(name, value)| (name.as_str(), text(value))))
}

/// Succeeds, succeeds at the second call, or never does, by the path.
fn answer(call: &Call) -> u16 {
    match (call.path.as_str(), call.number) {
        ("/delivered", _) | ("/retried", 2..) => 200,
        _ => 503,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_becomes_of_a_delivery_its_public_records_are_of_the_published_schemas() {
    let bed = TestBed::start("public").await;
    let settings = [("CELERY_MAX_RETRIES", "3"), ("CELERY_BASE_RETRY_DELAY_SECONDS", "1")];
    let hooklog = Hooklog::start(&bed, &settings).await;
    let receiver = Receiver::start(answer).await;
    let mut deliveries = Vec::new();
    for path in ["/delivered", "/retried", "/dead-lettered", "/cancelled"] {
        let subscription = hooklog.subscribe(&receiver.url(path), None).await;
        let body = r#"{"payload":{},"event_type":"a.b"}"#;
        let delivery = hooklog.ingest(&subscription, None, body).await;
        if path == "/cancelled" {
            let called = || receiver.calls().iter().any(|call| call.path == path);
            eventually(SOON, || async { called().then_some(()) }).await;
            let url = format!("{}/subscriptions/{subscription}", hooklog.base);
            assert_eq!(hooklog.http.delete(&url).await.status, 204);
        }
        deliveries.push(delivery);
    }
    // A status follows from outcomes, so that they are in the topic by then.
    for (delivery, end) in deliveries.iter().zip(["succeeded", "succeeded", "failed", "failed"]) {
        hooklog.status_once(delivery, end, SOON).await;
    }

    let topics = bed.kafka().topics;
    let schema = published("outcome.schema.json");
    let mut seen = BTreeSet::new();
    for record in bed.records(&topics.outcomes()).await {
        let outcome = value(&record);
        schema.validate(&outcome).unwrap_or_else(|error| panic!("{error}: {outcome:#}"));
        let key = record.key.as_deref().unwrap();
        assert_eq!(outcome["subscription_id"].as_str().unwrap().as_bytes(), key);
        seen.insert(format!("{} {}", outcome["kind"], outcome["state"]));
    }
    let expected = [
        r#""attempt" "dead_lettered""#,
        r#""attempt" "delivered""#,
        r#""attempt" "retrying""#,
        r#""end" "cancelled""#,
    ];
    assert_eq!(seen, BTreeSet::from(expected.map(str::to_owned)));

    let schema = published("dead-letter-headers.schema.json");
    let letters = bed.records(&topics.dead_letters()).await;
    assert_eq!(letters.len(), 1);
    let headers = headers(&letters[0]);
    schema.validate(&headers).unwrap_or_else(|error| panic!("{error}: {headers:#}"));
}
