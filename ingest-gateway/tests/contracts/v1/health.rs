//! `GET /v1/subscriptions/{id}/health`, `GET /v1/health` and `GET /v1/stats`.

use jiff::Timestamp;
use serde_json::{Value, json};
use test_bed::{TestBed, eventually};
use tokio_postgres::Client;
use uuid::Uuid;

use super::own_subscription::{create, problem};
use crate::running::{PATIENCE, Running};

/// Twelve calls of one subscription in the last ten minutes, the first eight of which succeeded;
/// and what waits for it.
async fn add_failing(postgres: &Client, subscription: Uuid) {
    let sql = format!(
        "SELECT create_delivery_partitions((now() AT TIME ZONE 'UTC')::date - days) \
             FROM generate_series(0, 1) AS days; \
         INSERT INTO deliveries (id, accepted_at, subscription_id, message_id, state, reason, \
             release, state_attempt, attempts, next_attempt_at) \
         SELECT gen_random_uuid(), now() - interval '10 minutes', '{subscription}', \
             gen_random_uuid(), state, reason, 0, 1, 1, now() + due::interval \
         FROM (VALUES ('retrying', 'breaker_open', '30 seconds'), ('retrying', NULL, '2 hours'), \
             ('dead_lettered', 'exhausted', NULL), ('delivered', NULL, NULL)) \
             AS told (state, reason, due); \
         INSERT INTO delivery_attempts (outcome_partition, outcome_offset, accepted_at, \
             delivery_id, subscription_id, attempt, succeeded, state, target_url, http_status, \
             error_kind, error, latency_micros, response_excerpt, response_truncated, attempted_at) \
         SELECT 0, n, now() - interval '10 minutes', gen_random_uuid(), '{subscription}', 1, \
             n < 8, CASE WHEN n < 8 THEN 'delivered' WHEN n = 11 THEN 'dead_lettered' \
                 ELSE 'retrying' END, \
             '', CASE WHEN n < 8 THEN 200 WHEN n < 11 THEN 503 END, \
             CASE WHEN n < 8 THEN NULL WHEN n < 11 THEN 'http_status' ELSE 'timeout' END, \
             CASE WHEN n < 8 THEN NULL ELSE 'error ' || n END, 1000 * (n + 1), '', false, \
             now() - (600 - n * 30) * interval '1 second' \
         FROM generate_series(0, 11) AS n"
    );
    postgres.batch_execute(&sql).await.unwrap();
}

/// As the projector notes that it has come so far.
async fn project(gateway: &Running, postgres: &Client) {
    let topic = gateway.bed.kafka().topics.outcomes();
    let sql = "INSERT INTO projector_offsets (topic, partition, next_offset) VALUES ($1, 0, 12)";
    postgres.execute(sql, &[&topic]).await.unwrap();
}

fn id(subscription: &Value) -> Uuid {
    subscription["id"].as_str().unwrap().parse().unwrap()
}

