//! Retry and cancel of one delivery.

use axum::http::Method;
use jiff::Timestamp;
use pipeline::cancellation::Cancellation;
use serde_json::{Value, json};
use test_bed::{Answer, eventually};
use tokio_postgres::Client;
use uuid::Uuid;

use super::own_subscription::{create, problem};
use crate::projected::{AT, add_delivery, project_to};
use crate::running::{PATIENCE, Running};

/// A delivery of some bytes to `subscription`, as the projector writes it.
async fn add(postgres: &Client, subscription: &str, state: &str) -> Uuid {
    let id = Uuid::now_v7();
    add_delivery(postgres, id, subscription.parse().unwrap(), state).await;
    let sql = "UPDATE deliveries SET message_id = gen_random_uuid(), event_type = 'a.b', \
                   content_type = 'text/plain', payload = $2, attributes = $3 WHERE id = $1";
    let attributes = json!({"id": "7", "source": "/shop", "type": "a.b"});
    postgres.execute(sql, &[&id, &b"\x00\xffbytes".as_slice(), &attributes]).await.unwrap();
    id
}

async fn act(gateway: &Running, id: Uuid, action: &str, headers: &[(&str, &str)]) -> Answer {
    let url = gateway.url(&format!("/v1/deliveries/{id}/{action}"));
    gateway.http.try_send(Method::POST, &url, headers, "").await.expect("an answer")
}

/// Lets a look for what is not there end at once.
async fn catch_up(gateway: &Running, postgres: &Client) {
    for partition in 0..2 {
        project_to(gateway, postgres, partition, 1_000).await;
    }
}

