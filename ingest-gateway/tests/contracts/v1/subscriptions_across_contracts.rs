//! The older contracts and `/v1` read and change the same subscriptions.

use axum::http::Method;
use serde_json::{Value, json};

use super::own_subscription::{PATH, create, patch, path, published};
use crate::running::Running;

#[tokio::test(flavor = "multi_thread")]
async fn the_older_contracts_show_one_of_v1_without_a_secret_and_leave_its_settings() {
    let gateway = Running::start("v1-shown-by-a", &[]).await;
    let fields = json!({
        "event_types": ["a.*"], "rate_limit": 5, "labels": {"k": "v"},
        "verification": {"preset": "github", "secrets": ["s"]},
    });
    let created = create(&gateway, fields).await;
    let path = path(&created);
    let id = created["id"].as_str().unwrap();
    let a = gateway.get(&format!("/subscriptions/{id}")).await.json();
    assert_eq!((&a["secret"], &a["event_types"]), (&Value::Null, &json!(["a.*"])));
    let b = gateway.get(&format!("/api/v1/subscriptions/{id}")).await.json();
    assert_eq!((&b["secret"], &b["event_type_filter"]), (&Value::Null, &json!("a.*")));

    // A null secret leaves how it signs and verifies, and all that A does not know.
    let put = r#"{"target_url":"https://example.com/other"}"#;
    gateway.send(Method::PUT, &format!("/subscriptions/{id}"), put).await;
    let after = gateway.get(&path).await.json();
    assert_eq!(after["target_url"], "https://example.com/other");
    assert_eq!(after["event_types"], json!([]));
    for field in ["rate_limit", "labels", "verification", "signing"] {
        assert_eq!(after[field], created[field], "{field}");
    }

    // A secret verifies and signs from then on.
    let put = r#"{"secret":"shared"}"#;
    gateway.send_json(Method::PUT, &format!("/api/v1/subscriptions/{id}"), &[], put).await;
    let record = published(&gateway, 3).await;
    assert!(record.verification.is_none() && record.signing.is_none());
    let after = gateway.get(&path).await.json();
    assert_eq!(after["verification"], Value::Null);
    assert_eq!(after["signing"]["schemes"], json!(["standard"]));
    assert_eq!(after["rate_limit"], 5);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shared_secret_goes_on_verifying_when_its_signing_is_rotated() {
    let gateway = Running::start("v1-shared", &[]).await;
    let id = gateway.subscribe(Some("shared"), &["a"]).await;
    let path = format!("{PATH}/{id}");
    let shown = gateway.get(&path).await;
    assert!(!shown.json().to_string().contains("shared"), "{shown:?}");
    let unchanged = patch(&gateway, &path, shown.json()).await;
    assert_eq!(unchanged.json(), shown.json());

    let rotated = gateway.post(&format!("{path}/rotate-secret"), "").await.json();
    let record = published(&gateway, 2).await;
    assert_eq!(record.secret.unwrap().expose(), "shared");
    assert!(record.verification.is_none());
    let keys = record.signing.unwrap().secrets;
    assert_eq!(keys[0].key.expose(), rotated["signing_secret"]);
    assert_eq!(keys[1].key.expose(), "shared");
    assert!(keys[1].expires_at.is_some());
    let a = gateway.get(&format!("/subscriptions/{id}")).await.json();
    assert_eq!(a["secret"], "shared");
    gateway.stop().await;
}
