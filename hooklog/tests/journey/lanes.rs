//! What one subscription's receiver does, and what becomes of its work when it changes.

use std::time::Duration;

use http::Method;
use jiff::Timestamp;
use serde_json::{Value, json};
use signature::{Secret, StandardHeaders, verify_standard};
use test_bed::{Call, Receiver, TestBed, eventually};

use crate::running::Hooklog;

const SOON: Duration = Duration::from_secs(30);
const JSON: (&str, &str) = ("content-type", "application/json");

/// Speaks to `/v1/subscriptions{path}`; the answer is a success.
async fn v1(hooklog: &Hooklog, method: Method, path: &str, body: Value) -> Value {
    let url = format!("{}/v1/subscriptions{path}", hooklog.base);
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let answer = hooklog.http.try_send(method, &url, &[JSON], body).await.expect("an answer");
    assert!(answer.status.is_success(), "{answer:?}");
    if answer.body.is_empty() { Value::Null } else { answer.json() }
}

async fn create(hooklog: &Hooklog, target_url: &str) -> (String, Value) {
    let made = v1(hooklog, Method::POST, "", json!({ "target_url": target_url })).await;
    (made["id"].as_str().unwrap().to_owned(), made)
}

async fn send(hooklog: &Hooklog, subscription: &str, events: usize) -> Vec<String> {
    let sent = (0..events).map(async |n| {
        let body = format!(r#"{{"payload":{{"n":{n}}}}}"#);
        hooklog.ingest(subscription, None, &body).await
    });
    futures_util::future::join_all(sent).await
}

fn is_signed_with(call: &Call, secret: &str) -> bool {
    let headers = StandardHeaders {
        id: call.header("webhook-id"),
        timestamp: call.header("webhook-timestamp"),
        signature: call.header("webhook-signature"),
    };
    let secrets = [Secret::from_text(secret).unwrap()];
    verify_standard(&secrets, headers, &call.body, Timestamp::now().as_second(), SOON).is_ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_never_answers_holds_up_nobody_else() {
    /// Before the first call to the hung one has timed out, and so before it gives anything back.
    const MEANWHILE: Duration = Duration::from_secs(8);
    let bed = TestBed::start("hung").await;
    let hooklog = Hooklog::start(&bed, &[("HOOKLOG_MAX_IN_FLIGHT", "16")]).await;
    let hung = Receiver::start_slow(|_| (Duration::from_secs(3_600), 200)).await;
    let healthy = Receiver::start(|_| 200).await;
    let (to_hung, _) = create(&hooklog, &hung.url("/")).await;
    let (to_healthy, _) = create(&hooklog, &healthy.url("/")).await;
    send(&hooklog, &to_hung, 400).await;
    eventually(SOON, || async { (hung.count() > 0).then_some(()) }).await;

    send(&hooklog, &to_healthy, 200).await;
    eventually(MEANWHILE, || async { (healthy.count() == 200).then_some(()) }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_410_the_work_waits_and_goes_out_when_somebody_resumes() {
    let bed = TestBed::start("gone").await;
    let mut hooklog = Hooklog::start(&bed, &[]).await;
    let receiver = Receiver::start(|call| match call.path.as_str() {
        "/moved" => 410,
        _ => 200,
    })
    .await;
    let (id, _) = create(&hooklog, &receiver.url("/moved")).await;
    let first = send(&hooklog, &id, 1).await.remove(0);
    hooklog.status_once(&first, "failed", SOON).await;
    let path = format!("/{id}");
    eventually(SOON, || async {
        let shown = v1(&hooklog, Method::GET, &path, Value::Null).await;
        (shown["paused"] == "gone").then_some(())
    })
    .await;

    // Neither the process that got the 410 nor the one after it calls again.
    let waiting = send(&hooklog, &id, 3).await;
    hooklog.kill_and_restart();
    hooklog.ready().await;
    let new = json!({ "target_url": receiver.url("/here") });
    v1(&hooklog, Method::PATCH, &path, new).await;
    v1(&hooklog, Method::POST, &format!("/{id}/resume"), Value::Null).await;
    for delivery in waiting {
        hooklog.status_once(&delivery, "succeeded", SOON).await;
    }
    let calls = receiver.calls();
    assert_eq!(calls.iter().filter(|call| call.path == "/moved").count(), 1, "called again");
    // What was put aside and not yet committed at the kill may be called once more.
    let ids =
        calls.iter().filter(|call| call.path == "/here").map(|call| &call.headers["webhook-id"]);
    assert_eq!(ids.collect::<std::collections::HashSet<_>>().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_goes_where_and_as_the_subscription_says_now() {
    let bed = TestBed::start("changed").await;
    let hooklog = Hooklog::start(&bed, &[]).await;
    let (old, new) = (Receiver::start(|_| 500).await, Receiver::start(|_| 200).await);
    let retry = json!({ "schedule": [2, 2, 2] });
    let subscription = json!({ "target_url": old.url("/"), "retry": retry });
    let made = v1(&hooklog, Method::POST, "", subscription).await;
    let id = made["id"].as_str().unwrap().to_owned();
    let retried = send(&hooklog, &id, 5).await;
    eventually(SOON, || async { (old.count() >= 5).then_some(()) }).await;

    let rotated = v1(&hooklog, Method::POST, &format!("/{id}/rotate-secret"), Value::Null).await;
    let change = json!({ "target_url": new.url("/") });
    v1(&hooklog, Method::PATCH, &format!("/{id}"), change).await;
    for delivery in retried {
        hooklog.status_once(&delivery, "succeeded", SOON).await;
    }
    let secret = rotated["signing_secret"].as_str().unwrap();
    assert!(new.calls().iter().all(|call| is_signed_with(call, secret)));
    assert!(!new.calls().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_a_deleted_subscription_is_cancelled() {
    let bed = TestBed::start("deleted").await;
    let hooklog = Hooklog::start(&bed, &[]).await;
    let receiver = Receiver::start(|_| 500).await;
    let retry = json!({ "schedule": [2, 2, 2] });
    let subscription = json!({ "target_url": receiver.url("/"), "retry": retry });
    let made = v1(&hooklog, Method::POST, "", subscription).await;
    let id = made["id"].as_str().unwrap().to_owned();
    let deliveries = send(&hooklog, &id, 3).await;
    eventually(SOON, || async { (receiver.count() >= 3).then_some(()) }).await;
    v1(&hooklog, Method::DELETE, &format!("/{id}"), Value::Null).await;

    let postgres = bed.postgres().await;
    eventually(SOON, || async {
        let rows = postgres.query("SELECT state FROM deliveries", &[]).await.unwrap();
        let cancelled = rows.iter().filter(|row| row.get::<_, &str>(0) == "cancelled").count();
        (cancelled == deliveries.len()).then_some(())
    })
    .await;
    assert_eq!(receiver.count(), 3, "called after it was deleted");
}
