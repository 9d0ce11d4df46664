//! `POST /ingest/{id}`.

use axum::http::Method;
use jiff::Timestamp;
use pipeline::delivery::Delivery;
use pipeline::ids::{DeliveryId, MessageId, SubscriptionId};
use serde_json::{Value, json};
use signature::{Secret, sign_hub};
use test_bed::eventually;
use uuid::Uuid;

use crate::running::{CANONICAL, CANONICAL_SECRET, PATIENCE, Running, detail};

const HEADER: &str = "X-Hub-Signature-256";
const SECRET: &str = CANONICAL_SECRET;
/// API.md's first vector, made with another tool; its canonical form is its raw form.
const SIGNED_BODY: &str = r#"{"event_type":"user.created","payload":{"action":"created","timestamp":"...","user_id":123}}"#;
const SIGNATURE: &str = "sha256=3396f2b35a246984a0e61d668d25c60a727603fe496b17cb217112a5d2ff722f";

fn signed(body: &str) -> String {
    sign_hub(&Secret::from_text(SECRET).unwrap(), body.as_bytes())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_check_stands_in_the_contracts_order_and_has_its_words() {
    let gateway = Running::start("ingest-order", &[]).await;
    let plain = gateway.subscribe(None, &[]).await;
    let guarded = gateway.subscribe(Some(SECRET), &["user.created"]).await;
    let unknown = "00000000-0000-4000-8000-000000000000";
    let untyped = r#"{"payload":{}}"#;
    let other = r#"{"payload":{},"event_type":"user.deleted"}"#;
    let (signed_untyped, signed_other) = (signed(untyped), signed(other));
    let flipped = SIGNATURE.replace("=3", "=4");

    let invalid_path = gateway.post("/ingest/nonsense", untyped).await;
    assert_eq!(invalid_path.status, 422);
    assert_eq!(invalid_path.json()["detail"][0]["loc"], json!(["path", "subscription_id"]));
    let both = gateway.post("/ingest/nonsense", "{}").await.json();
    let both: Vec<&Value> =
        both["detail"].as_array().unwrap().iter().map(|it| &it["loc"]).collect();
    assert_eq!(both, [&json!(["path", "subscription_id"]), &json!(["body", "payload"])]);
    // A body that is wrong is told before an id that is unknown, and before the signature.
    for id in [unknown, &guarded] {
        let answer = gateway.post(&format!("/ingest/{id}"), r#"{"a":1}"#).await;
        assert_eq!(answer.status, 422);
        assert_eq!(
            answer.json(),
            json!({"detail": [{"type": "missing", "loc": ["body", "payload"],
                "msg": "Field required", "input": {"a": 1}}]})
        );
    }

    let missing = detail("Missing X-Hub-Signature-256 header.");
    let format = detail("Invalid X-Hub-Signature-256 format. Expected 'sha256=...'.");
    let invalid = detail("Invalid signature.");
    let type_missing = detail(
        "Event type filter configured for subscription, but 'event_type' field is missing in \
         the payload.",
    );
    let filtered =
        json!({"message": "Webhook accepted but filtered by event type: 'user.deleted'."});
    for (id, headers, body, status, text) in [
        (unknown, vec![], untyped, 404, detail("Subscription not found")),
        (&guarded, vec![], SIGNED_BODY, 401, missing.clone()),
        (&guarded, vec![""], SIGNED_BODY, 401, missing),
        (&guarded, vec![&SIGNATURE[7..]], SIGNED_BODY, 401, format.clone()),
        (&guarded, vec!["sha1=00"], SIGNED_BODY, 401, format),
        (&guarded, vec![flipped.as_str()], SIGNED_BODY, 403, invalid.clone()),
        (&guarded, vec!["sha256=zz"], SIGNED_BODY, 403, invalid.clone()),
        (&guarded, vec![SIGNATURE, SIGNATURE], SIGNED_BODY, 403, invalid.clone()),
        // The signature stands before the filter.
        (&guarded, vec![SIGNATURE], untyped, 403, invalid),
        (&guarded, vec![signed_untyped.as_str()], untyped, 400, type_missing),
        (&guarded, vec![signed_other.as_str()], other, 202, filtered),
    ] {
        let headers: Vec<(&str, &str)> = headers.iter().map(|value| (HEADER, *value)).collect();
        let url = gateway.url(&format!("/ingest/{id}"));
        let answer = gateway.http.post(&url, &headers, body).await;
        assert_eq!((answer.status.as_u16(), answer.json()), (status, text), "{body} {headers:?}");
    }
    assert_eq!(gateway.deliveries().await, [], "what is refused or filtered is not produced");

    let url = gateway.url(&format!("/ingest/{guarded}"));
    let accepted = gateway.http.post(&url, &[(HEADER, SIGNATURE)], SIGNED_BODY).await;
    assert_eq!(accepted.status, 202);
    assert_eq!(accepted.json()["message"], "Webhook accepted for processing");
    // Without a secret a signature is not looked at.
    let url = gateway.url(&format!("/ingest/{plain}"));
    assert_eq!(gateway.http.post(&url, &[(HEADER, "nonsense")], untyped).await.status, 202);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_the_202_the_record_is_in_the_topic_with_the_bytes_that_were_received() {
    let gateway = Running::start("ingest-record", &[]).await;
    let id = gateway.subscribe(None, &["a.b"]).await;
    let body = " {\"event_type\" : \"a.b\",\n \"payload\": {\"n\": 1.50, \"s\": \"\\u00e9\\/\"}}\n";
    let before = Timestamp::now();
    let headers = [("Content-Type", "application/vnd.example+json; v=1")];
    let url = gateway.url(&format!("/ingest/{id}/"));
    let accepted = gateway.http.post(&url, &headers, body).await;
    assert_eq!(accepted.status, 202);
    let text = String::from_utf8(accepted.body.to_vec()).unwrap();
    let webhook_id = accepted.json()["webhook_id"].as_str().unwrap().to_owned();
    assert_eq!(
        text,
        format!(
            "{{\"message\":\"Webhook accepted for processing\",\"webhook_id\":\"{webhook_id}\"}}"
        )
    );

    let [(key, delivery)] = gateway.deliveries().await.try_into().unwrap();
    assert_eq!(key, id.as_bytes());
    let accepted_at = delivery.accepted_at;
    assert!(before <= accepted_at && accepted_at <= Timestamp::now(), "{accepted_at}");
    let uuid: Uuid = webhook_id.parse().unwrap();
    assert_eq!(uuid.get_version_num(), 7);
    assert_eq!(
        delivery,
        Delivery {
            id: DeliveryId::from_uuid(uuid),
            subscription_id: id.parse::<SubscriptionId>().unwrap(),
            subscription_version: 1,
            message_id: MessageId::from_uuid(uuid),
            event_type: Some("a.b".to_owned()),
            content_type: "application/vnd.example+json; v=1".to_owned(),
            accepted_at,
            attempt: 1,
            release: 0,
            wait: None,
            replay_of: None,
            attributes: Vec::new(),
            body: bytes::Bytes::from_static(body.as_bytes()),
        }
    );
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_whose_canonical_form_was_signed_is_delivered_in_that_form() {
    let gateway = Running::start("ingest-form", &[("HOOKLOG_MAX_BODY", "1KiB")]).await;
    let id = gateway.subscribe(Some(SECRET), &[]).await;
    let url = gateway.url(&format!("/ingest/{id}"));
    for (body, _, signature) in CANONICAL {
        let accepted = gateway.http.post(&url, &[(HEADER, signature)], body).await;
        assert_eq!(accepted.status, 202, "{body}");
        // The raw bytes come first, and are then what is delivered.
        let raw = signed(body);
        assert_eq!(gateway.http.post(&url, &[(HEADER, &raw)], body).await.status, 202);
    }
    let delivered: Vec<bytes::Bytes> =
        gateway.deliveries().await.into_iter().map(|(_, delivery)| delivery.body).collect();
    let expected: Vec<&str> = CANONICAL.iter().flat_map(|(raw, form, _)| [*form, *raw]).collect();
    assert_eq!(delivered, expected);

    // One character of two bytes is six in that form, and what is delivered has the bound.
    let text = "\u{e9}".repeat(400);
    let form = format!("{{\"payload\":{{\"x\":\"{}\"}}}}", "\\u00e9".repeat(400));
    let long = format!("{{\"payload\":{{\"x\":\"{text}\"}}}}");
    let refused = gateway.http.post(&url, &[(HEADER, &signed(&form))], long).await;
    assert_eq!((refused.status.as_u16(), refused.json()), (413, detail("Payload too large.")));
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_version_of_a_subscription_counts_at_once() {
    let gateway = Running::start("ingest-version", &[]).await;
    let id = gateway.subscribe(Some("old"), &[]).await;
    let path = format!("/subscriptions/{id}");
    let url = gateway.url(&format!("/ingest/{id}"));
    let body = r#"{"payload":{}}"#;
    let by = |key: &str| sign_hub(&Secret::from_text(key).unwrap(), body.as_bytes());
    let (old, new) = (by("old"), by("new"));
    assert_eq!(gateway.http.post(&url, &[(HEADER, &old)], body).await.status, 202);

    let changed = r#"{"target_url":"https://example.com/other","secret":"new"}"#;
    assert_eq!(gateway.send(Method::PUT, &path, changed).await.status, 200);
    assert_eq!(gateway.http.post(&url, &[(HEADER, &old)], body).await.status, 403);
    assert_eq!(gateway.http.post(&url, &[(HEADER, &new)], body).await.status, 202);
    let versions: Vec<u64> =
        gateway.deliveries().await.iter().map(|(_, d)| d.subscription_version).collect();
    assert_eq!(versions, [1, 2]);

    assert_eq!(gateway.send(Method::DELETE, &path, "").await.status, 204);
    let gone = gateway.http.post(&url, &[(HEADER, &new)], body).await;
    assert_eq!((gone.status.as_u16(), gone.json()), (404, detail("Subscription not found")));
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_signature_header_has_the_name_that_the_operator_gave_it() {
    let gateway = Running::start("ingest-header", &[("WEBHOOK_SECRET_HEADER", "X-Sig")]).await;
    let id = gateway.subscribe(Some(SECRET), &[]).await;
    let url = gateway.url(&format!("/ingest/{id}"));
    let refused = gateway.http.post(&url, &[(HEADER, SIGNATURE)], SIGNED_BODY).await;
    assert_eq!(refused.json(), detail("Missing X-Sig header."));
    let accepted = gateway.http.post(&url, &[("x-sig", SIGNATURE)], SIGNED_BODY).await;
    assert_eq!(accepted.status, 202);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_that_has_not_come_through_the_topic_yet_is_asked_for_once() {
    let gateway = Running::start("ask-once", &[]).await;
    let id = Uuid::new_v4();
    let path = format!("/ingest/{id}");
    let body = r#"{"payload":{}}"#;
    assert_eq!(gateway.post(&path, body).await.status, 404);
    // As another gateway leaves it that was killed right after its 201, before its relay ran.
    let insert = "INSERT INTO subscriptions (id, version, target_url, created_at, updated_at) \
                  VALUES ($1, 1, 'https://example.com/', now(), now())";
    gateway.bed.postgres().await.execute(insert, &[&id]).await.unwrap();
    eventually(PATIENCE, async || (gateway.post(&path, body).await.status == 202).then_some(()))
        .await;
    gateway.stop().await;
}
