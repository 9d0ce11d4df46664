//! Producers that write CloudEvents with the SDKs of other languages.
//!
//! `.ci/install-sdks` puts the SDKs into the target folder. Where they are missing the tests say
//! so and do nothing, but not in CI.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use test_bed::{Call, Receiver, TestBed, eventually};

use crate::running::Hooklog;

const SOON: Duration = Duration::from_secs(20);

/// What the producer gives an event as data, by the end of the event's id.
enum Data {
    Json,
    Text,
    Bytes,
    None,
}

/// The folder of one language's SDK; `None`, and a line on stdout, if it is not there.
fn installed(language: &str) -> Option<PathBuf> {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("tmp is in the target");
    let folder = target.join("sdks").join(language);
    if folder.join("complete").exists() {
        return Some(folder);
    }
    assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "CI needs .ci/install-sdks");
    // Not println!: the test harness keeps what a passing test prints to itself.
    let said = format!("SKIPPED: no CloudEvents SDK for {language}; run .ci/install-sdks\n");
    std::io::stdout().write_all(said.as_bytes()).expect("write to stdout");
    None
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sdk").join(name)
}

/// Runs a producer to its end.
async fn produce(bed: &TestBed, mut command: Command) {
    let kafka = bed.kafka();
    command.args([&kafka.brokers, &kafka.topics.events()]).stdin(Stdio::null());
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// The calls that the producer's events cause, by event id.
async fn delivered(producer: Command, expected: usize) -> BTreeMap<String, Call> {
    let bed = TestBed::start("sdk").await;
    let hooklog = Hooklog::start(&bed, &[]).await;
    let receiver = Receiver::start(|_| 200).await;
    hooklog.subscribe(&receiver.url("/"), None).await;
    produce(&bed, producer).await;
    eventually(SOON, || async { (receiver.count() >= expected).then_some(()) }).await;
    let letters = bed.records(&bed.kafka().topics.dead_letters()).await;
    assert!(letters.is_empty(), "{letters:?}");
    receiver.calls().into_iter().map(|call| (call.header("ce-id").to_owned(), call)).collect()
}

/// Panics unless the call is the event that the producers' scripts describe.
fn assert_is(call: &Call, source: &str, data: &Data) {
    let id = call.header("ce-id");
    assert_eq!(call.header("ce-specversion"), "1.0", "{id}");
    assert_eq!(call.header("ce-source"), source, "{id}");
    assert_eq!(call.header("ce-type"), "sdk.test", "{id}");
    assert_eq!(call.header("ce-subject"), "%E2%82%AC%205", "{id}");
    let time: Timestamp = call.header("ce-time").parse().unwrap();
    assert_eq!(time, "2026-11-24T06:30:00Z".parse().unwrap(), "{id}");
    assert!(!call.headers.contains_key("ce-datacontenttype"), "{id}");
    let content_type = call.header("content-type");
    match data {
        Data::Json => {
            let body: Value = serde_json::from_slice(&call.body).unwrap();
            assert_eq!(body, json!({ "n": 1.5, "t": "\u{e9}\u{1F600}" }), "{id}");
            assert_eq!(content_type, "application/json", "{id}");
        }
        Data::Text => {
            assert_eq!(call.body, "\u{e9} text", "{id}");
            assert_eq!(content_type, "text/plain", "{id}");
        }
        Data::Bytes => {
            assert_eq!(call.body, b"\0\xff"[..], "{id}");
            assert_eq!(content_type, "application/octet-stream", "{id}");
        }
        Data::None => assert!(call.body.is_empty(), "{id}"),
    }
}

/// What both languages' current SDKs write.
const EVENTS: [(&str, Data); 8] = [
    ("binary-json", Data::Json),
    ("binary-text", Data::Text),
    ("binary-bytes", Data::Bytes),
    ("binary-no-data", Data::None),
    ("structured-json", Data::Json),
    ("structured-text", Data::Text),
    ("structured-bytes", Data::Bytes),
    ("structured-no-data", Data::None),
];

/// What Python's SDK of version 1 writes, and version 2 under the name `v1`.
const OLDER_EVENTS: [(&str, Data); 3] = [
    ("older-binary-json", Data::Json),
    ("older-structured-json", Data::Json),
    ("older-structured-bytes", Data::Bytes),
];

#[tokio::test(flavor = "multi_thread")]
async fn what_pythons_sdk_writes_arrives() {
    let Some(folder) = installed("python") else { return };
    let mut producer = Command::new(folder.join("bin/python"));
    producer.arg(script("python_producer.py"));
    let calls = delivered(producer, EVENTS.len() + OLDER_EVENTS.len()).await;
    for (id, data) in EVENTS.iter().chain(&OLDER_EVENTS) {
        assert_is(&calls[*id], "/sdk/python", data);
    }
    for (id, _) in &EVENTS {
        assert_eq!(calls[*id].header("ce-partitionkey"), "k", "{id}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_javascripts_sdk_writes_arrives() {
    let Some(folder) = installed("javascript") else { return };
    let mut producer = Command::new("node");
    producer.arg(script("javascript_producer.mjs")).arg(folder);
    let calls = delivered(producer, EVENTS.len()).await;
    for (id, data) in &EVENTS {
        assert_is(&calls[*id], "/sdk/javascript", data);
        assert_eq!(calls[*id].header("ce-partitionkey"), "k", "{id}");
    }
}
