//! What no route of the contract answers, and inputs that are meant to break something.

use axum::http::Method;
use test_bed::eventually;
use uuid::Uuid;

use crate::running::{PATIENCE, Running, detail, message, written};

#[tokio::test(flavor = "multi_thread")]
async fn routes_answer_at_both_prefixes_with_and_without_a_slash_and_others_in_json() {
    let gateway = Running::start("b-routes", &[]).await;
    let id = gateway.subscribe(None, &[]).await;
    for prefix in ["/api", "/api/v1"] {
        for slash in ["", "/"] {
            for (method, path, body, status) in [
                (Method::POST, "/subscriptions", r#"{"target_url":"https://example.com"}"#, 201),
                (Method::GET, "/subscriptions", "", 200),
                (Method::GET, "/subscriptions/{id}", "", 200),
                (Method::PUT, "/subscriptions/{id}", "{}", 200),
                (Method::POST, "/ingest/{id}", "{}", 202),
                (Method::GET, "/status/subscriptions/{id}/attempts", "", 200),
            ] {
                let path = format!("{prefix}{}{slash}", path.replace("{id}", &id));
                let answer = gateway.send_json(method, &path, &[], body).await;
                assert_eq!(answer.status, status, "{path}");
            }
            let unknown = format!("{prefix}{slash}");
            for path in [unknown, format!("{prefix}/nothing{slash}")] {
                let answer = gateway.get(&path).await;
                assert_eq!(written(&answer), (404, message("Not Found").as_str()), "{path}");
            }
            for path in ["/subscriptions", "/ingest/x", "/status/delivery_tasks/x"] {
                let path = format!("{prefix}{path}{slash}");
                let answer = gateway.send(Method::PATCH, &path, "{}").await;
                assert_eq!(written(&answer), (405, message("Method Not Allowed").as_str()));
                assert!(answer.headers.contains_key("allow"), "{path}");
            }
        }
    }
    // Beside the prefix it is the other contract.
    assert_eq!(gateway.get("/apis").await.json(), detail("Not Found"));
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_large_or_compressed_is_refused_in_the_contracts_shape() {
    let gateway = Running::start("b-limits", &[("HOOKLOG_MAX_BODY", "1KiB")]).await;
    let id = gateway.subscribe(None, &[]).await;
    let path = format!("/api/ingest/{id}");
    let body = |size: usize| format!("\"{}\"", "x".repeat(size - 2));
    assert_eq!(gateway.send_json(Method::POST, &path, &[], body(1_024)).await.status, 202);
    let large = gateway.send_json(Method::POST, &path, &[], body(1_025)).await;
    assert_eq!(written(&large), (413, message("Payload too large.").as_str()));
    let headers = [("Content-Encoding", "gzip")];
    let packed = gateway.send_json(Method::POST, &path, &headers, "{}").await;
    let text = message("Compressed request bodies are not accepted.");
    assert_eq!(written(&packed), (415, text.as_str()));
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_input_is_answered_500() {
    let gateway = Running::start("b-inputs", &[]).await;
    let id = gateway.subscribe(Some("s"), &["a"]).await;
    let deep = format!("{{\"target_url\":{}{}}}", "[".repeat(60_000), "]".repeat(60_000));
    let bodies: [&[u8]; 12] = [
        b"",
        b"\0",
        b"null",
        b"NaN",
        b"{\"target_url\":\"\xff\"}",
        br#"{"\ud800":1}"#,
        br#"{"target_url":1e99999}"#,
        br#"{"target_url":"https://example.com/\u0000"}"#,
        br#"{"target_url":"https://example.com","secret":"\ud800"}"#,
        br#"{"target_url":"https://example.com","secret":"a\u0000"}"#,
        br#"{"target_url":"https://example.com","event_type_filter":"\u0000"}"#,
        deep.as_bytes(),
    ];
    for path in [&id, "%00", "%ff", "%F0%9F%92%A9", "x"] {
        for (method, route) in [(Method::POST, "/ingest/"), (Method::PUT, "/subscriptions/")] {
            for body in bodies {
                let path = format!("/api{route}{path}");
                let headers = [("X-Hub-Signature-256", "sha256=\u{e9}")];
                let answer =
                    gateway.send_json(method.clone(), &path, &headers, body.to_vec()).await;
                let status = answer.status.as_u16();
                assert!([400, 401, 404, 415].contains(&status), "{path}: {answer:?}");
                let said = answer.json();
                assert!(said.get("message").or(said.get("errors")).is_some(), "{said}");
            }
        }
    }
    for body in bodies {
        let answer =
            gateway.send_json(Method::POST, "/api/subscriptions", &[], body.to_vec()).await;
        assert!([400, 415].contains(&answer.status.as_u16()), "{answer:?}");
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_store_the_answer_is_503_in_the_contracts_shape() {
    let nowhere = [("DATABASE_URL", "postgres://nobody@127.0.0.1:1/nowhere")];
    let gateway = Running::start("b-away-postgres", &nowhere).await;
    let text = message("The database is not available. Try again.");
    for path in ["/api/subscriptions", &format!("/api/status/delivery_tasks/{}", Uuid::now_v7())] {
        let answer = gateway.get(path).await;
        assert_eq!(written(&answer), (503, text.as_str()), "{path}");
        assert_eq!(answer.headers["retry-after"], "1");
    }
    gateway.stop().await;

    let nowhere = [("HOOKLOG_KAFKA_BROKERS", "127.0.0.1:1")];
    let gateway = Running::start_unready("b-away-kafka", &nowhere).await;
    let url = gateway.url("/api/v1/subscriptions");
    let answer =
        eventually(PATIENCE, async || gateway.http.try_send(Method::GET, &url, &[], "").await)
            .await;
    assert_eq!(written(&answer), (503, message("hooklog is starting.").as_str()));
    gateway.stop().await;
}
