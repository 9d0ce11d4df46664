//! `GET /v1/deliveries` and `GET /v1/deliveries/{id}`.

use std::time::Duration;

use serde_json::{Value, json};
use test_bed::eventually;
use tokio_postgres::Client;
use uuid::Uuid;

use super::own_subscription::problem;
use crate::projected::{AT, Attempt, add_attempt, add_delivery, project_to};
use crate::running::{PATIENCE, Running, written};

const PATH: &str = "/v1/deliveries";

/// Four deliveries for each second of three minutes before [`AT`], over two days; their number
/// stands in `release`, from the newest on.
async fn add_many(postgres: &Client, subscriptions: [Uuid; 2]) {
    let sql = format!(
        "SELECT create_delivery_partitions('2026-03-03'), create_delivery_partitions('2026-03-04'); \
         INSERT INTO deliveries (id, accepted_at, subscription_id, message_id, event_type, \
             content_type, payload, state, release, state_attempt, last_http_status) \
         SELECT gen_random_uuid(), timestamptz '2026-03-04T00:01:00Z' - n / 4 * interval '1 second', \
             (ARRAY['{}', '{}']::uuid[])[1 + n % 2], gen_random_uuid(), 'type.' || n % 3, \
             'text/plain', convert_to('body ' || n, 'UTF8'), \
             CASE WHEN n % 10 = 0 THEN 'dead_lettered' WHEN n % 50 = 1 THEN 'retrying' \
                 ELSE 'delivered' END, \
             n, 1, CASE WHEN n % 10 = 0 THEN 500 + n % 20 / 10 WHEN n % 50 = 1 THEN NULL ELSE 200 END \
         FROM generate_series(0, 719) AS n",
        subscriptions[0], subscriptions[1]
    );
    postgres.batch_execute(&sql).await.unwrap();
}

/// Whether a search is to find the delivery of that number.
type Meant = fn(i32) -> bool;

fn is_dead(n: i32) -> bool {
    n % 10 == 0
}

fn retries(n: i32) -> bool {
    n % 50 == 1
}

