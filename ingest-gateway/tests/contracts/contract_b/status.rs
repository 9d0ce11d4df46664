//! `GET /status/delivery_tasks/{id}` and `GET /status/subscriptions/{id}/attempts`.

use axum::http::Method;
use serde_json::{Value, json};
use test_bed::eventually;
use tokio_postgres::Client;
use uuid::Uuid;

use crate::projected::{Attempt, add_attempt, add_delivery, project_to};
use crate::running::{PATIENCE, Running, message, written};

const NO_TASK: &str = "Delivery task not found";

async fn store_payload(postgres: &Client, payload: &[u8]) {
    let sql = "UPDATE deliveries SET content_type = 'application/json', payload = $1";
    postgres.execute(sql, &[&payload]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_has_the_contracts_fields_in_their_order() {
    let gateway = Running::start("b-status-shape", &[]).await;
    let postgres = gateway.bed.postgres().await;
    let subscription: Uuid = gateway.subscribe(None, &[]).await.parse().unwrap();
    let id = Uuid::now_v7();
    add_delivery(&postgres, id, subscription, "pending").await;
    store_payload(&postgres, b" {\"b\": 1.50, \"a\": [1e9]} ").await;
    let path = format!("/api/status/delivery_tasks/{id}");
    let head = format!(
        "{{\"task_id\":\"{id}\",\"id\":\"{id}\",\"subscription_id\":\"{subscription}\",\
         \"payload\":{{\"b\": 1.50, \"a\": [1e9]}},"
    );
    let fresh = format!(
        "{head}\"status\":\"pending\",\"attempts_count\":0,\
         \"created_at\":\"2026-03-04T05:06:07.000008+00:00\",\"last_attempt_at\":null,\
         \"next_attempt_at\":null,\"last_http_status\":null,\"last_error\":null,\"attempts\":[]}}"
    );
    assert_eq!(written(&gateway.get(&path).await), (200, fresh.as_str()));

    let next = Some("2026-03-04T05:06:18.000000Z");
    let failed = Attempt {
        number: 1,
        succeeded: false,
        state: "retrying",
        http_status: Some(500),
        error: None,
        next,
    };
    add_attempt(&postgres, id, subscription, failed).await;
    let sql = "UPDATE deliveries SET state = 'retrying', attempts = 1, \
               last_attempt_at = '2026-03-04T05:06:08.000008Z', last_http_status = 500, \
               next_attempt_at = '2026-03-04T05:06:18Z'";
    postgres.execute(sql, &[]).await.unwrap();
    let answer = gateway.get(&format!("/api/v1/status/delivery_tasks/{id}/")).await;
    let attempt_id = answer.json()["attempts"][0]["id"].as_str().unwrap().to_owned();
    let retrying = format!(
        "{head}\"status\":\"retrying\",\"attempts_count\":1,\
         \"created_at\":\"2026-03-04T05:06:07.000008+00:00\",\
         \"last_attempt_at\":\"2026-03-04T05:06:08.000008+00:00\",\
         \"next_attempt_at\":\"2026-03-04T05:06:18+00:00\",\"last_http_status\":500,\
         \"last_error\":\"HTTP 500\",\"attempts\":[{{\"id\":\"{attempt_id}\",\
         \"delivery_task_id\":\"{id}\",\"attempt_number\":1,\"outcome\":\"failed_attempt\",\
         \"http_status\":500,\"error_details\":\"HTTP 500\",\
         \"timestamp\":\"2026-03-04T05:06:08.000008+00:00\"}}]}}"
    );
    assert_eq!(written(&answer), (200, retrying.as_str()));
    // One id and one attempt in both contracts.
    let in_a = gateway.get(&format!("/status/{id}")).await.json();
    assert_eq!(in_a["latest_attempt"]["id"], attempt_id);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_end_has_its_words_and_a_payload_that_is_not_json_is_text() {
    let gateway = Running::start("b-status-words", &[]).await;
    let postgres = gateway.bed.postgres().await;
    let subscription: Uuid = gateway.subscribe(None, &[]).await.parse().unwrap();
    let attempt = |number, succeeded, state, http_status, error| Attempt {
        number,
        succeeded,
        state,
        http_status,
        error,
        next: None,
    };
    for (turn, (state, status, last_error, outcome)) in [
        ("delivered", "succeeded", Value::Null, "success"),
        ("dead_lettered", "failed", json!("timeout"), "permanently_failed"),
        ("cancelled", "failed", json!("timeout"), "permanently_failed"),
    ]
    .into_iter()
    .enumerate()
    {
        let id = Uuid::now_v7();
        add_delivery(&postgres, id, subscription, state).await;
        let (succeeded, number) = (state == "delivered", turn as i32 + 1);
        let (http_status, error) =
            if succeeded { (Some(200), None) } else { (None, Some("timeout")) };
        let last = attempt(number, succeeded, state, http_status, error);
        add_attempt(&postgres, id, subscription, last).await;
        let sql = "UPDATE deliveries SET last_http_status = $2, last_error = $3 WHERE id = $1";
        postgres.execute(sql, &[&id, &http_status, &error]).await.unwrap();
        store_payload(&postgres, b"a=b&c").await;
        let shown = gateway.get(&format!("/api/status/delivery_tasks/{id}")).await.json();
        assert_eq!(shown["status"], status);
        assert_eq!(shown["payload"], "a=b&c");
        assert_eq!(shown["last_http_status"], json!(http_status));
        assert_eq!(shown["last_error"], last_error);
        assert_eq!(shown["attempts"][0]["outcome"], outcome);
        assert_eq!(shown["attempts"][0]["error_details"], last_error);
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_latest_attempts_of_a_subscription_are_twenty_newest_first() {
    let gateway = Running::start("b-status-latest", &[]).await;
    let postgres = gateway.bed.postgres().await;
    let subscription: Uuid = gateway.subscribe(None, &[]).await.parse().unwrap();
    let path = format!("/api/status/subscriptions/{subscription}/attempts");
    assert_eq!(written(&gateway.get(&path).await), (200, "[]"));
    let id = Uuid::now_v7();
    add_delivery(&postgres, id, subscription, "retrying").await;
    for number in 1..=22 {
        let attempt = Attempt {
            number,
            succeeded: false,
            state: "retrying",
            http_status: Some(503),
            error: None,
            next: None,
        };
        add_attempt(&postgres, id, subscription, attempt).await;
    }
    let shown = gateway.get(&format!("{path}/")).await.json();
    let numbers: Vec<i64> =
        shown.as_array().unwrap().iter().map(|a| a["attempt_number"].as_i64().unwrap()).collect();
    assert_eq!(numbers, (3..=22).rev().collect::<Vec<i64>>());
    assert_eq!(shown[0]["delivery_task_id"], json!(id));

    for unknown in [id.to_string(), "nonsense".to_owned()] {
        let answer = gateway.get(&format!("/api/status/subscriptions/{unknown}/attempts")).await;
        assert_eq!(
            written(&answer),
            (404, r#"{"message":"Subscription not found","error":"Subscription not found"}"#)
        );
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn any_status_route_finds_any_delivery_right_after_its_202() {
    let gateway = Running::start("b-status-wait", &[("HOOKLOG_STATUS_WAIT", "20s")]).await;
    let postgres = gateway.bed.postgres().await;
    let subscription = gateway.subscribe(None, &[]).await;
    let in_a = gateway.post(&format!("/ingest/{subscription}"), r#"{"payload":{}}"#).await;
    let in_b = format!("/api/ingest/{subscription}");
    let in_b = gateway.send_json(Method::POST, &in_b, &[], "[1]").await;
    let ids = [&in_a.json()["webhook_id"], &in_b.json()["task_id"]]
        .map(|id| id.as_str().unwrap().parse::<Uuid>().unwrap());

    let url = gateway.url(&format!("/api/status/delivery_tasks/{}", ids[0]));
    let http = gateway.http.clone();
    let asked = tokio::spawn(async move { http.get(&url).await });
    for id in ids {
        add_delivery(&postgres, id, subscription.parse().unwrap(), "pending").await;
    }
    store_payload(&postgres, b"[1]").await;
    project_to(&gateway, &postgres, 0, 2).await;
    project_to(&gateway, &postgres, 1, 2).await;
    let found = asked.await.unwrap();
    assert_eq!((found.status.as_u16(), &found.json()["payload"]), (200, &json!([1])));
    for id in ids {
        let task = gateway.get(&format!("/api/v1/status/delivery_tasks/{id}")).await.json();
        assert_eq!(task["task_id"], json!(id));
        assert_eq!(gateway.get(&format!("/status/{id}")).await.json()["id"], json!(id));
    }
    for unknown in [Uuid::now_v7().to_string(), "nonsense".to_owned(), "%ff".to_owned()] {
        let answer = gateway.get(&format!("/api/status/delivery_tasks/{unknown}")).await;
        assert_eq!(written(&answer), (404, message(NO_TASK).as_str()));
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payload_that_is_not_projected_yet_is_waited_for() {
    let gateway = Running::start("b-status-payload", &[("HOOKLOG_STATUS_WAIT", "20s")]).await;
    let postgres = gateway.bed.postgres().await;
    let subscription = gateway.subscribe(None, &[]).await;
    let ingest = format!("/api/ingest/{subscription}");
    let accepted = gateway.send_json(Method::POST, &ingest, &[], "[1]").await.json();
    let id: Uuid = accepted["task_id"].as_str().unwrap().parse().unwrap();
    // As an outcome leaves it that is projected before its delivery.
    add_delivery(&postgres, id, subscription.parse().unwrap(), "delivered").await;
    let url = gateway.url(&format!("/api/status/delivery_tasks/{id}"));
    let http = gateway.http.clone();
    let asked = tokio::spawn(async move { http.get(&url).await });
    // Only who waits asks how far the projection is.
    let waits = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() \
                 AND query LIKE '%projector_offsets%' AND pid <> pg_backend_pid()";
    eventually(PATIENCE, async || {
        let waiting = postgres.query_opt(waits, &[]).await.unwrap();
        waiting.map(drop)
    })
    .await;
    store_payload(&postgres, b"[1]").await;
    project_to(&gateway, &postgres, 0, 1).await;
    project_to(&gateway, &postgres, 1, 1).await;
    assert_eq!(asked.await.unwrap().json()["payload"], json!([1]));
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_projection_is_behind_a_status_is_503_and_a_payload_null() {
    let gateway = Running::start("b-status-behind", &[("HOOKLOG_STATUS_WAIT", "300ms")]).await;
    let postgres = gateway.bed.postgres().await;
    let subscription = gateway.subscribe(None, &[]).await;
    let accepted = gateway
        .send_json(Method::POST, &format!("/api/ingest/{subscription}"), &[], "{}")
        .await
        .json();
    let id: Uuid = accepted["task_id"].as_str().unwrap().parse().unwrap();
    let path = format!("/api/status/delivery_tasks/{id}");
    let behind = gateway.get(&path).await;
    assert_eq!(
        written(&behind),
        (503, message("The status is not known yet. Try again.").as_str())
    );
    assert_eq!(behind.headers["retry-after"], "1");
    // As an outcome leaves it that is projected before its delivery.
    add_delivery(&postgres, id, subscription.parse().unwrap(), "delivered").await;
    let shown = gateway.get(&path).await.json();
    assert_eq!((&shown["status"], &shown["payload"]), (&json!("succeeded"), &Value::Null));
    gateway.stop().await;
}
