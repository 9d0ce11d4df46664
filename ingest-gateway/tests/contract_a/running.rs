//! A gateway that runs in the test's own process.

use std::time::Duration;

use axum::http::Method;
use bytes::Bytes;
use ingest_gateway::Config;
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

    /// Creates a subscription and returns its id.
    pub async fn subscribe(&self, secret: Option<&str>, event_types: &[&str]) -> String {
        let body = json!({
            "target_url": "https://example.com/hook", "secret": secret, "event_types": event_types,
        });
        let answer = self.post("/subscriptions/", body.to_string()).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        answer.json()["id"].as_str().unwrap().to_owned()
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

pub fn detail(text: &str) -> Value {
    json!({ "detail": text })
}