/// Walks through all pages and returns every delivery's `payload`'s number.
async fn walk(gateway: &Running, postgres: &Client, filter: &str, limit: usize) -> Vec<i32> {
    let mut ids: Vec<Uuid> = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = gateway.get(&format!("{PATH}?limit={limit}{filter}{cursor}")).await.json();
        let data = page["data"].as_array().unwrap();
        assert!(data.len() <= limit);
        ids.extend(data.iter().map(|each| each["id"].as_str().unwrap().parse::<Uuid>().unwrap()));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    let sql = "SELECT release FROM unnest($1::uuid[]) WITH ORDINALITY AS told (id, place) \
               JOIN deliveries USING (id) ORDER BY place";
    postgres.query(sql, &[&ids]).await.unwrap().iter().map(|row| row.get(0)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_walk_through_the_pages_of_any_search_meets_each_delivery_once_newest_first() {
    let gateway = Running::start("v1-deliveries", &[]).await;
    let postgres = gateway.bed.postgres().await;
    let [a, b] = [Uuid::new_v4(), Uuid::new_v4()];
    add_many(&postgres, [a, b]).await;
    let searches: [(String, Meant); 11] = [
        (String::new(), |_| true),
        ("&status=dead_lettered".into(), is_dead),
        ("&status=retrying,dead_lettered".into(), |n| is_dead(n) || retries(n)),
        ("&status=pending".into(), |_| false),
        (format!("&subscription_id={b}"), |n| n % 2 == 1),
        (format!("&subscription_id={b}&status=retrying"), retries),
        ("&event_type=type.2".into(), |n| n % 3 == 2),
        ("&http_status=5xx".into(), is_dead),
        ("&http_status=501&event_type=type.1".into(), |n| n % 20 == 10 && n % 3 == 1),
        ("&accepted_from=2026-03-03T23:59:58Z&accepted_to=2026-03-04T00:00:30Z".into(), |n| {
            (124..=251).contains(&n)
        }),
        ("&http_status=2xx&accepted_to=2026-03-03T23:58:01Z".into(), |_| false),
    ];
    for (filter, is_meant) in &searches {
        let met = walk(&gateway, &postgres, filter, 70).await;
        // Those of one second come in the order of their ids, which is none here.
        assert!(met.is_sorted_by_key(|n| n / 4), "{filter}: {met:?}");
        let mut met_once = met.clone();
        met_once.sort_unstable();
        let meant: Vec<i32> = (0..720).filter(|n| is_meant(*n)).collect();
        assert_eq!(met_once, meant, "{filter}");
    }
    let default = gateway.get(PATH).await.json();
    assert_eq!(default["data"].as_array().unwrap().len(), 50);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_for_an_error_kind_finds_what_has_ever_failed_so_once() {
    let gateway = Running::start("v1-error-kind", &[]).await;
    let postgres = gateway.bed.postgres().await;
    let [a, b] = [Uuid::new_v4(), Uuid::new_v4()];
    add_many(&postgres, [a, b]).await;
    // Every third has timed out, each time twice; every fourth has been refused.
    let sql = "INSERT INTO delivery_attempts (outcome_partition, outcome_offset, accepted_at, \
                   delivery_id, subscription_id, attempt, succeeded, state, target_url, \
                   error_kind, latency_micros, response_excerpt, response_truncated, attempted_at) \
               SELECT call, release, accepted_at, id, subscription_id, call, false, state, '', \
                   CASE WHEN release % 3 = 0 THEN 'timeout' ELSE 'refused' END, 1, '', false, \
                   accepted_at \
               FROM deliveries, generate_series(1, 2) AS call \
               WHERE release % 3 = 0 OR release % 4 = 0";
    postgres.execute(sql, &[]).await.unwrap();
    for (filter, meant) in [
        ("&error_kind=timeout", (0..720).filter(|n| n % 3 == 0).collect::<Vec<i32>>()),
        ("&error_kind=refused", (0..720).filter(|n| n % 4 == 0 && n % 3 != 0).collect()),
        (
            "&error_kind=timeout&status=dead_lettered&accepted_from=2026-03-04T00:00:00Z",
            (0..=240).filter(|n| n % 30 == 0).collect(),
        ),
        ("&error_kind=dns", Vec::new()),
    ] {
        let mut met = walk(&gateway, &postgres, filter, 33).await;
        assert!(met.is_sorted_by_key(|n| n / 4), "{filter}: {met:?}");
        met.sort_unstable();
        assert_eq!(met, meant, "{filter}");
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_is_shown_with_its_payload_and_every_call() {
    let gateway = Running::start("v1-delivery", &[]).await;
    let postgres = gateway.bed.postgres().await;
    let [id, subscription] = [Uuid::now_v7(), Uuid::new_v4()];
    add_delivery(&postgres, id, subscription, "delivered").await;
    let failed = Attempt {
        number: 1,
        succeeded: false,
        state: "retrying",
        http_status: Some(500),
        error: Some("the receiver answered 500"),
        next: Some("2026-03-04T05:06:18Z"),
    };
    let succeeded = Attempt {
        number: 2,
        succeeded: true,
        state: "delivered",
        http_status: Some(200),
        error: None,
        next: None,
    };
    add_attempt(&postgres, id, subscription, failed).await;
    add_attempt(&postgres, id, subscription, succeeded).await;
    let sql = "UPDATE deliveries SET attempts = 2, content_type = 'text/plain', payload = $1, \
                   event_type = 'a.b', last_http_status = 200, \
                   last_attempt_at = accepted_at + interval '2 seconds'; ";
    postgres.execute(sql.trim_end_matches("; "), &[&"é".repeat(40_000).as_bytes()]).await.unwrap();
    let more = "UPDATE delivery_attempts SET latency_micros = 1500, response_excerpt = 'no', \
                    error_kind = CASE WHEN succeeded THEN NULL ELSE 'http_status' END";
    postgres.execute(more, &[]).await.unwrap();

    let path = format!("{PATH}/{id}");
    let mut shown = gateway.get(&path).await.json();
    let data = shown["payload"]["data"].take();
    assert_eq!(data.as_str().unwrap(), "é".repeat(32_768));
    let listed = json!({
        "id": id, "subscription_id": subscription, "message_id": id, "event_type": "a.b",
        "status": "delivered", "reason": null, "attempts": 2, "accepted_at": AT,
        "last_attempt_at": "2026-03-04T05:06:09.000008Z", "next_attempt_at": null,
        "last_http_status": 200, "last_error_kind": null, "last_error": null, "replay_of": null,
        "content_type": "text/plain", "payload_bytes": 80_000,
    });
    let mut expected = listed.clone();
    expected["payload"] = json!({"encoding": "utf-8", "data": null, "truncated": true});
    expected["timeline"] = json!([
        {
            "number": 1, "status": "retrying", "succeeded": false,
            "target_url": "https://example.com/", "http_status": 500,
            "error_kind": "http_status", "error": "the receiver answered 500", "latency_ms": 1.5,
            "response_excerpt": "no", "response_truncated": false,
            "attempted_at": "2026-03-04T05:06:08.000008Z",
            "next_attempt_at": "2026-03-04T05:06:18.000000Z",
        },
        {
            "number": 2, "status": "delivered", "succeeded": true,
            "target_url": "https://example.com/", "http_status": 200, "error_kind": null,
            "error": null, "latency_ms": 1.5, "response_excerpt": "no",
            "response_truncated": false, "attempted_at": "2026-03-04T05:06:09.000008Z",
            "next_attempt_at": null,
        },
    ]);
    assert_eq!(shown, expected);
    let full = gateway.get(&format!("{path}/?payload=full")).await.json();
    assert_eq!(full["payload"]["data"].as_str().unwrap(), "é".repeat(40_000));
    assert_eq!(full["payload"]["truncated"], false);
    assert_eq!(gateway.get(PATH).await.json(), json!({"data": [listed], "next_cursor": null}));

    postgres.execute("UPDATE deliveries SET payload = NULL", &[]).await.unwrap();
    let bare = gateway.get(&path).await.json();
    assert_eq!((&bare["payload"], &bare["payload_bytes"]), (&Value::Null, &Value::Null));
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_right_after_the_202_waits_for_the_projection_and_what_is_not_there_is_404() {
    let gateway = Running::start("v1-delivery-wait", &[]).await;
    let postgres = gateway.bed.postgres().await;
    let subscription = gateway.subscribe(None, &[]).await;
    let taken = gateway.post(&format!("/ingest/{subscription}"), r#"{"payload":{}}"#).await.json();
    let id: Uuid = taken["webhook_id"].as_str().unwrap().parse().unwrap();
    let path = format!("{PATH}/{id}");
    let asked = gateway.get(&path);
    let projected = async {
        tokio::task::yield_now().await;
        add_delivery(&postgres, id, subscription.parse().unwrap(), "pending").await;
        let sql = "UPDATE deliveries SET content_type = 'application/json', payload = '{}'";
        postgres.execute(sql, &[]).await.unwrap();
    };
    let (answer, ()) = tokio::join!(asked, projected);
    // The look before the wait may have been too early; then the projection is still behind.
    assert!([200, 503].contains(&answer.status.as_u16()), "{answer:?}");
    let answer = eventually(PATIENCE, async || {
        let answer = gateway.get(&path).await;
        (answer.status == 200).then_some(answer)
    })
    .await;
    assert_eq!(answer.json()["payload"]["data"], "{}");

    for partition in 0..2 {
        project_to(&gateway, &postgres, partition, 1_000).await;
    }
    let missing = gateway.get(&format!("{PATH}/{}", Uuid::new_v4())).await;
    assert_eq!(problem(&missing), (404, "delivery_not_found".to_owned()));
    for path in ["/v1/deliveries/x", "/v1/deliveries/%00"] {
        assert_eq!(problem(&gateway.get(path).await), (404, "delivery_not_found".to_owned()));
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_that_is_not_of_its_form_is_told_what_is_allowed() {
    let gateway = Running::start("v1-deliveries-query", &[]).await;
    for query in [
        "status=done",
        "status=",
        "subscription_id=1",
        "event_type=",
        "accepted_from=now",
        "accepted_to=2026-03-04",
        "http_status=6xx",
        "error_kind=boom",
        "limit=0",
        "limit=101",
        "limit=1&limit=2",
        "stauts=pending",
        "event_type=%00",
    ] {
        let answer = gateway.get(&format!("{PATH}?{query}")).await;
        assert_eq!(problem(&answer), (400, "invalid_query".to_owned()), "{query}");
        assert!(!answer.json()["detail"].as_str().unwrap().is_empty());
    }
    let answer = gateway.get(&format!("{PATH}?cursor=x")).await;
    assert_eq!(problem(&answer), (400, "invalid_cursor".to_owned()));
    let answer = gateway.get(&format!("{PATH}/{}?payload=all", Uuid::new_v4())).await;
    assert_eq!(problem(&answer), (400, "invalid_query".to_owned()));
    let (status, empty) = (200, r#"{"data":[],"next_cursor":null}"#);
    let long = "x".repeat(1_024);
    assert_eq!(written(&gateway.get(&format!("{PATH}?event_type={long}")).await), (status, empty));
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_that_postgres_cannot_finish_in_time_says_so_and_costs_nobody_else() {
    let gateway =
        Running::start("v1-deliveries-slow", &[("HOOKLOG_DATABASE_CONNECTIONS", "1")]).await;
    let postgres = gateway.bed.postgres().await;
    postgres.batch_execute("BEGIN; LOCK TABLE deliveries IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let asked = std::time::Instant::now();
    let answer = gateway.get(PATH).await;
    assert_eq!(problem(&answer), (503, "unavailable".to_owned()));
    assert!(answer.json()["detail"].as_str().unwrap().contains("Narrow it down"));
    assert!(asked.elapsed() < Duration::from_secs(4), "{:?}", asked.elapsed());
    postgres.batch_execute("ROLLBACK").await.unwrap();
    assert_eq!(gateway.get(PATH).await.status, 200);
    gateway.stop().await;
}
