//! `GET /status/{webhook_id}` and the logs, over rows as the projector writes them.

use serde_json::{Value, json};
use test_bed::eventually;
use uuid::Uuid;

use crate::projected::{AT, Attempt, add_attempt, add_delivery, project_to};
use crate::running::{PATIENCE, Running, detail};

#[tokio::test(flavor = "multi_thread")]
async fn a_status_has_all_attempts_in_order_and_the_logs_have_them_newest_first() {
    let gateway = Running::start("status-shape", &[]).await;
    let postgres = gateway.bed.postgres().await;
    let subscription: Uuid = gateway.subscribe(None, &[]).await.parse().unwrap();
    let id = Uuid::now_v7();
    add_delivery(&postgres, id, subscription, "pending").await;
    let fresh = gateway.get(&format!("/status/{id}")).await;
    assert_eq!(fresh.status, 200);
    assert_eq!(
        fresh.json(),
        json!({"id": id, "subscription_id": subscription, "ingested_at": AT,
            "status": "queued", "latest_attempt": null, "attempts": []})
    );

    let next = "2026-03-04T05:06:18.000000Z";
    let failed = Attempt {
        number: 1,
        succeeded: false,
        state: "retrying",
        http_status: Some(500),
        error: None,
        next: Some(next),
    };
    let last = Attempt {
        number: 2,
        succeeded: false,
        state: "dead_lettered",
        http_status: None,
        error: Some("timeout"),
        next: None,
    };
    // The order of the rows is not the order of the attempts.
    add_attempt(&postgres, id, subscription, last).await;
    add_attempt(&postgres, id, subscription, failed).await;
    postgres.execute("UPDATE deliveries SET state = 'dead_lettered'", &[]).await.unwrap();

    let status = gateway.get(&format!("/status/{id}/")).await.json();
    assert_eq!(status["status"], "failed");
    let attempts = status["attempts"].as_array().unwrap();
    let attempt_ids: Vec<&Value> = attempts.iter().map(|attempt| &attempt["id"]).collect();
    assert_eq!(
        *attempts,
        [
            json!({"id": attempt_ids[0], "webhook_id": id, "subscription_id": subscription,
                "target_url": "https://example.com/", "attempt_number": 1,
                "attempted_at": "2026-03-04T05:06:08.000008Z", "outcome": "failed_attempt",
                "http_status_code": 500, "error_details": "HTTP 500", "next_attempt_at": next}),
            json!({"id": attempt_ids[1], "webhook_id": id, "subscription_id": subscription,
                "target_url": "https://example.com/", "attempt_number": 2,
                "attempted_at": "2026-03-04T05:06:09.000008Z", "outcome": "permanently_failed",
                "http_status_code": null, "error_details": "timeout", "next_attempt_at": null}),
        ]
    );
    assert_ne!(attempt_ids[0], attempt_ids[1]);
    assert_eq!(status["latest_attempt"], attempts[1]);

    let newest_first = json!([attempts[1], attempts[0]]);
    let of_one = format!("/subscriptions/{subscription}/logs");
    assert_eq!(gateway.get(&of_one).await.json(), newest_first);
    assert_eq!(gateway.get(&format!("{of_one}?limit=1")).await.json(), json!([attempts[1]]));
    assert_eq!(gateway.get(&format!("{of_one}?limit=0")).await.status, 422);
    assert_eq!(gateway.get("/logs/").await.json(), newest_first);
    assert_eq!(gateway.get("/logs?skip=1").await.json(), json!([attempts[0]]));
    let unknown = gateway.get(&format!("/subscriptions/{id}/logs")).await;
    assert_eq!((unknown.status.as_u16(), unknown.json()), (404, detail("Subscription not found")));
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_that_is_not_projected_yet_is_waited_for_and_not_denied() {
    let gateway = Running::start("status-wait", &[("HOOKLOG_STATUS_WAIT", "20s")]).await;
    let postgres = gateway.bed.postgres().await;
    let subscription = gateway.subscribe(None, &[]).await;
    let accepted = gateway.post(&format!("/ingest/{subscription}"), r#"{"payload":{}}"#).await;
    let id: Uuid = accepted.json()["webhook_id"].as_str().unwrap().parse().unwrap();

    let url = gateway.url(&format!("/status/{id}"));
    let http = gateway.http.clone();
    let asked = tokio::spawn(async move { http.get(&url).await });
    add_delivery(&postgres, id, subscription.parse().unwrap(), "pending").await;
    project_to(&gateway, &postgres, 0, 1).await;
    project_to(&gateway, &postgres, 1, 1).await;
    let found = asked.await.unwrap();
    assert_eq!((found.status.as_u16(), &found.json()["status"]), (200, &json!("queued")));

    let denied = gateway.get(&format!("/status/{}", Uuid::now_v7())).await;
    assert_eq!((denied.status.as_u16(), denied.json()), (404, detail("Webhook not found")));
    let invalid = gateway.get("/status/nonsense").await;
    assert_eq!(invalid.status, 422);
    assert_eq!(invalid.json()["detail"][0]["loc"], json!(["path", "webhook_id"]));
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_projection_is_behind_an_unknown_delivery_is_503_and_never_404() {
    let gateway = Running::start("status-behind", &[("HOOKLOG_STATUS_WAIT", "300ms")]).await;
    let postgres = gateway.bed.postgres().await;
    let subscription = gateway.subscribe(None, &[]).await;
    let ingest = format!("/ingest/{subscription}");
    let accepted = gateway.post(&ingest, r#"{"payload":{}}"#).await.json();
    let path = format!("/status/{}", accepted["webhook_id"].as_str().unwrap());
    let behind = gateway.get(&path).await;
    assert_eq!(behind.status, 503);
    assert_eq!(behind.headers["retry-after"], "1");
    assert_eq!(behind.json(), detail("The status is not known yet. Try again."));

    project_to(&gateway, &postgres, 0, 1).await;
    project_to(&gateway, &postgres, 1, 1).await;
    eventually(PATIENCE, async || (gateway.get(&path).await.status == 404).then_some(())).await;
    gateway.stop().await;
}
