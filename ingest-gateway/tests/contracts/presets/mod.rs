//! The verifications of subscriptions, on the ingest URLs of both contracts.

mod bodies;
mod event_types;
mod signatures;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use pipeline::ids::SubscriptionId;
use pipeline::subscription::{SecretText, Subscription, Verification};
use serde_json::json;
use test_bed::{Answer, eventually};
use uuid::Uuid;

use crate::openssl::hmac;
use crate::published_requests::Request;
use crate::running::{PATIENCE, Running};

/// The ingest URLs of a subscription.
fn paths(subscription: &Subscription) -> [String; 3] {
    ["", "/api", "/api/v1"].map(|prefix| format!("{prefix}/ingest/{}", subscription.id))
}

/// A subscription with a verification.
fn verified(preset: &str, secrets: &[&str]) -> Subscription {
    let secrets = secrets.iter().map(|text| SecretText::Plain((*text).to_owned())).collect();
    let preset = serde_json::from_str(preset).unwrap();
    let id = SubscriptionId::from_uuid(Uuid::new_v4());
    Subscription {
        verification: Some(Verification { preset, secrets }),
        ..Subscription::new(id, "https://example.com/", Timestamp::now())
    }
}

/// Waits until the gateway knows a new subscription that refuses what is not signed.
async fn known(gateway: &Running, subscription: Subscription) -> Subscription {
    gateway.publish(&subscription).await;
    let path = format!("/ingest/{}", subscription.id);
    eventually(PATIENCE, async || (gateway.post(&path, "").await.status == 401).then_some(()))
        .await;
    subscription
}

type Headers = Vec<(&'static str, String)>;

/// The headers of a request like a published one, signed by `openssl` at another time, with
/// another secret. Without a `v0` in Stripe's.
fn signed(request: &Request, secret: &str, at: i64, body: &[u8]) -> Headers {
    let timed = |before: &str, after: &str| {
        [before.as_bytes(), at.to_string().as_bytes(), after.as_bytes(), body].concat()
    };
    let (key, name) = (secret.as_bytes(), request.headers[0].0);
    let sha256_hex = |message: &[u8]| hex::encode(hmac("sha256", key, message));
    match (name, request.headers.len()) {
        ("x-hub-signature-256" | "x-seed-signature", 1) => {
            vec![(name, format!("sha256={}", sha256_hex(body)))]
        }
        ("x-shopify-hmac-sha256", 1) => vec![(name, STANDARD.encode(hmac("sha256", key, body)))],
        ("stripe-signature", 1) => {
            vec![(name, format!("t={at},v1={}", sha256_hex(&timed("", "."))))]
        }
        ("x-slack-signature", 2) => vec![
            (name, format!("v0={}", sha256_hex(&timed("v0:", ":")))),
            ("x-slack-request-timestamp", at.to_string()),
        ],
        ("webhook-signature", 3) => {
            let key = STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
            let (id_name, id) = request.headers[1].clone();
            let signature = hmac("sha256", &key, &timed(&format!("{id}."), "."));
            let signature = format!("v1,{}", STANDARD.encode(signature));
            vec![(name, signature), (id_name, id), ("webhook-timestamp", at.to_string())]
        }
        ("x-sig", 1) => vec![(name, format!("sha1={}", hex::encode(hmac("sha1", key, body))))],
        ("x-sig", 2) => vec![
            (name, STANDARD.encode(hmac("sha512", key, &timed("", ".")))),
            ("x-time", at.to_string()),
        ],
        other => panic!("{other:?} is no header of a published request"),
    }
}

/// A published request as it would be sent now.
fn signed_now(request: &Request) -> Headers {
    signed(request, request.secret, Timestamp::now().as_second(), request.body)
}

async fn send(gateway: &Running, path: &str, headers: &Headers, body: &[u8]) -> Answer {
    let headers: Vec<(&str, &str)> =
        headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    gateway.http.post(&gateway.url(path), &headers, body.to_vec()).await
}

/// An error's body in the contract of a path, as it is written.
fn error(path: &str, text: &str) -> String {
    let field = if path.starts_with("/api") { "message" } else { "detail" };
    json!({ field: text }).to_string()
}
