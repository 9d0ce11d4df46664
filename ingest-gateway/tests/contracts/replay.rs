//! The example requests of both older services, one after the other against one gateway, and
//! the very text of each answer: status, fields, their order, messages.
//!
//! Ids and instants are told apart by their form alone: `<id>`, `<z>` for an instant as
//! contract A writes it, `<offset>` for one as contract B does.

use axum::http::Method;
use jiff::Timestamp;
use uuid::Uuid;

use crate::projected::{Attempt, add_attempt, add_delivery, project_to};
use crate::running::Running;

/// A request, and the answer to it.
struct Exchange {
    method: Method,
    path: &'static str,
    headers: &'static [(&'static str, &'static str)],
    body: &'static str,
    status: u16,
    answer: &'static str,
}

const fn exchange(
    method: Method,
    path: &'static str,
    headers: &'static [(&'static str, &'static str)],
    body: &'static str,
    status: u16,
    answer: &'static str,
) -> Exchange {
    Exchange { method, path, headers, body, status, answer }
}

/// Sends all of them; `{id}` in a path is the first id that an answer had. Returns the last.
async fn replay(gateway: &Running, exchanges: &[Exchange]) -> String {
    let (mut first, mut last) = (String::new(), String::new());
    for Exchange { method, path, headers, body, status, answer } in exchanges {
        let path = path.replace("{id}", &first);
        let answered = gateway.send_json(method.clone(), &path, headers, *body).await;
        let text = str::from_utf8(&answered.body).unwrap();
        assert_eq!((answered.status.as_u16(), &*told_by_form(text)), (*status, *answer), "{path}");
        if let Some(id) = text.split('"').rfind(|piece| Uuid::parse_str(piece).is_ok()) {
            last = id.to_owned();
            if first.is_empty() {
                first.clone_from(&last);
            }
        }
    }
    last
}

/// None of these texts holds an escaped quote, so that every second piece is a string.
fn told_by_form(text: &str) -> String {
    let form = |piece: &str| match piece.parse::<Timestamp>() {
        Ok(_) if piece.ends_with('Z') => "<z>".to_owned(),
        Ok(_) if piece.ends_with("+00:00") => "<offset>".to_owned(),
        _ if Uuid::parse_str(piece).is_ok() => "<id>".to_owned(),
        _ => piece.to_owned(),
    };
    text.split('"').map(form).collect::<Vec<_>>().join("\"")
}

