//! Pause, resume, new keys, and a test event.

use axum::http::Method;
use pipeline::subscription::PauseReason;
use serde_json::{Value, json};

use super::own_subscription::{create, path, problem, published};
use crate::running::Running;

async fn act(gateway: &Running, path: &str, action: &str, body: &'static str) -> Value {
    let path = format!("{path}/{action}");
    let answer = gateway.send_json(Method::POST, &path, &[], body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let shown = answer.json();
    assert_eq!(answer.headers["etag"], format!("\"{}\"", shown["version"]));
    shown
}

#[tokio::test(flavor = "multi_thread")]
async fn pause_and_resume_reach_every_process_and_twice_is_as_once() {
    let gateway = Running::start("v1-pause", &[]).await;
    let path = path(&create(&gateway, json!({})).await);
    for _ in 0..2 {
        let paused = act(&gateway, &path, "pause", "").await;
        assert_eq!((&paused["paused"], &paused["version"]), (&json!("operator"), &json!(2)));
    }
    assert_eq!(published(&gateway, 2).await.paused, Some(PauseReason::Operator));
    let test = gateway.post(&format!("{path}/test"), "").await;
    assert_eq!(problem(&test), (409, "subscription_paused".to_owned()));
    for _ in 0..2 {
        let resumed = act(&gateway, &path, "resume", "").await;
        assert_eq!((&resumed["paused"], &resumed["version"]), (&Value::Null, &json!(3)));
    }
    assert_eq!(published(&gateway, 3).await.paused, None);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_shows_the_new_secret_once_and_keeps_the_old_one_for_the_overlap() {
    let gateway = Running::start("v1-rotate", &[]).await;
    let signing = json!({"signing": {"schemes": ["standard", "ed25519"]}});
    let created = create(&gateway, signing).await;
    let path = path(&created);
    let rotated = act(&gateway, &path, "rotate-secret", r#"{"overlap_seconds":60}"#).await;
    let secret = rotated["signing_secret"].as_str().unwrap();
    assert_ne!(secret, created["signing_secret"]);
    assert_ne!(rotated["signing_public_key"], created["signing_public_key"]);
    assert_eq!(rotated["signing_public_key"], rotated["signing"]["public_key"]);
    assert_eq!(rotated["signing"]["keys"].as_array().unwrap().len(), 4);
    let keys = published(&gateway, 2).await.signing.unwrap();
    assert_eq!(keys.secrets[0].key.expose(), secret);
    assert_eq!(keys.secrets[1].key.expose(), created["signing_secret"]);
    assert!(keys.secrets[0].expires_at.is_none() && keys.secrets[1].expires_at.is_some());
    assert_eq!(keys.key_pairs.len(), 2);
    assert!(!gateway.get(&path).await.json().to_string().contains("whsec_"));

    let at_once = act(&gateway, &path, "rotate-secret/", r#"{"overlap_seconds":0}"#).await;
    assert_eq!(at_once["signing"]["keys"].as_array().unwrap().len(), 2);
    let wrong = gateway
        .send_json(Method::POST, &format!("{path}/rotate-secret"), &[], r#"{"overlap_seconds":-1}"#)
        .await;
    assert_eq!(problem(&wrong), (422, "invalid_fields".to_owned()));
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_event_is_a_delivery_for_this_subscription_past_its_filter() {
    let gateway = Running::start("v1-test", &[]).await;
    let created = create(&gateway, json!({"event_types": ["order.*"]})).await;
    let path = path(&created);
    let sent = gateway.post(&format!("{path}/test"), "").await;
    assert_eq!(sent.status, 202, "{sent:?}");
    let deliveries = gateway.deliveries().await;
    let [(_, delivery)] = &deliveries[..] else { panic!("{deliveries:?}") };
    assert_eq!(delivery.subscription_id.to_string(), created["id"].as_str().unwrap());
    assert_eq!(delivery.event_type.as_deref(), Some("hooklog.test"));
    let ids = json!({"delivery_id": delivery.id, "event_id": delivery.message_id});
    assert_eq!(sent.json(), ids);
    let event: Value = serde_json::from_slice(&delivery.body).unwrap();
    assert_eq!(
        (&event["type"], &event["data"]["subscription_id"]),
        (&json!("hooklog.test"), &created["id"])
    );
    gateway.stop().await;
}
