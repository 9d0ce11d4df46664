//! Create, read, change and delete.

use axum::http::Method;
use futures_util::future::join_all;
use serde_json::json;

use super::own_subscription::{PATH, create, patch, path, problem, published};
use crate::running::{Running, written};

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_is_created_read_patched_and_deleted_with_its_version_as_tag() {
    let gateway = Running::start("v1-shape", &[]).await;
    let body = r#"{"target_url":"HTTPS://Example.com/hook","labels":{"team":"a"},"signing":{"schemes":["standard","ed25519"]}}"#;
    let created = gateway.send_json(Method::POST, &format!("{PATH}/"), &[], body).await;
    assert_eq!(created.status, 201, "{created:?}");
    assert_eq!(created.headers["etag"], "\"1\"");
    let shown = created.json();
    let path = path(&shown);
    assert_eq!(created.headers["location"], path.as_str());
    let (id, at) = (shown["id"].as_str().unwrap(), shown["created_at"].as_str().unwrap());
    let secret = shown["signing_secret"].as_str().unwrap();
    let public = shown["signing_public_key"].as_str().unwrap();
    assert!(secret.starts_with("whsec_") && public.starts_with("whpk_"));
    let fields = format!(
        "{{\"id\":\"{id}\",\"target_url\":\"https://example.com/hook\",\"description\":null,\
         \"event_types\":[],\"filter\":null,\"headers\":{{}},\"max_concurrency\":null,\
         \"rate_limit\":null,\"timeout_seconds\":null,\"retry\":null,\"retry_on\":null,\
         \"verification\":null,\"signing\":{{\"schemes\":[\"standard\",\"ed25519\"],\
         \"public_key\":\"{public}\",\"keys\":[{{\"kind\":\"secret\",\"expires_at\":null}},\
         {{\"kind\":\"ed25519\",\"public_key\":\"{public}\",\"expires_at\":null}}]}},\
         \"labels\":{{\"team\":\"a\"}},\"paused\":null,\"version\":1,\"created_at\":\"{at}\",\
         \"updated_at\":\"{at}\""
    );
    let once = format!(",\"signing_secret\":\"{secret}\",\"signing_public_key\":\"{public}\"}}");
    assert_eq!(written(&created), (201, format!("{fields}{once}").as_str()));
    let read = gateway.get(&path).await;
    assert_eq!(written(&read), (200, format!("{fields}}}").as_str()));
    assert_eq!(read.headers["etag"], "\"1\"");

    let record = published(&gateway, 1).await;
    assert_eq!(record.target_url, "https://example.com/hook");
    assert_eq!(record.signing.unwrap().secrets[0].key.expose(), secret);

    let patched = patch(&gateway, &path, json!({"description": "d", "rate_limit": 7})).await;
    assert_eq!(
        (patched.status.as_u16(), &patched.headers["etag"]),
        (200, &"\"2\"".parse().unwrap())
    );
    let after = patched.json();
    assert_eq!((&after["description"], &after["rate_limit"]), (&json!("d"), &json!(7)));
    assert!(after["updated_at"].as_str() > Some(at) && after["created_at"] == at);
    assert!(after.get("signing_secret").is_none());
    assert_eq!(published(&gateway, 2).await.options.rate_limit, Some(7));
    let again = patch(&gateway, &path, after.clone()).await;
    assert_eq!(again.json(), after);

    assert_eq!(gateway.send(Method::DELETE, &path, "").await.status, 204);
    assert!(published(&gateway, 3).await.deleted);
    let gone = (404, "subscription_not_found".to_owned());
    assert_eq!(problem(&gateway.get(&path).await), gone);
    assert_eq!(problem(&gateway.send(Method::DELETE, &path, "").await), gone);
    assert_eq!(problem(&patch(&gateway, &path, json!({})).await), gone);
    assert_eq!(problem(&gateway.get(&format!("{PATH}/nonsense")).await), gone);
    let postgres = gateway.bed.postgres().await;
    let sql = "SELECT description, labels::text, options::text, signing::text FROM subscriptions";
    let row = postgres.query_one(sql, &[]).await.unwrap();
    let left: [Option<&str>; 4] = [row.get(0), row.get(1), row.get(2), row.get(3)];
    assert_eq!(left, [None, Some("{}"), Some("{}"), None]);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_written_once_is_never_shown_again() {
    let gateway = Running::start("v1-secrets", &[]).await;
    let own = "whsec_aHVudGVyMmh1bnRlcjJodW50ZXIyaHVudGVyMg==";
    let fields = json!({
        "verification": {"preset": "stripe", "secrets": ["hunter2"]}, "signing": {"secret": own},
    });
    let created = create(&gateway, fields).await;
    assert_eq!(created["signing_secret"], own);
    assert!(!created.to_string().contains("hunter2"));
    let record = published(&gateway, 1).await;
    assert_eq!(record.verification.unwrap().secrets[0].expose(), "hunter2");
    let path = path(&created);
    let patched = patch(&gateway, &path, json!({"verification": {"tolerance_seconds": 9}})).await;
    for answer in [patched, gateway.get(&path).await, gateway.get(PATH).await] {
        let (status, body) = written(&answer);
        assert_eq!(status, 200);
        assert!(!body.contains("hunter2") && !body.contains("whsec_"), "{body}");
    }
    let kept = published(&gateway, 2).await.verification.unwrap();
    assert_eq!(kept.secrets[0].expose(), "hunter2");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn patches_at_once_are_all_made_and_each_one_is_a_version() {
    let gateway = Running::start("v1-patches", &[]).await;
    let path = path(&create(&gateway, json!({})).await);
    let patches = (0..8).map(|number| {
        let body = json!({"labels": {format!("l{number}"): "x"}});
        let (gateway, path) = (&gateway, &path);
        async move { patch(gateway, path, body).await.status.as_u16() }
    });
    assert_eq!(join_all(patches).await, [200; 8]);
    let after = gateway.get(&path).await.json();
    assert_eq!(after["version"], 9);
    assert_eq!(after["labels"].as_object().unwrap().len(), 8);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_changes_of_one_version_the_second_is_refused() {
    let gateway = Running::start("v1-if-match", &[]).await;
    let path = path(&create(&gateway, json!({})).await);
    let send = async |method: Method, path: &str, tag: &str, body: &'static str| {
        gateway.send_json(method, path, &[("If-Match", tag)], body).await
    };
    let patch = r#"{"description":"d"}"#;
    assert_eq!(send(Method::PATCH, &path, "\"1\"", patch).await.status, 200);
    let mismatch = (412, "version_mismatch".to_owned());
    assert_eq!(problem(&send(Method::PATCH, &path, "\"1\"", patch).await), mismatch);
    assert_eq!(problem(&send(Method::DELETE, &path, "\"1\"", "").await), mismatch);
    for action in ["pause", "resume", "rotate-secret", "test"] {
        let path = format!("{path}/{action}");
        assert_eq!(problem(&send(Method::POST, &path, "\"1\"", "").await), mismatch, "{path}");
    }
    let known = [("If-None-Match", "W/\"2\"")];
    let url = gateway.url(&path);
    let read = gateway.http.try_send(Method::GET, &url, &known, "").await.unwrap();
    assert_eq!((read.status.as_u16(), read.body.len()), (304, 0));
    assert_eq!(send(Method::PATCH, &path, "*", r#"{"description":"e"}"#).await.status, 200);
    assert_eq!(send(Method::DELETE, &path, "\"2\", \"3\"", "").await.status, 204);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_taken_is_refused_with_its_place() {
    let gateway = Running::start("v1-invalid", &[("HOOKLOG_MAX_BODY", "64KiB")]).await;
    let post = async |body: String| gateway.send_json(Method::POST, PATH, &[], body).await;
    let body = json!({"target_url": "http://10.0.0.1/", "lables": {}, "rate_limit": 0});
    let answer = post(body.to_string()).await;
    assert_eq!(problem(&answer), (422, "invalid_fields".to_owned()));
    assert_eq!(
        answer.json()["errors"],
        json!([
            {"pointer": "/target_url",
             "detail": "It cannot be taken: the address is not public (private use, RFC 1918)."},
            {"pointer": "/rate_limit", "detail": "It must be a whole number from 1 to 100000."},
            {"pointer": "/lables", "detail": "There is no such field. Did you mean labels?"},
        ])
    );
    assert_eq!(problem(&post("{".to_owned()).await), (400, "malformed_json".to_owned()));
    let large = " ".repeat(65 << 10);
    assert_eq!(problem(&post(large).await), (413, "payload_too_large".to_owned()));
    let untyped = gateway.post(PATH, "{}").await;
    assert_eq!(problem(&untyped), (415, "unsupported_media_type".to_owned()));
    let put = gateway.send(Method::PUT, PATH, "").await;
    assert_eq!(problem(&put), (405, "method_not_allowed".to_owned()));
    let sql = "SELECT count(*) FROM subscriptions";
    let count: i64 = gateway.bed.postgres().await.query_one(sql, &[]).await.unwrap().get(0);
    assert_eq!(count, 0);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_database_every_route_answers_503() {
    let nowhere = [("DATABASE_URL", "postgres://nobody@127.0.0.1:1/nowhere")];
    let gateway = Running::start("v1-away", &nowhere).await;
    let one = format!("{PATH}/{}", uuid::Uuid::new_v4());
    let body = r#"{"target_url":"https://example.com"}"#;
    for (method, path) in [
        (Method::GET, PATH.to_owned()),
        (Method::POST, PATH.to_owned()),
        (Method::GET, one.clone()),
        (Method::PATCH, one.clone()),
        (Method::DELETE, one.clone()),
        (Method::POST, format!("{one}/pause")),
        (Method::POST, format!("{one}/test")),
    ] {
        let answer = gateway.send_json(method, &path, &[], body).await;
        assert_eq!(problem(&answer), (503, "unavailable".to_owned()), "{path}");
        assert_eq!(answer.headers["retry-after"], "1");
    }
    gateway.stop().await;
}