/// The health of a subscription once its twelve calls are counted.
async fn counted(gateway: &Running, subscription: Uuid) -> Value {
    let path = format!("/v1/subscriptions/{subscription}/health");
    eventually(PATIENCE, async || {
        let health = gateway.get(&path).await.json();
        (health["attempts"] == 12).then_some(health)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn health_says_since_when_a_receiver_fails_and_what_waits_for_it() {
    let gateway = Running::start("v1-health", &[]).await;
    let postgres = gateway.bed.postgres().await;
    let failing = id(&create(&gateway, json!({"description": "The shop"})).await);
    let idle = id(&create(&gateway, json!({})).await);
    add_failing(&postgres, failing).await;
    project(&gateway, &postgres).await;
    let mut health = counted(&gateway, failing).await;
    let times = "SELECT min(attempted_at) FILTER (WHERE NOT succeeded), max(attempted_at), \
                 max(attempted_at) FILTER (WHERE succeeded) FROM delivery_attempts";
    let row = postgres.query_one(times, &[]).await.unwrap();
    let time = |index: usize| format!("{:.6}", row.get::<_, Timestamp>(index));
    assert!(health["oldest_undelivered_at"].take().is_string());
    assert_eq!(
        health,
        json!({
            "subscription_id": failing, "target_url": "https://example.com/hook",
            "description": "The shop", "status": "active", "paused_reason": null,
            "window_seconds": 3_600, "attempts": 12, "succeeded": 8, "success_rate": 8.0 / 12.0,
            "latency_ms": {"p50": 6.5, "p95": 11.45, "p99": 11.89}, "failing": true,
            "consecutive_failures": 4, "failing_since": time(0), "last_attempt_at": time(1),
            "last_success_at": time(2), "last_error": "error 11", "last_http_status": null,
            "breaker": "open", "backlog": 2, "oldest_undelivered_at": null, "dead_lettered": 1,
        })
    );
    let quiet = gateway.get(&format!("/v1/subscriptions/{idle}/health?window=5m")).await.json();
    assert_eq!(
        quiet,
        json!({
            "subscription_id": idle, "target_url": "https://example.com/hook", "description": null,
            "status": "active", "paused_reason": null, "window_seconds": 300, "attempts": 0,
            "succeeded": 0, "success_rate": null, "latency_ms": null, "failing": false,
            "consecutive_failures": 0, "failing_since": null, "last_attempt_at": null,
            "last_success_at": null, "last_error": null, "last_http_status": null,
            "breaker": "unknown", "backlog": 0, "oldest_undelivered_at": null, "dead_lettered": 0,
        })
    );

    let first = gateway.get("/v1/health?limit=1").await.json();
    assert_eq!(first["data"][0]["subscription_id"], json!(failing));
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = gateway.get(&format!("/v1/health?limit=1&cursor={cursor}")).await.json();
    assert_eq!(second["data"][0]["subscription_id"], json!(idle));
    assert_eq!(second["next_cursor"], Value::Null);
    let only = gateway.get("/v1/health?failing=true&window=24h").await.json();
    assert_eq!(only["data"].as_array().unwrap().len(), 1);

    let unknown = gateway.get(&format!("/v1/subscriptions/{}/health", Uuid::new_v4())).await;
    assert_eq!(problem(&unknown), (404, "subscription_not_found".to_owned()));
    for query in ["health?window=1d", "health?failing=yes", "health?limit=0", "stats?window=1m"] {
        let answer = gateway.get(&format!("/v1/{query}")).await;
        assert_eq!(problem(&answer), (400, "invalid_query".to_owned()), "{query}");
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_works_again_is_closed_and_one_that_never_did_has_failed_from_its_first_call()
 {
    let gateway = Running::start("v1-health-again", &[]).await;
    let postgres = gateway.bed.postgres().await;
    let subscription = id(&create(&gateway, json!({})).await);
    add_failing(&postgres, subscription).await;
    // All calls failed, over more than one slice.
    let sql = "UPDATE delivery_attempts SET succeeded = false, error_kind = 'dns'";
    postgres.execute(sql, &[]).await.unwrap();
    project(&gateway, &postgres).await;
    let health = counted(&gateway, subscription).await;
    assert_eq!((&health["consecutive_failures"], &health["breaker"]), (&json!(12), &json!("open")));
    assert_eq!(health["last_success_at"], Value::Null);
    let first = postgres.query_one("SELECT min(attempted_at) FROM delivery_attempts", &[]).await;
    let first = format!("{:.6}", first.unwrap().get::<_, Timestamp>(0));
    assert_eq!(health["failing_since"], first);

    let sql = "INSERT INTO delivery_attempts SELECT outcome_partition, 12, accepted_at, \
               delivery_id, subscription_id, 2, true, 'delivered', NULL, target_url, 200, NULL, \
               NULL, 1, '', false, now(), NULL FROM delivery_attempts LIMIT 1";
    postgres.execute(sql, &[]).await.unwrap();
    postgres.execute("UPDATE projector_offsets SET next_offset = 13", &[]).await.unwrap();
    let path = format!("/v1/subscriptions/{subscription}/health");
    let health = eventually(PATIENCE, async || {
        let health = gateway.get(&path).await.json();
        (health["attempts"] == 13).then_some(health)
    })
    .await;
    assert_eq!((&health["consecutive_failures"], &health["failing"]), (&json!(0), &json!(false)));
    assert_eq!((&health["breaker"], &health["failing_since"]), (&json!("closed"), &Value::Null));
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_numbers_add_up() {
    let gateway = Running::start("v1-stats", &[]).await;
    let postgres = gateway.bed.postgres().await;
    let subscription = id(&create(&gateway, json!({})).await);
    add_failing(&postgres, subscription).await;
    project(&gateway, &postgres).await;
    counted(&gateway, subscription).await;
    for (window, seconds, steps) in [("1h", 3_600, 60), ("24h", 86_400, 96), ("7d", 604_800, 84)] {
        let stats = gateway.get(&format!("/v1/stats?window={window}")).await.json();
        assert_eq!(stats["window_seconds"], seconds);
        assert_eq!(
            stats["totals"],
            json!({
                "accepted": 4, "delivered": 1, "retrying": 2, "pending": 0, "dead_lettered": 1,
                "cancelled": 0, "attempts": 12, "succeeded_attempts": 8,
                "success_rate": 8.0 / 12.0,
            })
        );
        let series = stats["series"].as_array().unwrap();
        assert_eq!(series.len(), steps);
        let sum =
            |field: &str| series.iter().map(|step| step[field].as_i64().unwrap()).sum::<i64>();
        let sums = ["accepted", "attempts", "delivered", "failed_attempts"].map(sum);
        assert_eq!(sums, [4, 12, 8, 4]);
        let p50 = stats["latency_ms"]["p50"].as_f64().unwrap();
        assert!((5.0..8.5).contains(&p50), "{p50}");
        let backlog = &stats["backlog"];
        assert_eq!(backlog["unfinished"], 2);
        let due = json!([
            {"within": "1m", "count": 1}, {"within": "10m", "count": 0},
            {"within": "1h", "count": 0}, {"within": "24h", "count": 1},
            {"within": "later", "count": 0},
        ]);
        assert_eq!(backlog["by_due"], due);
        assert_eq!(stats["failing"][0]["subscription_id"], json!(subscription));
        let reasons = stats["failure_reasons"].as_array().unwrap();
        let told = |n: usize| (&reasons[n]["reason"], &reasons[n]["count"]);
        assert_eq!(told(0), (&json!("http_503"), &json!(3)));
        assert_eq!(told(1), (&json!("timeout"), &json!(1)));
        assert_eq!(reasons[0]["subscriptions"], 1);
    }
    // Nothing has come through Kafka: the projection has passed it all.
    let lag = gateway.get("/v1/stats").await.json()["projection"]["lag_seconds"].as_f64();
    assert!(lag.is_some_and(|lag| lag < 5.0), "{lag:?}");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_counts_of_days_that_are_gone_go_too() {
    let bed = TestBed::start("v1-trim").await;
    let postgres = bed.postgres().await;
    let sql = "SELECT create_delivery_partitions('2026-03-03'), create_delivery_partitions('2026-03-04'); \
               INSERT INTO delivery_minutes VALUES \
                   ('2026-03-02T23:59:00Z', 0, 1), ('2026-03-03T00:00:00Z', 0, 1)";
    postgres.batch_execute(sql).await.unwrap();
    let gateway = Running::start_in(bed, &[]);
    let left = eventually(PATIENCE, async || {
        let sql = "SELECT minute FROM delivery_minutes";
        let rows = postgres.query(sql, &[]).await.unwrap();
        (rows.len() < 2).then(|| rows.iter().map(|row| row.get(0)).collect::<Vec<Timestamp>>())
    })
    .await;
    assert_eq!(left, ["2026-03-03T00:00:00Z".parse::<Timestamp>().unwrap()]);
    gateway.stop().await;
}
