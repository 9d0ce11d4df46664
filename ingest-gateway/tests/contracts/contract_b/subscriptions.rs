//! `/subscriptions`.

use axum::http::Method;
use serde_json::{Value, json};

use crate::running::{Running, written};

const UNKNOWN: &str = "00000000-0000-4000-8000-000000000000";
const NOT_FOUND: &str = r#"{"message":"Subscription not found","error":"Subscription not found"}"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_is_created_read_listed_and_deleted_in_the_contracts_shape() {
    let gateway = Running::start("b-sub-shape", &[]).await;
    let body = r#"{"target_url":"https://example.com/hook","secret":"s","event_type_filter":"a"}"#;
    let created = gateway.send_json(Method::POST, "/api/subscriptions", &[], body).await;
    let shown = created.json();
    let (id, at) = (shown["id"].as_str().unwrap(), shown["created_at"].as_str().unwrap());
    assert_eq!(
        written(&created),
        (
            201,
            &*format!(
                "{{\"id\":\"{id}\",\"target_url\":\"https://example.com/hook\",\"secret\":\"s\",\
                 \"event_type_filter\":\"a\",\"created_at\":\"{at}\",\"updated_at\":\"{at}\"}}"
            )
        )
    );
    assert!(at.ends_with("+00:00"), "{at}");

    let path = format!("/api/v1/subscriptions/{id}");
    assert_eq!(gateway.get(&path).await.body, created.body);
    let second = r#"{"target_url":"https://example.com"}"#;
    let second = gateway.send_json(Method::POST, "/api/v1/subscriptions/", &[], second).await;
    let second = second.json();
    assert_eq!((&second["secret"], &second["event_type_filter"]), (&Value::Null, &Value::Null));
    assert_eq!(gateway.get("/api/subscriptions/").await.json(), json!([shown, second]));

    let deleted = gateway.send(Method::DELETE, &path, "").await;
    assert_eq!(written(&deleted), (200, r#"{"message":"Subscription deleted"}"#));
    for path in [&path, &format!("/api/subscriptions/{UNKNOWN}"), "/api/subscriptions/%ff"] {
        for method in [Method::GET, Method::DELETE, Method::PUT] {
            let answer = gateway.send_json(method, path, &[], "{}").await;
            assert_eq!(written(&answer), (404, NOT_FOUND), "{path}");
        }
    }
    assert_eq!(gateway.get("/api/subscriptions").await.json(), json!([second]));
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn put_changes_what_is_given_clears_what_is_null_and_leaves_the_rest() {
    let gateway = Running::start("b-sub-put", &[]).await;
    let created = gateway
        .send_json(
            Method::POST,
            "/api/subscriptions",
            &[],
            r#"{"target_url":"https://example.com/1","secret":"s","event_type_filter":"a"}"#,
        )
        .await
        .json();
    let path = format!("/api/subscriptions/{}", created["id"].as_str().unwrap());
    let mut expected = created.clone();
    for (body, changed) in [
        (
            r#"{"target_url":"https://example.com/2"}"#,
            vec![("target_url", "https://example.com/2")],
        ),
        (r#"{"event_type_filter":"b"}"#, vec![("event_type_filter", "b")]),
        (r#"{"secret":"t"}"#, vec![("secret", "t")]),
        (r#"{"secret":null}"#, vec![("secret", "")]),
        (r#"{"event_type_filter":null}"#, vec![("event_type_filter", "")]),
        ("{}", vec![]),
    ] {
        let answer = gateway.send_json(Method::PUT, &path, &[], body).await;
        assert_eq!(answer.status, 200, "{body}");
        let shown = answer.json();
        assert!(shown["updated_at"].as_str() > expected["updated_at"].as_str(), "{body}");
        expected["updated_at"] = shown["updated_at"].clone();
        for (field, value) in changed {
            expected[field] = if value.is_empty() { Value::Null } else { json!(value) };
        }
        assert_eq!(shown, expected, "{body}");
        assert_eq!(gateway.get(&path).await.body, answer.body);
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_changes_made_at_once_none_is_lost() {
    let gateway = Running::start("b-sub-race", &[]).await;
    let id = gateway.subscribe(None, &[]).await;
    let path = format!("/api/subscriptions/{id}");
    let bodies = [
        r#"{"secret":"s"}"#,
        r#"{"event_type_filter":"a"}"#,
        r#"{"target_url":"https://example.com/2"}"#,
    ];
    let changes = (0..24).map(|turn| {
        let body = bodies[turn % bodies.len()];
        let (http, url) = (gateway.http.clone(), gateway.url(&path));
        tokio::spawn(async move {
            let headers = [("Content-Type", "application/json")];
            http.try_send(Method::PUT, &url, &headers, body).await.unwrap().status
        })
    });
    for change in changes.collect::<Vec<_>>() {
        assert_eq!(change.await.unwrap(), 200);
    }
    let shown = gateway.get(&path).await.json();
    assert_eq!(
        [&shown["secret"], &shown["event_type_filter"], &shown["target_url"]],
        ["s", "a", "https://example.com/2"]
    );
    let sql = "SELECT version FROM subscriptions";
    let row = gateway.bed.postgres().await.query_one(sql, &[]).await.unwrap();
    assert_eq!(row.get::<_, i64>(0), 25);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn both_contracts_read_and_write_the_same_subscriptions() {
    let gateway = Running::start("b-sub-both", &[]).await;
    let id = gateway.subscribe(Some("s"), &["a", "b"]).await;
    let (a, b) = (format!("/subscriptions/{id}"), format!("/api/subscriptions/{id}"));
    assert_eq!(gateway.get(&b).await.json()["event_type_filter"], Value::Null);

    let put = async |body: &'static str| gateway.send_json(Method::PUT, &b, &[], body).await.json();
    put(r#"{"secret":"t"}"#).await;
    let kept = gateway.get(&a).await.json();
    assert_eq!((&kept["secret"], &kept["event_types"]), (&json!("t"), &json!(["a", "b"])));
    put(r#"{"event_type_filter":"c"}"#).await;
    assert_eq!(gateway.get(&a).await.json()["event_types"], json!(["c"]));
    put(r#"{"event_type_filter":null}"#).await;
    assert_eq!(gateway.get(&a).await.json()["event_types"], Value::Null);

    let replaced = r#"{"target_url":"https://example.com","event_types":["d"]}"#;
    gateway.send(Method::PUT, &a, replaced).await;
    let shown = gateway.get(&b).await.json();
    assert_eq!((&shown["event_type_filter"], &shown["secret"]), (&json!("d"), &Value::Null));
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_told_by_field_in_marshmallows_words() {
    let gateway = Running::start("b-sub-invalid", &[("HOOKLOG_EGRESS_ALLOW", "")]).await;
    let id = gateway.subscribe(None, &[]).await;
    let long = "x".repeat(256);
    let (post, put) = ("/api/subscriptions".to_owned(), format!("/api/v1/subscriptions/{id}"));
    for (method, path, body, errors) in [
        (
            Method::POST,
            &post,
            "{}".to_owned(),
            r#"{"target_url":["Missing data for required field."]}"#,
        ),
        (
            Method::POST,
            &post,
            r#"{"color":1,"target_url":"nonsense","secret":[]}"#.to_owned(),
            r#"{"target_url":["Not a valid URL."],"secret":["Not a valid string."],"color":["Unknown field."]}"#,
        ),
        (
            Method::POST,
            &post,
            format!(r#"{{"target_url":"https://example.com/{long}"}}"#),
            r#"{"target_url":["Length must be between 1 and 255."]}"#,
        ),
        (Method::POST, &post, "[]".to_owned(), r#"{"_schema":["Invalid input type."]}"#),
        (
            Method::POST,
            &post,
            r#"{"target_url":"http://10.0.0.1/"}"#.to_owned(),
            r#"{"target_url":["Not a valid URL.","the address is not public (private use, RFC 1918)"]}"#,
        ),
        (
            Method::PUT,
            &put,
            r#"{"target_url":null,"id":"x"}"#.to_owned(),
            r#"{"target_url":["Field may not be null."],"id":["Unknown field."]}"#,
        ),
        (
            Method::PUT,
            &put,
            format!(r#"{{"event_type_filter":"{long}"}}"#),
            r#"{"event_type_filter":["Longer than maximum length 255."]}"#,
        ),
    ] {
        let answer = gateway.send_json(method, path, &[], body.clone()).await;
        let expected = format!("{{\"errors\":{errors}}}");
        assert_eq!(written(&answer), (400, expected.as_str()), "{body}");
    }
    for (body, content_type) in [
        ("", "application/json"),
        ("{", "application/json"),
        (r#"{"target_url":"https://example.com"}"#, "text/plain"),
    ] {
        let headers = [("Content-Type", content_type)];
        let answer = gateway.http.post(&gateway.url(&post), &headers, body).await;
        assert_eq!(written(&answer), (415, r#"{"message":"Request body must be valid JSON"}"#));
    }
    assert_eq!(gateway.get(&post).await.json().as_array().unwrap().len(), 1);
    gateway.stop().await;
}
