//! Bounds on what a client may send, routes, and inputs that are meant to break something.

use std::time::{Duration, Instant};

use axum::http::Method;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::running::{PATIENCE, Running, detail};

/// Sends raw bytes, then reads until the gateway closes the connection.
async fn exchange(gateway: &Running, sent: &[u8]) -> String {
    let mut stream = TcpStream::connect(&gateway.address).await.unwrap();
    stream.write_all(sent).await.unwrap();
    let mut answer = Vec::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
    read.expect("the gateway closes the connection").unwrap();
    String::from_utf8(answer).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_over_the_limit_is_413_and_one_at_the_limit_is_taken() {
    let gateway = Running::start("limit-body", &[("HOOKLOG_MAX_BODY", "4KiB")]).await;
    let id = gateway.subscribe(None, &[]).await;
    let path = format!("/ingest/{id}");
    let body = |size: usize| format!(r#"{{"payload":{{"x":"{}"}}}}"#, "x".repeat(size - 20));
    assert_eq!(body(4_096).len(), 4_096);
    assert_eq!(gateway.post(&path, body(4_096)).await.status, 202);
    let refused = gateway.post(&path, body(4_097)).await;
    assert_eq!((refused.status.as_u16(), refused.json()), (413, detail("Payload too large.")));
    assert_eq!(gateway.post("/subscriptions", body(4_097)).await.status, 413);

    // Nobody can know beforehand how much comes.
    let chunk = format!("1001\r\n{}\r\n", "x".repeat(4_097));
    let head = format!("POST {path} HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
    let answer = exchange(&gateway, format!("{head}{chunk}").as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    // Far more than any buffer between takes: the client still gets to read the answer.
    let large = gateway.post(&path, vec![b'x'; 8 << 20]).await;
    assert_eq!(large.status, 413);

    let encoded = [("Content-Encoding", "gzip")];
    let answer = gateway.http.post(&gateway.url(&path), &encoded, body(100)).await;
    assert_eq!(answer.status, 415);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_head_is_cut_and_a_slow_body_is_answered_408() {
    let limits = [("HOOKLOG_HEADER_READ_TIMEOUT", "300ms"), ("HOOKLOG_BODY_READ_TIMEOUT", "400ms")];
    let gateway = Running::start("limit-slow", &limits).await;
    let asked_at = Instant::now();
    let answer = exchange(&gateway, b"POST /ingest/x HTTP/1.1\r\nHost: h\r\nX-Slow: ").await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(asked_at.elapsed() >= Duration::from_millis(300));
    // An idle connection is one whose next head is slow.
    assert_eq!(exchange(&gateway, b"").await, "");

    let id = gateway.subscribe(None, &[]).await;
    let head = format!("POST /ingest/{id} HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\n{{");
    let answer = exchange(&gateway, head.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(answer.contains(r#"{"detail":"The request body did not arrive in time."}"#));
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_is_too_large_is_431() {
    let gateway = Running::start("limit-head", &[]).await;
    let head = format!("GET / HTTP/1.1\r\nHost: h\r\nX-Large: {}\r\n\r\n", "x".repeat(64 << 10));
    let answer = exchange(&gateway, head.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_runs_when_the_process_is_to_end_is_still_answered() {
    let gateway = Running::start("limit-drain", &[]).await;
    let id = gateway.subscribe(None, &[]).await;
    let body = r#"{"payload":{}}"#;
    let mut stream = TcpStream::connect(&gateway.address).await.unwrap();
    let length = body.len();
    let head = format!(
        "POST /ingest/{id} HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: {length}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    // The gateway asks for the body, so the request runs.
    let mut go_on = [0; 25];
    stream.read_exact(&mut go_on).await.unwrap();
    assert!(go_on.starts_with(b"HTTP/1.1 100 "));

    gateway.shutdown.cancel();
    test_bed::eventually(PATIENCE, async || {
        TcpStream::connect(&gateway.address).await.is_err().then_some(())
    })
    .await;
    stream.write_all(body.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 202 "), "{answer}");
    assert_eq!(gateway.deliveries().await.len(), 1);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn routes_answer_with_and_without_a_slash_and_others_in_the_seeds_words() {
    let gateway = Running::start("limit-routes", &[]).await;
    let id = gateway.subscribe(None, &[]).await;
    for slash in ["", "/"] {
        for (method, path, body, status) in [
            (Method::POST, "/subscriptions", r#"{"target_url":"https://example.com"}"#, 201),
            (Method::GET, "/subscriptions", "", 200),
            (Method::GET, "/subscriptions/{id}", "", 200),
            (Method::PUT, "/subscriptions/{id}", r#"{"target_url":"https://example.com"}"#, 200),
            (Method::POST, "/ingest/{id}", r#"{"payload":{}}"#, 202),
            (Method::GET, "/subscriptions/{id}/logs", "", 200),
            (Method::GET, "/logs", "", 200),
        ] {
            let path = format!("{}{slash}", path.replace("{id}", &id));
            let answer = gateway.send(method, &path, body).await;
            assert_eq!(answer.status, status, "{path}");
        }
    }
    for path in ["/nothing", "/subscriptions/a/b/c"] {
        let answer = gateway.get(path).await;
        assert_eq!((answer.status.as_u16(), answer.json()), (404, detail("Not Found")), "{path}");
    }
    let answer = gateway.send(Method::PATCH, "/subscriptions/", "").await;
    assert_eq!((answer.status.as_u16(), answer.json()), (405, detail("Method Not Allowed")));
    let answer = gateway.get(&format!("/ingest/{id}")).await;
    assert_eq!((answer.status.as_u16(), answer.json()), (405, detail("Method Not Allowed")));
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_input_is_answered_500() {
    let gateway = Running::start("limit-inputs", &[]).await;
    let id = gateway.subscribe(Some("s"), &["a"]).await;
    let deep = format!("{{\"payload\":{}{}}}", "[".repeat(60_000), "]".repeat(60_000));
    let deep_url = format!("{{\"target_url\":{}{}}}", "[".repeat(60_000), "]".repeat(60_000));
    let bodies: [&[u8]; 12] = [
        b"",
        b"\0",
        b"null",
        b"NaN",
        b"{\"payload\":NaN}",
        b"{\"payload\":{},\"event_type\":\"\xff\"}",
        br#"{"payload":{},"event_type":"\u0000"}"#,
        br#"{"payload":{},"event_type":"\udfff"}"#,
        br#"{"payload":1e99999,"target_url":1e99999}"#,
        br#"{"target_url":"https://example.com","secret":"\ud800"}"#,
        deep.as_bytes(),
        deep_url.as_bytes(),
    ];
    let ids = [&id, "%00", "%ff", "%F0%9F%92%A9", "urn:uuid:x", "x"];
    for path in ids {
        for (method, route) in [(Method::POST, "/ingest/"), (Method::PUT, "/subscriptions/")] {
            for body in bodies {
                let path = format!("{route}{path}");
                let answer = gateway.send(method.clone(), &path, body.to_vec()).await;
                let status = answer.status.as_u16();
                assert!([404, 422].contains(&status), "{path}: {answer:?}");
            }
        }
    }
    for id in ids {
        let status = gateway.get(&format!("/status/{id}")).await.status.as_u16();
        assert!([404, 422].contains(&status), "{id}: {status}");
    }
    for body in bodies {
        assert_eq!(gateway.post("/nothing", body.to_vec()).await.status, 404);
        assert_eq!(gateway.post("/subscriptions", body.to_vec()).await.status, 422);
    }
    // A header that is no text.
    let answer = exchange(
        &gateway,
        &[
            format!("POST /ingest/{id} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n").as_bytes(),
            b"X-Hub-Signature-256: sha256=\xff\xfe\r\nContent-Length: 14\r\n\r\n{\"payload\":{}}",
        ]
        .concat(),
    )
    .await;
    assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
    assert!(answer.ends_with(&json!({"detail": "Invalid signature."}).to_string()), "{answer}");
    gateway.stop().await;
}
