//! `POST /ingest/{id}`.

use axum::http::Method;
use serde_json::json;
use signature::{Secret, sign_hub};
use uuid::Uuid;

use crate::openssl::hmac;
use crate::running::{CANONICAL, CANONICAL_SECRET, Running, message, written};

const SIGNATURE: &str = "X-Hub-Signature-256";
const EVENT_TYPE: &str = "X-Event-Type";
/// API.md's example.
const SECRET: &str = "my-secure-secret-for-signing";
const BODY: &str = r#"{"event": "order.created"}"#;

fn signed(secret: &str, body: &str) -> String {
    sign_hub(&Secret::from_text(secret).unwrap(), body.as_bytes())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_contracts_example_signed_by_another_tool_is_taken_at_both_prefixes() {
    let gateway = Running::start("b-ingest-vector", &[]).await;
    let id = gateway.subscribe(Some(SECRET), &["order.created"]).await;
    let digest = hmac("sha256", SECRET.as_bytes(), BODY.as_bytes());
    let signature = format!("sha256={}", hex::encode(digest));
    let headers = [(SIGNATURE, signature.as_str()), (EVENT_TYPE, "order.created")];
    for path in [format!("/api/ingest/{id}"), format!("/api/v1/ingest/{id}/")] {
        let accepted = gateway.send_json(Method::POST, &path, &headers, BODY).await;
        let task = accepted.json()["task_id"].as_str().unwrap().to_owned();
        assert_eq!(
            written(&accepted),
            (
                202,
                &*format!("{{\"message\":\"Webhook received and queued\",\"task_id\":\"{task}\"}}")
            )
        );
    }
    let deliveries = gateway.deliveries().await;
    assert_eq!(deliveries.len(), 2);
    for (key, delivery) in deliveries {
        assert_eq!(key, id.as_bytes());
        assert_eq!(delivery.event_type.as_deref(), Some("order.created"));
        assert_eq!(delivery.content_type, "application/json");
        assert_eq!(delivery.body, BODY);
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_check_stands_in_the_contracts_order_and_has_its_words() {
    let gateway = Running::start("b-ingest-order", &[]).await;
    let guarded = gateway.subscribe(Some(SECRET), &["order.created"]).await;
    let unknown = "00000000-0000-4000-8000-000000000000";
    let right = signed(SECRET, BODY);
    let wrong = signed("other", BODY);
    let not_json = message("Request body must be JSON");
    let no_subscription =
        r#"{"message":"Subscription not found","error":"Subscription not found"}"#.to_owned();
    let missing = message("Signature header missing");
    let invalid = message("Invalid signature");
    let untyped = message(
        "Subscription has event type filter, but no 'X-Event-Type' header provided. Delivery \
         skipped",
    );
    let json = "application/json";
    for (id, content_type, headers, body, status, text) in [
        // What is not JSON is told before an id that is unknown.
        (unknown, "text/plain", vec![], BODY, 415, &not_json),
        (unknown, "application/x-www-form-urlencoded", vec![], BODY, 415, &not_json),
        ("nonsense", json, vec![], "", 415, &not_json),
        (unknown, json, vec![], "", 415, &not_json),
        (unknown, json, vec![], "{", 415, &not_json),
        (unknown, json, vec![], "{\"a\": NaN}", 415, &not_json),
        (&guarded, json, vec![(SIGNATURE, &*right)], " ", 415, &not_json),
        // That is told before the signature, and the signature before the filter.
        (unknown, json, vec![(SIGNATURE, "x")], BODY, 404, &no_subscription),
        ("nonsense", json, vec![], BODY, 404, &no_subscription),
        (&guarded, json, vec![], BODY, 401, &missing),
        (&guarded, json, vec![(SIGNATURE, "")], BODY, 401, &missing),
        (
            &guarded,
            json,
            vec![(SIGNATURE, "abc")],
            BODY,
            400,
            &message("Invalid signature header format"),
        ),
        (
            &guarded,
            json,
            vec![(SIGNATURE, "sha1=00")],
            BODY,
            400,
            &message("Unsupported signature hash method"),
        ),
        (&guarded, json, vec![(SIGNATURE, "sha256=zz")], BODY, 401, &invalid),
        (&guarded, json, vec![(SIGNATURE, &wrong), (EVENT_TYPE, "other")], BODY, 401, &invalid),
        (&guarded, json, vec![(SIGNATURE, &right), (SIGNATURE, &right)], BODY, 401, &invalid),
        (
            &guarded,
            json,
            vec![(SIGNATURE, &right), (EVENT_TYPE, "order.deleted")],
            BODY,
            202,
            &message("Event type 'order.deleted' filtered, delivery skipped"),
        ),
        (&guarded, json, vec![(SIGNATURE, &right)], BODY, 202, &untyped),
        (&guarded, json, vec![(SIGNATURE, &right), (EVENT_TYPE, "")], BODY, 202, &untyped),
    ] {
        let headers = [&headers[..], &[("Content-Type", content_type)]].concat();
        let url = gateway.url(&format!("/api/ingest/{id}"));
        let answer = gateway.http.post(&url, &headers, body).await;
        assert_eq!(written(&answer), (status, text.as_str()), "{body} {headers:?}");
        assert_eq!(answer.headers["content-type"], "application/json");
    }
    let url = gateway.url(&format!("/api/ingest/{unknown}"));
    let untold = gateway.http.post(&url, &[], BODY).await;
    assert_eq!(written(&untold), (415, not_json.as_str()), "no content type");
    assert_eq!(gateway.deliveries().await, [], "what is refused or filtered is not produced");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn any_json_value_is_taken_and_its_bytes_are_what_is_delivered() {
    let gateway = Running::start("b-ingest-any", &[]).await;
    let id = gateway.subscribe(None, &[]).await;
    let path = format!("/api/v1/ingest/{id}");
    let bodies = ["{}", "[]", "null", "0", "\"\"", "false", " {\"a\" : 1.50,\n\"a\": 1e999}\n"];
    for body in bodies {
        let headers = [("Content-Type", "application/vnd.example+json; v=1")];
        let url = gateway.url(&path);
        assert_eq!(gateway.http.post(&url, &headers, body).await.status, 202, "{body}");
    }
    let deep = [b"[".repeat(50_000), b"]".repeat(50_000)].concat();
    let accepted = gateway.send_json(Method::POST, &path, &[], deep.clone()).await;
    assert_eq!(accepted.status, 202);

    let deliveries = gateway.deliveries().await;
    let delivered: Vec<&[u8]> = deliveries.iter().map(|(_, delivery)| &*delivery.body).collect();
    assert_eq!(delivered[..bodies.len()], bodies.map(str::as_bytes));
    assert_eq!(delivered[bodies.len()], deep);
    assert_eq!(deliveries[0].1.content_type, "application/vnd.example+json; v=1");
    assert_eq!(deliveries[0].1.event_type, None);
    let last: Uuid = accepted.json()["task_id"].as_str().unwrap().parse().unwrap();
    assert_eq!(deliveries[bodies.len()].1.id.uuid(), last);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_whose_canonical_form_was_signed_is_delivered_in_that_form() {
    let gateway = Running::start("b-ingest-form", &[]).await;
    let id = gateway.subscribe(Some(CANONICAL_SECRET), &[]).await;
    let path = format!("/api/ingest/{id}");
    for (body, _, signature) in CANONICAL {
        let headers = [(SIGNATURE, signature)];
        let accepted = gateway.send_json(Method::POST, &path, &headers, body).await;
        assert_eq!(accepted.status, 202, "{body}");
    }
    let delivered: Vec<bytes::Bytes> =
        gateway.deliveries().await.into_iter().map(|(_, delivery)| delivery.body).collect();
    assert_eq!(delivered, CANONICAL.map(|(_, form, _)| form));
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn both_headers_have_the_names_that_the_operator_gave_them() {
    let names = [("WEBHOOK_SECRET_HEADER", "X-Sig"), ("WEBHOOK_EVENT_TYPE_HEADER", "X-Kind")];
    let gateway = Running::start("b-ingest-names", &names).await;
    let id = gateway.subscribe(Some(SECRET), &["order.created"]).await;
    let path = format!("/api/ingest/{id}");
    let right = signed(SECRET, BODY);
    let send = async |headers: &[(&str, &str)]| {
        gateway.send_json(Method::POST, &path, headers, BODY).await.json()
    };
    assert_eq!(send(&[(SIGNATURE, &right)]).await, json!({"message": "Signature header missing"}));
    assert_eq!(
        send(&[("x-sig", &right), (EVENT_TYPE, "order.created")]).await,
        json!({"message": "Subscription has event type filter, but no 'X-Kind' header provided. \
                           Delivery skipped"})
    );
    let taken = send(&[("x-sig", &right), ("x-kind", "order.created")]).await;
    assert_eq!(taken["message"], "Webhook received and queued");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_type_that_is_not_ascii_is_matched_as_utf_8() {
    let gateway = Running::start("b-ingest-utf8", &[]).await;
    let id = gateway.subscribe(None, &["caf\u{e9}"]).await;
    let path = format!("/api/ingest/{id}");
    let send = async |event_type: &str| {
        let headers = [(EVENT_TYPE, event_type)];
        gateway.send_json(Method::POST, &path, &headers, BODY).await.json()["message"].clone()
    };
    assert_eq!(send("caf\u{e9}").await, "Webhook received and queued");
    assert_eq!(send("Caf\u{e9}").await, "Event type 'Caf\u{e9}' filtered, delivery skipped");
    gateway.stop().await;
}
