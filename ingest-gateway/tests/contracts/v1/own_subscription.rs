//! Requests about subscriptions of `/v1`.

use axum::http::Method;
use serde_json::{Value, json};
use test_bed::{Answer, eventually};

use pipeline::subscription::Subscription;

use crate::running::{PATIENCE, Running};

pub const PATH: &str = "/v1/subscriptions";

/// Creates a subscription with these fields beside its target, and returns what was answered.
pub async fn create(gateway: &Running, fields: Value) -> Value {
    let mut body = json!({"target_url": "https://example.com/hook"});
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    let answer = gateway.send_json(Method::POST, PATH, &[], body.to_string()).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.json()
}

/// The path of what was answered.
pub fn path(shown: &Value) -> String {
    format!("{PATH}/{}", shown["id"].as_str().unwrap())
}

pub async fn patch(gateway: &Running, path: &str, body: Value) -> Answer {
    gateway.send_json(Method::PATCH, path, &[], body.to_string()).await
}

/// An answer's status and its problem's code.
pub fn problem(answer: &Answer) -> (u16, String) {
    assert_eq!(answer.headers["content-type"], "application/problem+json");
    (answer.status.as_u16(), answer.json()["code"].as_str().unwrap().to_owned())
}

/// The record of this version, once it is in the compacted topic.
pub async fn published(gateway: &Running, version: u64) -> Subscription {
    eventually(PATIENCE, async || {
        let (_, last) = gateway.published().await.into_iter().next_back()?;
        (last.version == version).then_some(last)
    })
    .await
}