/// Puts the delivery into the projection with one attempt, as the projector would.
async fn deliver(gateway: &Running, subscription: &str, delivery: &str, payload: &str) {
    let postgres = gateway.bed.postgres().await;
    let ids = [delivery, subscription].map(|id| id.parse::<Uuid>().unwrap());
    add_delivery(&postgres, ids[0], ids[1], "delivered").await;
    let sql = "UPDATE deliveries SET content_type = 'application/json', payload = $2, \
               attempts = 1, last_attempt_at = now(), last_http_status = 200 WHERE id = $1";
    postgres.execute(sql, &[&ids[0], &payload.as_bytes()]).await.unwrap();
    let attempt = Attempt {
        number: 1,
        succeeded: true,
        state: "delivered",
        http_status: Some(200),
        error: None,
        next: None,
    };
    add_attempt(&postgres, ids[0], ids[1], attempt).await;
    project_to(gateway, &postgres, 0, 1).await;
    project_to(gateway, &postgres, 1, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_contracts_examples_are_answered_word_for_word() {
    const SUBSCRIPTION: &str = r#"{"target_url":"https://example.com/webhook-receiver","secret":"your_secure_secret_key","event_types":["user.created","user.updated"],"id":"<id>","created_at":"<z>","updated_at":"<z>"}"#;
    const BODY: &str = r#"{"target_url":"https://example.com/webhook-receiver","secret":"your_secure_secret_key","event_types":["user.created","user.updated"]}"#;
    const EVENT: &str = r#"{"event_type":"user.created","payload":{"action":"created","timestamp":"...","user_id":123}}"#;
    const SIGNATURE: (&str, &str) = (
        "X-Hub-Signature-256",
        "sha256=3396f2b35a246984a0e61d668d25c60a727603fe496b17cb217112a5d2ff722f",
    );
    let gateway = Running::start("replay-a", &[]).await;
    let webhook = replay(
        &gateway,
        &[
            exchange(Method::POST, "/subscriptions/", &[], BODY, 201, SUBSCRIPTION),
            exchange(Method::GET, "/subscriptions/{id}", &[], "", 200, SUBSCRIPTION),
            exchange(
                Method::PUT,
                "/subscriptions/{id}",
                &[],
                r#"{"target_url":"https://example.com/new"}"#,
                200,
                r#"{"target_url":"https://example.com/new","secret":null,"event_types":[],"id":"<id>","created_at":"<z>","updated_at":"<z>"}"#,
            ),
            exchange(Method::PUT, "/subscriptions/{id}", &[], BODY, 200, SUBSCRIPTION),
            exchange(
                Method::GET,
                "/subscriptions/00000000-0000-4000-8000-000000000000",
                &[],
                "",
                404,
                r#"{"detail":"Subscription not found"}"#,
            ),
            exchange(
                Method::POST,
                "/ingest/{id}",
                &[],
                EVENT,
                401,
                r#"{"detail":"Missing X-Hub-Signature-256 header."}"#,
            ),
            exchange(
                Method::POST,
                "/ingest/{id}",
                &[("X-Hub-Signature-256", "3396f2b3")],
                EVENT,
                401,
                r#"{"detail":"Invalid X-Hub-Signature-256 format. Expected 'sha256=...'."}"#,
            ),
            exchange(
                Method::POST,
                "/ingest/{id}",
                &[("X-Hub-Signature-256", "sha256=3396f2b3")],
                EVENT,
                403,
                r#"{"detail":"Invalid signature."}"#,
            ),
            exchange(
                Method::POST,
                "/ingest/{id}",
                &[SIGNATURE],
                EVENT,
                202,
                r#"{"message":"Webhook accepted for processing","webhook_id":"<id>"}"#,
            ),
        ],
    )
    .await;
    let list = gateway.get("/subscriptions/?skip=0&limit=100").await;
    let list = String::from_utf8(list.body.to_vec()).unwrap();
    assert_eq!(told_by_form(&list), format!("[{SUBSCRIPTION}]"));

    let id = gateway.deliveries().await[0].1.subscription_id.to_string();
    deliver(&gateway, &id, &webhook, EVENT).await;
    const ATTEMPT: &str = r#"{"id":"<id>","webhook_id":"<id>","subscription_id":"<id>","target_url":"https://example.com/","attempt_number":1,"attempted_at":"<z>","outcome":"succeeded","http_status_code":200,"error_details":null,"next_attempt_at":null}"#;
    for (path, expected) in [
        (
            format!("/status/{webhook}"),
            format!(
                r#"{{"id":"<id>","subscription_id":"<id>","ingested_at":"<z>","status":"succeeded","latest_attempt":{ATTEMPT},"attempts":[{ATTEMPT}]}}"#
            ),
        ),
        (format!("/subscriptions/{id}/logs?limit=20"), format!("[{ATTEMPT}]")),
        ("/logs/?skip=0&limit=100".to_owned(), format!("[{ATTEMPT}]")),
        (format!("/status/{id}"), r#"{"detail":"Webhook not found"}"#.to_owned()),
    ] {
        let answer = gateway.get(&path).await;
        assert_eq!(told_by_form(str::from_utf8(&answer.body).unwrap()), expected, "{path}");
    }
    let deleted = gateway.send(Method::DELETE, &format!("/subscriptions/{id}"), "").await;
    assert_eq!((deleted.status.as_u16(), deleted.body.len()), (204, 0));
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_second_contracts_examples_are_answered_word_for_word() {
    const SUBSCRIPTION: &str = r#"{"id":"<id>","target_url":"https://example.com/your-unique-id","secret":"my-secure-secret-for-signing","event_type_filter":"order.created","created_at":"<offset>","updated_at":"<offset>"}"#;
    const EVENT: &str = r#"{"event": "order.created"}"#;
    const SIGNATURE: (&str, &str) = (
        "X-Hub-Signature-256",
        "sha256=6b726643d33d99628613af687bc0783ae66f857ee9fbb860585fc31df88c9c46",
    );
    const NOT_FOUND: &str =
        r#"{"message":"Subscription not found","error":"Subscription not found"}"#;
    let gateway = Running::start("replay-b", &[]).await;
    let task = replay(
        &gateway,
        &[
            exchange(
                Method::POST,
                "/api/subscriptions",
                &[],
                r#"{"target_url":"https://example.com/your-unique-id","secret":"my-secure-secret-for-signing","event_type_filter":"order.created"}"#,
                201,
                SUBSCRIPTION,
            ),
            exchange(Method::GET, "/api/subscriptions/{id}", &[], "", 200, SUBSCRIPTION),
            exchange(
                Method::PUT,
                "/api/subscriptions/{id}",
                &[],
                r#"{"target_url":"https://example.com/updated-id","event_type_filter":"product.updated"}"#,
                200,
                r#"{"id":"<id>","target_url":"https://example.com/updated-id","secret":"my-secure-secret-for-signing","event_type_filter":"product.updated","created_at":"<offset>","updated_at":"<offset>"}"#,
            ),
            exchange(
                Method::POST,
                "/api/ingest/{id}",
                &[SIGNATURE, ("X-Event-Type", "order.created")],
                EVENT,
                202,
                r#"{"message":"Event type 'order.created' filtered, delivery skipped"}"#,
            ),
            exchange(
                Method::PUT,
                "/api/subscriptions/{id}",
                &[],
                r#"{"target_url":"https://example.com/your-unique-id","event_type_filter":"order.created"}"#,
                200,
                SUBSCRIPTION,
            ),
            exchange(
                Method::GET,
                "/api/subscriptions/00000000-0000-4000-8000-000000000000",
                &[],
                "",
                404,
                NOT_FOUND,
            ),
            exchange(
                Method::POST,
                "/api/ingest/00000000-0000-4000-8000-000000000000",
                &[],
                EVENT,
                404,
                NOT_FOUND,
            ),
            exchange(
                Method::POST,
                "/api/v1/ingest/{id}",
                &[],
                "{",
                415,
                r#"{"message":"Request body must be JSON"}"#,
            ),
            exchange(
                Method::POST,
                "/api/v1/ingest/{id}",
                &[],
                EVENT,
                401,
                r#"{"message":"Signature header missing"}"#,
            ),
            exchange(
                Method::POST,
                "/api/v1/ingest/{id}",
                &[("X-Hub-Signature-256", "sha256=calculated_signature_here")],
                EVENT,
                401,
                r#"{"message":"Invalid signature"}"#,
            ),
            exchange(
                Method::POST,
                "/api/v1/ingest/{id}",
                &[SIGNATURE, ("X-Event-Type", "order.created")],
                EVENT,
                202,
                r#"{"message":"Webhook received and queued","task_id":"<id>"}"#,
            ),
        ],
    )
    .await;
    let list = gateway.get("/api/subscriptions").await;
    let list = String::from_utf8(list.body.to_vec()).unwrap();
    assert_eq!(told_by_form(&list), format!("[{SUBSCRIPTION}]"));

    let id = gateway.deliveries().await[0].1.subscription_id.to_string();
    deliver(&gateway, &id, &task, EVENT).await;
    const ATTEMPT: &str = r#"{"id":"<id>","delivery_task_id":"<id>","attempt_number":1,"outcome":"success","http_status":200,"error_details":null,"timestamp":"<offset>"}"#;
    for (path, expected) in [
        (
            format!("/api/status/delivery_tasks/{task}"),
            format!(
                r#"{{"task_id":"<id>","id":"<id>","subscription_id":"<id>","payload":{EVENT},"status":"succeeded","attempts_count":1,"created_at":"<offset>","last_attempt_at":"<offset>","next_attempt_at":null,"last_http_status":200,"last_error":null,"attempts":[{ATTEMPT}]}}"#
            ),
        ),
        (format!("/api/status/subscriptions/{id}/attempts"), format!("[{ATTEMPT}]")),
        (
            format!("/api/status/delivery_tasks/{id}"),
            r#"{"message":"Delivery task not found"}"#.to_owned(),
        ),
    ] {
        let answer = gateway.get(&path).await;
        assert_eq!(told_by_form(str::from_utf8(&answer.body).unwrap()), expected, "{path}");
    }
    let deleted = gateway.send(Method::DELETE, &format!("/api/subscriptions/{id}"), "").await;
    assert_eq!(deleted.body, r#"{"message":"Subscription deleted"}"#);
    gateway.stop().await;
}
