//! Pages of other origins.

use axum::http::Method;
use serde_json::json;
use test_bed::Answer;

use crate::running::Running;

const PAGE: &str = "https://admin.example.com";

async fn preflight(gateway: &Running, path: &str, origin: &str) -> Answer {
    let headers = [
        ("Origin", origin),
        ("Access-Control-Request-Method", "PUT"),
        ("Access-Control-Request-Headers", "content-type,x-hub-signature-256"),
    ];
    gateway.http.try_send(Method::OPTIONS, &gateway.url(path), &headers, "").await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_page_is_let_in_until_an_operator_lists_it() {
    let gateway = Running::start("b-cors-closed", &[]).await;
    let answer = preflight(&gateway, "/api/subscriptions", PAGE).await;
    assert_eq!(answer.status, 405);
    assert!(!answer.headers.contains_key("access-control-allow-origin"));
    let headers = [("Origin", PAGE)];
    let url = gateway.url("/api/subscriptions");
    let listed = gateway.http.try_send(Method::GET, &url, &headers, "").await.unwrap();
    assert!(!listed.headers.contains_key("access-control-allow-origin"));
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listed_page_may_call_every_route_of_the_contract_and_read_its_errors() {
    let origins = format!("{PAGE}, http://localhost:3000");
    let gateway = Running::start("b-cors-listed", &[("HOOKLOG_CORS_ORIGINS", &origins)]).await;
    for path in ["/api/subscriptions", "/api/v1/ingest/x/", "/api/v1/status/delivery_tasks/x"] {
        for origin in [PAGE, "http://localhost:3000"] {
            let answer = preflight(&gateway, path, origin).await;
            assert_eq!(answer.status, 200, "{path}");
            assert_eq!(answer.headers["access-control-allow-origin"], origin);
            assert_eq!(answer.headers["access-control-allow-methods"], "GET,POST,PUT,DELETE");
            let allowed = answer.headers["access-control-allow-headers"].to_str().unwrap();
            for header in ["content-type", "x-hub-signature-256", "x-event-type", "authorization"] {
                assert!(allowed.split(',').any(|name| name == header), "{allowed}");
            }
            assert!(answer.headers["vary"].to_str().unwrap().contains("origin"));
        }
    }
    let other = preflight(&gateway, "/api/subscriptions", "https://evil.example").await;
    assert!(!other.headers.contains_key("access-control-allow-origin"));

    let headers = [("Origin", PAGE)];
    for (path, status) in [("/api/subscriptions", 200), ("/api/subscriptions/x", 404)] {
        let url = gateway.url(path);
        let answer = gateway.http.try_send(Method::GET, &url, &headers, "").await.unwrap();
        assert_eq!(answer.status, status);
        assert_eq!(answer.headers["access-control-allow-origin"], PAGE);
    }
    // Contract A's routes say nothing of it.
    let answer = preflight(&gateway, "/subscriptions", PAGE).await;
    assert_eq!(answer.json(), json!({"detail": "Method Not Allowed"}));
    gateway.stop().await;
}
