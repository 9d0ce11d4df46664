//! What goes on while Postgres or Kafka are not there.

use axum::http::Method;
use jiff::Timestamp;
use pipeline::ids::SubscriptionId;
use pipeline::subscription::Subscription;
use test_bed::eventually;
use uuid::Uuid;

use crate::running::{PATIENCE, Running, detail};

/// Nobody listens on port 1.
const NOWHERE: &str = "postgres://nobody@127.0.0.1:1/nowhere";

#[tokio::test(flavor = "multi_thread")]
async fn events_are_taken_in_without_a_database() {
    let gateway = Running::start("away-postgres", &[("DATABASE_URL", NOWHERE)]).await;
    let id = SubscriptionId::from_uuid(Uuid::new_v4());
    let known = Subscription::new(id, "https://example.com/", Timestamp::now());
    let subscription = Subscription { version: 7, ..known };
    gateway.publish(&subscription).await;

    let path = format!("/ingest/{id}");
    let accepted = eventually(PATIENCE, async || {
        let answer = gateway.post(&path, r#"{"payload":{}}"#).await;
        (answer.status == 202).then_some(answer)
    })
    .await;
    let deliveries = gateway.deliveries().await;
    assert_eq!(deliveries[0].1.subscription_version, 7);
    assert_eq!(deliveries[0].1.id.to_string(), accepted.json()["webhook_id"].as_str().unwrap());

    for (method, path) in [
        (Method::GET, "/subscriptions".to_owned()),
        (Method::GET, format!("/subscriptions/{id}")),
        (Method::DELETE, format!("/subscriptions/{id}")),
        (Method::GET, format!("/status/{}", Uuid::now_v7())),
        (Method::GET, "/logs/".to_owned()),
    ] {
        let answer = gateway.send(method, &path, "").await;
        assert_eq!(answer.status, 503, "{path}");
        assert_eq!(answer.headers["retry-after"], "1");
        assert_eq!(answer.json(), detail("The database is not available. Try again."));
    }
    let body = r#"{"target_url":"https://example.com"}"#;
    assert_eq!(gateway.post("/subscriptions", body).await.status, 503);
    // Nobody here knows this one, and whether it exists cannot be asked.
    let unknown = format!("/ingest/{}", Uuid::new_v4());
    // So nobody knows either which bodies it takes.
    for body in [r#"{"payload":{}}"#, "{}"] {
        assert_eq!(gateway.post(&unknown, body).await.status, 503);
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn until_kafka_is_there_every_request_is_answered_503() {
    let nowhere = [("HOOKLOG_KAFKA_BROKERS", "127.0.0.1:1")];
    let gateway = Running::start_unready("away-kafka", &nowhere).await;
    let url = gateway.url(&format!("/ingest/{}", Uuid::new_v4()));
    let answer = eventually(PATIENCE, async || {
        gateway.http.try_send(Method::POST, &url, &[], r#"{"payload":{}}"#).await
    })
    .await;
    assert_eq!(answer.status, 503);
    assert_eq!(answer.headers["retry-after"], "1");
    assert_eq!(answer.json(), detail("hooklog is starting."));
    assert!(!gateway.is_ready());
    gateway.stop().await;
}
