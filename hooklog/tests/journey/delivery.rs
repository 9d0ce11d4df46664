//! One event on its way, and what stands about it afterwards.

use std::time::Duration;

use jiff::Timestamp;
use kafka_loop::producer::{Message, Producer};
use pipeline::dead_letter::REASON_HEADER;
use signature::{Secret, StandardHeaders, verify_standard};
use test_bed::{Receiver, TestBed, eventually};
use uuid::Uuid;

use crate::running::Hooklog;

const SOON: Duration = Duration::from_secs(20);
const SECRET: &str = "your_secure_secret_key";
/// Retries after 1 s and 2 s, then none.
const QUICK_RETRIES: [(&str, &str); 3] =
    [("CELERY_MAX_RETRIES", "3"), ("CELERY_BASE_RETRY_DELAY_SECONDS", "1"), ("RETRY_FACTOR", "2")];

#[tokio::test(flavor = "multi_thread")]
async fn a_signed_event_arrives_byte_for_byte_and_its_status_and_rows_say_so() {
    let bed = TestBed::start("arrives").await;
    let hooklog = Hooklog::start(&bed, &[]).await;
    let receiver = Receiver::start(|_| 200).await;
    let subscription = hooklog.subscribe(&receiver.url("/hook?a=1"), Some(SECRET)).await;
    let body = "{ \"payload\": {\"n\": 1.50, \"t\": \"\u{e9}\u{1F600}\"},\r\n\t\"extra\":1e2 }";
    let webhook_id = hooklog.ingest(&subscription, Some(SECRET), body).await;

    let status = hooklog.status_once(&webhook_id, "succeeded", SOON).await;
    assert_eq!(status["subscription_id"], subscription.as_str());
    assert_eq!(status["attempts"].as_array().unwrap().len(), 1);
    assert_eq!(status["latest_attempt"]["http_status_code"], 200);

    let calls = receiver.calls();
    assert_eq!(calls.len(), 1);
    assert_eq!(calls[0].body, body.as_bytes());
    assert_eq!(calls[0].webhook_id(), webhook_id);
    assert_eq!(calls[0].header("content-type"), "application/json");
    let headers = StandardHeaders {
        id: calls[0].header("webhook-id"),
        timestamp: calls[0].header("webhook-timestamp"),
        signature: calls[0].header("webhook-signature"),
    };
    let secret = Secret::from_text(SECRET).unwrap();
    let now = Timestamp::now().as_second();
    assert_eq!(verify_standard(&[secret], headers, &calls[0].body, now, SOON), Ok(()));

    let postgres = bed.postgres().await;
    let id: Uuid = webhook_id.parse().unwrap();
    let row = postgres
        .query_one("SELECT state, attempts, payload FROM deliveries WHERE id = $1", &[&id])
        .await
        .unwrap();
    assert_eq!(row.get::<_, &str>("state"), "delivered");
    assert_eq!(row.get::<_, i32>("attempts"), 1);
    assert_eq!(row.get::<_, &[u8]>("payload"), body.as_bytes());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_fails_twice_is_called_three_times_at_the_configured_delays() {
    let bed = TestBed::start("retries").await;
    let hooklog = Hooklog::start(&bed, &QUICK_RETRIES).await;
    let receiver = Receiver::start(|call| if call.number < 3 { 500 } else { 200 }).await;
    let subscription = hooklog.subscribe(&receiver.url("/"), None).await;
    let webhook_id = hooklog.ingest(&subscription, None, r#"{"payload":{}}"#).await;

    let status = hooklog.status_once(&webhook_id, "succeeded", SOON).await;
    let outcomes: Vec<&str> = status["attempts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|attempt| attempt["outcome"].as_str().unwrap())
        .collect();
    assert_eq!(outcomes, ["failed_attempt", "failed_attempt", "succeeded"]);

    let calls = receiver.calls();
    assert!(calls.iter().all(|call| call.webhook_id() == webhook_id));
    for (pair, planned) in calls.windows(2).zip([1.0, 2.0]) {
        let waited = pair[1].received_at.duration_since(pair[0].received_at).as_secs_f64();
        // Never early beyond 250 ms; late by jitter and tolerance (10 % each) and a second.
        assert!(waited > planned - 0.25, "{waited} s instead of {planned} s");
        assert!(waited < planned * 1.2 + 1.0, "{waited} s instead of {planned} s");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_that_always_fails_is_dead_lettered_after_the_configured_attempts() {
    let bed = TestBed::start("gives-up").await;
    let hooklog = Hooklog::start(&bed, &QUICK_RETRIES).await;
    let receiver = Receiver::start(|_| 503).await;
    let subscription = hooklog.subscribe(&receiver.url("/"), None).await;
    let webhook_id = hooklog.ingest(&subscription, None, r#"{"payload":{"x":1}}"#).await;

    let status = hooklog.status_once(&webhook_id, "failed", SOON).await;
    assert_eq!(status["attempts"].as_array().unwrap().len(), 3);
    assert_eq!(status["latest_attempt"]["outcome"], "permanently_failed");
    assert_eq!(receiver.count(), 3);
    let letters = bed.records(&bed.kafka().topics.dead_letters()).await;
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].header(REASON_HEADER).unwrap(), "exhausted");
    assert!(letters[0].value.as_ref().unwrap().ends_with(br#"{"payload":{"x":1}}"#));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_is_a_failure_and_is_not_followed() {
    let bed = TestBed::start("redirect").await;
    let hooklog = Hooklog::start(&bed, &[("CELERY_MAX_RETRIES", "1")]).await;
    let receiver = Receiver::start(|_| 302).await;
    let subscription = hooklog.subscribe(&receiver.url("/"), None).await;
    let webhook_id = hooklog.ingest(&subscription, None, r#"{"payload":{}}"#).await;
    let status = hooklog.status_once(&webhook_id, "failed", SOON).await;
    assert_eq!(status["latest_attempt"]["http_status_code"], 302);
    assert_eq!(receiver.count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_a_deleted_subscription_is_cancelled_and_not_delivered() {
    let bed = TestBed::start("deleted").await;
    let hooklog = Hooklog::start(&bed, &QUICK_RETRIES).await;
    let receiver = Receiver::start(|_| 500).await;
    let subscription = hooklog.subscribe(&receiver.url("/"), None).await;
    let webhook_id = hooklog.ingest(&subscription, None, r#"{"payload":{}}"#).await;
    eventually(SOON, || async { (receiver.count() == 1).then_some(()) }).await;
    let url = format!("{}/subscriptions/{subscription}", hooklog.base);
    assert_eq!(hooklog.http.delete(&url).await.status, 204);

    hooklog.status_once(&webhook_id, "failed", SOON).await;
    let id: Uuid = webhook_id.parse().unwrap();
    let row = bed
        .postgres()
        .await
        .query_one("SELECT state, reason FROM deliveries WHERE id = $1", &[&id])
        .await
        .unwrap();
    assert_eq!(row.get::<_, &str>("state"), "cancelled");
    assert_eq!(row.get::<_, &str>("reason"), "subscription_deleted");
    assert_eq!(receiver.count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_target_is_refused_at_the_call_unless_the_operator_allows_it() {
    let bed = TestBed::start("egress").await;
    let receiver = Receiver::start(|_| 200).await;
    let allowed = Hooklog::start(&bed, &[]).await;
    let subscription = allowed.subscribe(&receiver.url("/"), None).await;
    drop(allowed);

    let settings = [("HOOKLOG_EGRESS_ALLOW", ""), ("CELERY_MAX_RETRIES", "1")];
    let strict = Hooklog::start(&bed, &settings).await;
    let webhook_id = strict.ingest(&subscription, None, r#"{"payload":{}}"#).await;
    strict.status_once(&webhook_id, "failed", SOON).await;
    assert_eq!(receiver.count(), 0);
    let id: Uuid = webhook_id.parse().unwrap();
    let row = bed
        .postgres()
        .await
        .query_one("SELECT error_kind FROM delivery_attempts WHERE delivery_id = $1", &[&id])
        .await
        .unwrap();
    assert_eq!(row.get::<_, &str>("error_kind"), "egress_denied");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_nobody_can_read_is_dead_lettered_with_its_bytes_and_the_next_goes_on() {
    let bed = TestBed::start("poison").await;
    let hooklog = Hooklog::start(&bed, &[("HOOKLOG_PARTITIONS", "1")]).await;
    let receiver = Receiver::start(|_| 200).await;
    let subscription = hooklog.subscribe(&receiver.url("/"), None).await;
    let topics = bed.kafka().topics;
    let producer = Producer::new(&bed.kafka(), None).unwrap();
    let poison = b"not a delivery \0\xff";
    let message = Message { topic: &topics.deliveries(), key: b"k", value: poison, headers: &[] };
    producer.write(message).await.unwrap();

    let webhook_id = hooklog.ingest(&subscription, None, r#"{"payload":{}}"#).await;
    hooklog.status_once(&webhook_id, "succeeded", SOON).await;
    let letters = eventually(SOON, || async {
        let letters = bed.records(&topics.dead_letters()).await;
        (!letters.is_empty()).then_some(letters)
    })
    .await;
    assert_eq!(letters[0].value.as_ref().unwrap(), &poison[..]);
    assert_eq!(letters[0].header(REASON_HEADER).unwrap(), "poison");
}
