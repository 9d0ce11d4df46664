//! A gateway that runs in the test's own process.

use std::time::Duration;

use axum::http::Method;
use bytes::Bytes;
use ingest_gateway::Config;
use kafka_loop::producer::{Message, Producer};
use pipeline::delivery::Delivery;
use pipeline::subscription::Subscription;
use role_runtime::Readiness;
use serde_json::{Value, json};
use settings::Environment;
use test_bed::{Answer, Http, TestBed, eventually};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub const PATIENCE: Duration = Duration::from_secs(30);

pub struct Running {
    pub bed: TestBed,
    pub http: Http,
    pub address: String,
    pub shutdown: CancellationToken,
    readiness: Readiness,
    task: JoinHandle<anyhow::Result<()>>,
}

impl Running {
    /// Starts a gateway and waits until it is ready.
    pub async fn start(name: &str, given: &[(&str, &str)]) -> Self {
        let running = Self::start_unready(name, given).await;
        eventually(PATIENCE, async || running.is_ready().then_some(())).await;
        running
    }

    pub async fn start_unready(name: &str, given: &[(&str, &str)]) -> Self {
        let bed = TestBed::start(name).await;
        Self::start_in(bed, given)
    }

    pub fn start_in(bed: TestBed, given: &[(&str, &str)]) -> Self {
        let env: Environment = bed.environment(given);
        let config = Config::from_environment(&env).unwrap();
        let (readiness, shutdown) = (Readiness::default(), CancellationToken::new());
        let flag = readiness.flag("ingest-gateway");
        let task = tokio::spawn(ingest_gateway::run(config, flag, shutdown.clone()));
        let address = env.text("HOOKLOG_LISTEN").to_owned();
        Self { bed, http: Http::default(), address, shutdown, readiness, task }
    }

    pub fn is_ready(&self) -> bool {
        self.readiness.roles().iter().all(|(_, ready)| *ready)
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub async fn send(&self, method: Method, path: &str, body: impl Into<Bytes>) -> Answer {
        self.http.try_send(method, &self.url(path), &[], body).await.expect("an answer")
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, "").await
    }

    pub async fn post(&self, path: &str, body: impl Into<Bytes>) -> Answer {
        self.send(Method::POST, path, body).await
    }

    /// Sends a body that says that it is JSON, as contract B asks for it.
    pub async fn send_json(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Answer {
        let headers = [headers, &[("Content-Type", "application/json")]].concat();
        self.http.try_send(method, &self.url(path), &headers, body).await.expect("an answer")
    }

    /// Creates a subscription and returns its id.
    pub async fn subscribe(&self, secret: Option<&str>, event_types: &[&str]) -> String {
        let body = json!({
            "target_url": "https://example.com/hook", "secret": secret, "event_types": event_types,
        });
        let answer = self.post("/subscriptions/", body.to_string()).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        answer.json()["id"].as_str().unwrap().to_owned()
    }

    /// Writes a subscription into the compacted topic, as a gateway elsewhere does.
    pub async fn publish(&self, subscription: &Subscription) {
        let kafka = self.bed.kafka();
        let producer = Producer::new(&kafka, None).unwrap();
        let (topic, key) = (kafka.topics.subscriptions(), subscription.key());
        let value = subscription.encode();
        let message = Message { topic: &topic, key: key.as_bytes(), value: &value, headers: &[] };
        producer.write(message).await.unwrap();
    }

    /// What is in `deliveries` now, each with its key.
    pub async fn deliveries(&self) -> Vec<(Bytes, Delivery)> {
        let records = self.bed.records(&self.bed.kafka().topics.deliveries()).await;
        let decode = |value: Option<Bytes>| Delivery::decode(value.unwrap()).unwrap();
        records.into_iter().map(|record| (record.key.unwrap(), decode(record.value))).collect()
    }

    /// What is in the compacted topic now, each with its key.
    pub async fn published(&self) -> Vec<(Bytes, Subscription)> {
        let records = self.bed.records(&self.bed.kafka().topics.subscriptions()).await;
        let decode = |value: Option<Bytes>| Subscription::decode(&value.unwrap()).unwrap();
        records.into_iter().map(|record| (record.key.unwrap(), decode(record.value))).collect()
    }

    /// Ends the gateway as a signal would; it must end well.
    pub async fn stop(self) {
        self.shutdown.cancel();
        let ended = tokio::time::timeout(PATIENCE, self.task).await.expect("it ends in time");
        ended.unwrap().unwrap();
    }
}

/// An answer's status, and its body as it was written.
pub fn written(answer: &Answer) -> (u16, &str) {
    (answer.status.as_u16(), str::from_utf8(&answer.body).unwrap())
}

/// An error's body in contract A.
pub fn detail(text: &str) -> Value {
    json!({ "detail": text })
}

/// An error's body in contract B, as it is written.
pub fn message(text: &str) -> String {
    json!({ "message": text }).to_string()
}

/// The two vectors of API.md whose bodies are not written in canonical form: the body, its
/// canonical form, and that form's signature with [`CANONICAL_SECRET`].
pub const CANONICAL: [(&str, &str, &str); 2] = [
    (
        r#"{"payload":{"a":1.0,"b":1e5,"c":1e16,"d":1E-5,"e":0.0001,"f":-0.0,"g":-0,"h":123456789012345678901234567890,"i":1.50,"j":1e22,"k":123456789.123456789,"l":0.1e1}}"#,
        r#"{"payload":{"a":1.0,"b":100000.0,"c":1e+16,"d":1e-05,"e":0.0001,"f":-0.0,"g":0,"h":123456789012345678901234567890,"i":1.5,"j":1e+22,"k":123456789.12345679,"l":1.0}}"#,
        "sha256=76d23b664f932f7bc77644174465db43452710a1c4667d02e0bd65442bdcae8b",
    ),
    (
        r#"{"payload":{"a":1,"a":2},"payload":{"b":true,"b":null}}"#,
        r#"{"payload":{"b":null}}"#,
        "sha256=27e88f5414d7528d3a434bf19a1982bcf12bc7fea7980e856855c9f9a98dc784",
    ),
];
pub const CANONICAL_SECRET: &str = "your_secure_secret_key";