/// What is under `c/` in the compacted topic: each key, with its value.
async fn cancellations(gateway: &Running) -> Vec<(String, Option<Value>)> {
    let records = gateway.bed.records(&gateway.bed.kafka().topics.subscriptions()).await;
    let told = records.into_iter().filter_map(|record| {
        let key = String::from_utf8(record.key?.to_vec()).ok()?;
        let value = record.value.map(|value| serde_json::from_slice(&value).unwrap());
        key.starts_with("c/").then_some((key, value))
    });
    told.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_is_a_new_delivery_of_the_same_message_and_one_key_names_one_of_them() {
    let gateway = Running::start("v1-retry", &[]).await;
    let postgres = gateway.bed.postgres().await;
    let subscription = gateway.subscribe(None, &[]).await;
    for state in ["dead_lettered", "delivered", "cancelled"] {
        let original = add(&postgres, &subscription, state).await;
        let answer = act(&gateway, original, "retry", &[]).await;
        assert_eq!(answer.status, 202, "{answer:?}");
        let (key, made) = gateway.deliveries().await.pop().unwrap();
        let message: Uuid = postgres
            .query_one("SELECT message_id FROM deliveries WHERE id = $1", &[&original])
            .await
            .unwrap()
            .get(0);
        let told = json!({
            "id": made.id, "replay_of": original, "subscription_id": subscription,
            "message_id": message,
        });
        assert_eq!(answer.json(), told);
        assert_eq!((key.as_ref(), made.message_id.uuid()), (subscription.as_bytes(), message));
        assert_eq!(made.replay_of.map(|id| id.uuid()), Some(original));
        assert_eq!((made.attempt, made.release, made.wait), (1, 0, None));
        assert_eq!(
            (&made.body[..], made.content_type.as_str()),
            (&b"\x00\xffbytes"[..], "text/plain")
        );
        assert_eq!(made.event_type.as_deref(), Some("a.b"));
        let attribute = |name: &str| made.attributes.iter().find(|(known, _)| known == name);
        assert_eq!(attribute("source").unwrap().1, "/shop");
        assert_eq!(made.attributes.len(), 3);
        assert!(made.accepted_at > AT.parse::<Timestamp>().unwrap());
    }

    let original = add(&postgres, &subscription, "dead_lettered").await;
    let other = add(&postgres, &subscription, "dead_lettered").await;
    let retried = async |id, headers: &[(&str, &str)]| {
        act(&gateway, id, "retry", headers).await.json()["id"].as_str().unwrap().to_owned()
    };
    let keyed = retried(original, &[("Idempotency-Key", "k")]).await;
    assert_eq!(retried(original, &[("Idempotency-Key", "k")]).await, keyed);
    assert_ne!(retried(original, &[("Idempotency-Key", "l")]).await, keyed);
    assert_ne!(retried(other, &[("Idempotency-Key", "k")]).await, keyed);
    assert_ne!(retried(original, &[]).await, retried(original, &[]).await);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_retried_is_refused_with_the_reason() {
    let gateway = Running::start("v1-retry-refused", &[]).await;
    let postgres = gateway.bed.postgres().await;
    let subscription = gateway.subscribe(None, &[]).await;
    let refused = async |id| problem(&act(&gateway, id, "retry", &[]).await);
    for state in ["pending", "retrying"] {
        let running = add(&postgres, &subscription, state).await;
        assert_eq!(refused(running).await, (409, "still_running".to_owned()));
    }
    let bare = add(&postgres, &subscription, "delivered").await;
    postgres.execute("UPDATE deliveries SET payload = NULL WHERE id = $1", &[&bare]).await.unwrap();
    assert_eq!(refused(bare).await, (409, "payload_not_stored".to_owned()));
    let ended = add(&postgres, &subscription, "delivered").await;
    let key = [("Idempotency-Key", "a b")];
    let answer = act(&gateway, ended, "retry", &key).await;
    assert_eq!(problem(&answer), (400, "invalid_idempotency_key".to_owned()));
    let path = format!("/v1/subscriptions/{subscription}");
    assert_eq!(gateway.send(Method::DELETE, &path, "").await.status, 204);
    assert_eq!(refused(ended).await, (409, "subscription_deleted".to_owned()));
    catch_up(&gateway, &postgres).await;
    assert_eq!(refused(Uuid::new_v4()).await, (404, "delivery_not_found".to_owned()));
    let answer = gateway.post("/v1/deliveries/x/retry", "").await;
    assert_eq!(problem(&answer), (404, "delivery_not_found".to_owned()));
    assert!(gateway.deliveries().await.is_empty());
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancellation_is_in_the_compacted_topic_with_its_202() {
    let gateway = Running::start("v1-cancel", &[]).await;
    let postgres = gateway.bed.postgres().await;
    let subscription = create(&gateway, json!({})).await["id"].as_str().unwrap().to_owned();
    for state in ["pending", "retrying"] {
        let id = add(&postgres, &subscription, state).await;
        for _ in 0..2 {
            let answer = act(&gateway, id, "cancel", &[]).await;
            assert_eq!((answer.status.as_u16(), answer.json()), (202, json!({"id": id})));
        }
        let (key, value) = cancellations(&gateway).await.pop().unwrap();
        assert_eq!(key, format!("c/{id}"));
        assert_eq!(value, Some(json!({"delivery_id": id, "accepted_at": AT})));
    }
    for state in ["delivered", "dead_lettered", "cancelled"] {
        let id = add(&postgres, &subscription, state).await;
        let answer = act(&gateway, id, "cancel", &[]).await;
        assert_eq!(problem(&answer), (409, "already_ended".to_owned()), "{state}");
    }
    catch_up(&gateway, &postgres).await;
    let answer = act(&gateway, Uuid::new_v4(), "cancel", &[]).await;
    assert_eq!(problem(&answer), (404, "delivery_not_found".to_owned()));
    assert_eq!(cancellations(&gateway).await.len(), 4);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_null_ends_a_cancellation_a_week_after_its_delivery_could_be_about() {
    let gateway = Running::start("v1-cancel-ends", &[("HOOKLOG_MAX_DELIVERY_AGE", "1d")]).await;
    let bed = gateway.bed.clone();
    let postgres = bed.postgres().await;
    let subscription = gateway.subscribe(None, &[]).await;
    let old = add(&postgres, &subscription, "retrying").await;
    assert_eq!(act(&gateway, old, "cancel", &[]).await.status, 202);
    // Younger than the age and a week.
    let young = add(&postgres, &subscription, "retrying").await;
    let at = Timestamp::now() - jiff::SignedDuration::from_hours(24 * 8 - 1);
    let sql = "SELECT create_delivery_partitions(($1::timestamptz AT TIME ZONE 'UTC')::date)";
    postgres.execute(sql, &[&at]).await.unwrap();
    postgres
        .execute("UPDATE deliveries SET accepted_at = $2 WHERE id = $1", &[&young, &at])
        .await
        .unwrap();
    assert_eq!(act(&gateway, young, "cancel", &[]).await.status, 202);
    gateway.stop().await;

    let gateway = Running::start_in(bed, &[("HOOKLOG_MAX_DELIVERY_AGE", "1d")]);
    let last = eventually(PATIENCE, async || {
        let told = cancellations(&gateway).await;
        told.into_iter().find(|(_, value)| value.is_none())
    })
    .await;
    assert_eq!(last.0, format!("c/{old}"));
    let nulls = cancellations(&gateway).await.into_iter().filter(|(_, value)| value.is_none());
    assert_eq!(nulls.count(), 1);
    assert_eq!(Cancellation::key_id(last.0.as_bytes()).unwrap().uuid(), old);
    gateway.stop().await;
}
