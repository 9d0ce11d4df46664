//! Rows as the projector writes them.

use jiff::Timestamp;
use tokio_postgres::Client;
use uuid::Uuid;

use crate::running::Running;

pub const AT: &str = "2026-03-04T05:06:07.000008Z";

pub async fn add_delivery(postgres: &Client, id: Uuid, subscription: Uuid, state: &str) {
    let at: Timestamp = AT.parse().unwrap();
    postgres.batch_execute("SELECT create_delivery_partitions('2026-03-04')").await.unwrap();
    let sql = "INSERT INTO deliveries (id, accepted_at, subscription_id, message_id, state, \
               release, state_attempt) VALUES ($1, $2, $3, $1, $4, 0, 0)";
    postgres.execute(sql, &[&id, &at, &subscription, &state]).await.unwrap();
}

pub struct Attempt {
    pub number: i32,
    pub succeeded: bool,
    pub state: &'static str,
    pub http_status: Option<i32>,
    pub error: Option<&'static str>,
    pub next: Option<&'static str>,
}

pub async fn add_attempt(postgres: &Client, delivery: Uuid, subscription: Uuid, attempt: Attempt) {
    let at: Timestamp = AT.parse().unwrap();
    let attempted_at = at + std::time::Duration::from_secs(attempt.number as u64);
    let next: Option<Timestamp> = attempt.next.map(|text| text.parse().unwrap());
    let sql = "INSERT INTO delivery_attempts (outcome_partition, outcome_offset, accepted_at, \
               delivery_id, subscription_id, attempt, succeeded, state, target_url, http_status, \
               error, latency_micros, response_excerpt, response_truncated, attempted_at, \
               next_attempt_at) \
               VALUES (0, $1, $2, $3, $4, $5, $6, $7, 'https://example.com/', $8, $9, 1, '', \
               false, $10, $11)";
    let offset = i64::from(attempt.number);
    postgres
        .execute(
            sql,
            &[
                &offset,
                &at,
                &delivery,
                &subscription,
                &attempt.number,
                &attempt.succeeded,
                &attempt.state,
                &attempt.http_status,
                &attempt.error,
                &attempted_at,
                &next,
            ],
        )
        .await
        .unwrap();
}

/// As the projector notes it.
pub async fn project_to(gateway: &Running, postgres: &Client, partition: i32, next_offset: i64) {
    let topic = gateway.bed.kafka().topics.deliveries();
    let sql = "INSERT INTO projector_offsets (topic, partition, next_offset) VALUES ($1, $2, $3)";
    postgres.execute(sql, &[&topic, &partition, &next_offset]).await.unwrap();
}
