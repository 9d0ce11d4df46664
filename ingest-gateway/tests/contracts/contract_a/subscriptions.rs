//! `/subscriptions`, and the way of a change into the compacted topic.

use axum::http::Method;
use serde_json::{Value, json};
use test_bed::eventually;

use crate::running::{PATIENCE, Running, detail};

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_is_created_read_listed_and_deleted_in_the_contracts_shape() {
    let gateway = Running::start("sub-shape", &[]).await;
    let body = r#"{"target_url":"HTTPS://Example.com:443/a/../b","secret":"s","extra":[1]}"#;
    let created = gateway.post("/subscriptions/", body).await;
    assert_eq!(created.status, 201);
    let shown = created.json();
    let id = shown["id"].as_str().unwrap();
    let at = shown["created_at"].as_str().unwrap();
    assert_eq!(
        String::from_utf8(created.body.to_vec()).unwrap(),
        format!(
            "{{\"target_url\":\"https://example.com/b\",\"secret\":\"s\",\"event_types\":[],\
             \"id\":\"{id}\",\"created_at\":\"{at}\",\"updated_at\":\"{at}\"}}"
        )
    );
    assert!(at.len() == "2026-01-01T00:00:00.000000Z".len() && at.ends_with('Z'), "{at}");

    let path = format!("/subscriptions/{id}");
    assert_eq!(gateway.get(&path).await.body, created.body);
    let second = gateway.subscribe(None, &["x"]).await;
    let list = gateway.get("/subscriptions/").await.json();
    assert_eq!(list[0], shown);
    assert_eq!(list[1]["id"], second);
    let page = gateway.get("/subscriptions?skip=1&limit=1").await.json();
    assert_eq!(page, json!([list[1]]));

    let deleted = gateway.send(Method::DELETE, &path, "").await;
    assert_eq!((deleted.status.as_u16(), deleted.body.len()), (204, 0));
    let again = gateway.send(Method::DELETE, &path, "").await;
    assert_eq!((again.status.as_u16(), again.json()), (404, detail("Subscription not found")));
    let put = gateway.send(Method::PUT, &path, r#"{"target_url":"https://example.com"}"#).await;
    assert_eq!((put.status.as_u16(), put.json()), (404, detail("Subscription not found")));
    let read = gateway.get(&path).await;
    assert_eq!((read.status.as_u16(), read.json()), (404, detail("Subscription not found")));
    assert_eq!(gateway.get("/subscriptions/").await.json(), json!([list[1]]));
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn put_replaces_everything_and_what_is_left_out_falls_back_to_its_default() {
    let gateway = Running::start("sub-put", &[]).await;
    let id = gateway.subscribe(Some("s"), &["a", "b"]).await;
    let path = format!("/subscriptions/{id}");
    let before = gateway.get(&path).await.json();
    let body = r#"{"target_url":"http://example.com:8080"}"#;
    let replaced = gateway.send(Method::PUT, &path, body).await;
    assert_eq!(replaced.status, 200);
    let after = replaced.json();
    assert_eq!(after["target_url"], "http://example.com:8080/");
    assert_eq!(after["secret"], Value::Null);
    assert_eq!(after["event_types"], json!([]));
    assert_eq!(after["created_at"], before["created_at"]);
    assert!(after["updated_at"].as_str() > before["updated_at"].as_str());
    assert_eq!(gateway.get(&path).await.json(), after);

    let null_types = r#"{"target_url":"http://example.com","event_types":null}"#;
    let replaced = gateway.send(Method::PUT, &path, null_types).await.json();
    assert_eq!(replaced["event_types"], Value::Null);
    let refused = gateway.send(Method::PUT, &path, r#"{"secret":"x"}"#).await;
    assert_eq!(refused.status, 422);
    assert_eq!(gateway.get(&path).await.json(), replaced);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_change_reaches_the_compacted_topic_and_leaves_the_outbox() {
    let gateway = Running::start("sub-outbox", &[]).await;
    let id = gateway.subscribe(Some("s"), &["a"]).await;
    let latest = async |version: u64| {
        eventually(PATIENCE, async || {
            let published = gateway.published().await;
            let (key, last) = published.into_iter().next_back()?;
            assert_eq!(key, format!("s/{id}"));
            (last.version == version).then_some(last)
        })
        .await
    };
    let first = latest(1).await;
    assert_eq!(first.target_url, "https://example.com/hook");
    assert_eq!(first.secret.as_ref().unwrap().expose(), "s");
    assert_eq!(first.event_types(), ["a"]);
    assert!(!first.deleted);

    let path = format!("/subscriptions/{id}");
    gateway.send(Method::PUT, &path, r#"{"target_url":"https://example.com"}"#).await;
    assert_eq!(latest(2).await.secret, None);
    gateway.send(Method::DELETE, &path, "").await;
    assert!(latest(3).await.deleted);

    let postgres = gateway.bed.postgres().await;
    eventually(PATIENCE, async || {
        let sql = "SELECT count(*) FROM subscription_outbox";
        let left: i64 = postgres.query_one(sql, &[]).await.unwrap().get(0);
        (left == 0).then_some(())
    })
    .await;
    let sql = "SELECT secret, deleted_at IS NOT NULL FROM subscriptions";
    let row = postgres.query_one(sql, &[]).await.unwrap();
    assert_eq!((row.get::<_, Option<String>>(0), row.get::<_, bool>(1)), (None, true));
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_gateway_learns_of_a_subscription_and_publishes_when_the_first_is_gone() {
    let first = Running::start("sub-two", &[]).await;
    let second = Running::start_in(first.bed.clone(), &[]);
    eventually(PATIENCE, async || second.is_ready().then_some(())).await;
    let id = first.subscribe(None, &[]).await;
    let ingest = async |gateway: &Running, id: &str| {
        eventually(PATIENCE, async || {
            let answer = gateway.post(&format!("/ingest/{id}"), r#"{"payload":{}}"#).await;
            (answer.status == 202).then_some(())
        })
        .await;
    };
    ingest(&second, &id).await;
    // Whichever of them has the relay's lock, both relays must work for this.
    let id = second.subscribe(None, &[]).await;
    ingest(&first, &id).await;
    first.stop().await;
    let id = second.subscribe(None, &[]).await;
    eventually(PATIENCE, async || {
        let key = format!("s/{id}");
        second.published().await.iter().any(|(known, _)| *known == key).then_some(())
    })
    .await;
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_stored_or_called_is_refused_with_the_reason() {
    let gateway = Running::start("sub-invalid", &[("HOOKLOG_EGRESS_ALLOW", "")]).await;
    let postgres = gateway.bed.postgres().await;
    for (body, kind) in [
        ("", "missing"),
        ("[]", "model_attributes_type"),
        ("{\"target_url\":\"https://\u{fffd}", "json_invalid"),
        (r#"{"target_url":"http://127.0.0.1/"}"#, "value_error"),
        (r#"{"target_url":"https://example.com","secret":"a\u0000"}"#, "value_error"),
        (r#"{"target_url":"https://example.com","event_types":["a\u0000"]}"#, "value_error"),
        (r#"{"target_url":"https://example.com","event_types":"a"}"#, "list_type"),
    ] {
        let answer = gateway.post("/subscriptions", body).await;
        assert_eq!(answer.status, 422, "{body}");
        assert_eq!(answer.json()["detail"][0]["type"], kind, "{body}");
    }
    let denied = gateway.post("/subscriptions", r#"{"target_url":"http://10.0.0.1/"}"#).await;
    let said = denied.json()["detail"][0]["msg"].as_str().unwrap().to_owned();
    assert!(said.contains("the address is not public"), "{said}");
    for query in ["skip=-1", "limit=0", "limit=101", "limit=x", "skip=99999999999999999999"] {
        assert_eq!(gateway.get(&format!("/subscriptions?{query}")).await.status, 422, "{query}");
    }
    let count = postgres.query_one("SELECT count(*) FROM subscriptions", &[]).await.unwrap();
    assert_eq!(count.get::<_, i64>(0), 0);
    gateway.stop().await;
}
