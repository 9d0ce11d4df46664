//! What a subscription sets about its own deliveries, seen from its receiver.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use kafka_loop::producer::{Message, Producer};
use pipeline::dead_letter::{DETAIL_HEADER, REASON_HEADER};
use pipeline::delivery::Delivery;
use pipeline::ids::SubscriptionId;
use pipeline::outcome::{Kind, Outcome, Reason};
use pipeline::retry_on::{Failure, RetryOn};
use pipeline::retry_policy::RetryPolicy;
use pipeline::subscription::{
    Options, PauseReason, SecretText, Signing, SigningKey, SigningScheme, Subscription,
};
use signature::{
    Secret, StandardHeaders, verify_hub, verify_standard, verify_standard_with_public_key,
};
use test_bed::{Call, Receiver, TestBed, eventually};
use uuid::Uuid;

use crate::running::Hooklog;

const SOON: Duration = Duration::from_secs(20);
const EVENT: &str = r#"{"payload":{}}"#;

fn subscription(target_url: &str) -> Subscription {
    let id = SubscriptionId::from_uuid(Uuid::new_v4());
    Subscription::new(id, target_url, Timestamp::now())
}

/// Writes the subscription's record as the gateway's relay would.
async fn publish(bed: &TestBed, subscription: &Subscription) {
    let kafka = bed.kafka();
    let producer = Producer::new(&kafka, None).unwrap();
    let (topic, key) = (kafka.topics.subscriptions(), subscription.key());
    let value = subscription.encode();
    let message = Message { topic: &topic, key: key.as_bytes(), value: &value, headers: &[] };
    producer.write(message).await.unwrap();
}

/// Sends the first event once the gateway knows the subscription, and then `more`; returns
/// every `webhook_id`.
async fn ingest(hooklog: &Hooklog, subscription: &Subscription, more: usize) -> Vec<String> {
    let id = subscription.id.to_string();
    let first = eventually(SOON, || async {
        let answer = hooklog.try_ingest(&id, None, EVENT).await?;
        (answer.status == 202).then(|| answer.json()["webhook_id"].as_str().unwrap().to_owned())
    })
    .await;
    let rest = (0..more).map(|_| hooklog.ingest(&id, None, EVENT));
    let mut ids = futures_util::future::join_all(rest).await;
    ids.insert(0, first);
    ids
}

async fn outcomes(bed: &TestBed) -> Vec<Outcome> {
    let records = bed.records(&bed.kafka().topics.outcomes()).await;
    records.iter().map(|record| Outcome::decode(record.value.as_ref().unwrap()).unwrap()).collect()
}

async fn spills(bed: &TestBed, reason: Reason) -> Vec<Outcome> {
    let mut spills = outcomes(bed).await;
    spills.retain(|outcome| outcome.kind == Kind::Spill && outcome.reason == Some(reason));
    spills
}

fn seconds_between(earlier: &Call, later: &Call) -> f64 {
    later.received_at.duration_since(earlier.received_at).as_secs_f64()
}

#[tokio::test(flavor = "multi_thread")]
async fn own_headers_and_every_signature_reach_the_receiver() {
    const SECRET: &str = "whsec_bmV3bmV3bmV3bmV3bmV3bmV3";
    let bed = TestBed::start("own-signing").await;
    let hooklog = Hooklog::start(&bed, &[]).await;
    let receiver = Receiver::start(|_| 200).await;
    let pair = signature::SigningKey::from_seed(&[7; 32]);
    let key = |text: String| SigningKey { key: SecretText::Plain(text), expires_at: None };
    let headers = [("authorization", "Bearer x"), ("webhook-id", "forged")];
    let subscription = Subscription {
        options: Options {
            headers: BTreeMap::from(headers.map(|(n, v)| (n.to_owned(), v.to_owned()))),
            ..Options::default()
        },
        signing: Some(Signing {
            schemes: vec![SigningScheme::Standard, SigningScheme::Hub, SigningScheme::Ed25519],
            secrets: vec![key(SECRET.into())],
            key_pairs: vec![key(pair.to_secret_text())],
        }),
        ..subscription(&receiver.url("/"))
    };
    publish(&bed, &subscription).await;
    let webhook_id = ingest(&hooklog, &subscription, 0).await.remove(0);
    eventually(SOON, || async { (receiver.count() == 1).then_some(()) }).await;

    let call = &receiver.calls()[0];
    assert_eq!(call.header("authorization"), "Bearer x");
    assert_eq!(call.webhook_id(), webhook_id);
    let headers = StandardHeaders {
        id: call.header("webhook-id"),
        timestamp: call.header("webhook-timestamp"),
        signature: call.header("webhook-signature"),
    };
    let (secrets, now) = ([Secret::from_text(SECRET).unwrap()], Timestamp::now().as_second());
    assert_eq!(verify_standard(&secrets, headers, &call.body, now, SOON), Ok(()));
    let public = pair.public_key();
    let by_pair = verify_standard_with_public_key(&public, headers, &call.body, now, SOON);
    assert_eq!(by_pair, Ok(()));
    let hub = call.header("x-hub-signature-256").as_bytes();
    assert_eq!(verify_hub([hub], &call.body, &secrets), Ok(()));
}

#[tokio::test(flavor = "multi_thread")]
async fn own_timeout_and_retries_stand_in_for_the_installations() {
    let bed = TestBed::start("own-retries").await;
    // By the installation's settings there would be one call, and it would have time.
    let hooklog = Hooklog::start(&bed, &[("CELERY_MAX_RETRIES", "1")]).await;
    let receiver = Receiver::start_slow(|call| match call.number {
        1 => (Duration::from_secs(3), 200),
        2 => (Duration::ZERO, 503),
        _ => (Duration::ZERO, 404),
    })
    .await;
    let delay = Duration::from_secs(1);
    let subscription = Subscription {
        options: Options {
            timeout_seconds: Some(1),
            retry: Some(RetryPolicy::Schedule { delays: vec![delay; 5] }),
            retry_on: Some(RetryOn::new(vec![Failure::Network, Failure::Class(5)])),
            ..Options::default()
        },
        ..subscription(&receiver.url("/"))
    };
    publish(&bed, &subscription).await;
    let webhook_id = ingest(&hooklog, &subscription, 0).await.remove(0);

    let status = hooklog.status_once(&webhook_id, "failed", SOON).await;
    assert_eq!(status["attempts"].as_array().unwrap().len(), 3, "{status}");
    assert_eq!(status["latest_attempt"]["http_status_code"], 404);
    let kinds: Vec<String> = outcomes(&bed)
        .await
        .into_iter()
        .map(|outcome| outcome.call.unwrap().error_kind.unwrap())
        .collect();
    assert_eq!(kinds, ["timeout", "http_status", "http_status"]);
    let letters = bed.records(&bed.kafka().topics.dead_letters()).await;
    assert_eq!(letters[0].header(REASON_HEADER).unwrap(), "permanent");
    let detail = String::from_utf8_lossy(letters[0].header(DETAIL_HEADER).unwrap()).into_owned();
    assert!(detail.ends_with("which the subscription does not retry"), "{detail}");
}

#[tokio::test(flavor = "multi_thread")]
async fn while_paused_nothing_is_called_and_a_resume_lets_everything_out() {
    let bed = TestBed::start("paused").await;
    let hooklog = Hooklog::start(&bed, &[]).await;
    let receiver = Receiver::start(|_| 200).await;
    let running = subscription(&receiver.url("/"));
    publish(&bed, &Subscription { paused: Some(PauseReason::Operator), ..running.clone() }).await;
    let webhook_id = ingest(&hooklog, &running, 0).await.remove(0);

    let spilled = eventually(SOON, || async {
        let spilled = spills(&bed, Reason::Paused).await;
        (spilled.len() == 3).then_some(spilled)
    })
    .await;
    assert_eq!(receiver.count(), 0);
    let numbers: Vec<(u32, u32, f64)> = spilled
        .iter()
        .map(|spill| {
            let wait = spill.next_attempt_at.unwrap().duration_since(spill.occurred_at);
            (spill.attempt, spill.release, wait.as_secs_f64().round())
        })
        .collect();
    assert_eq!(numbers, [(1, 0, 1.0), (1, 1, 2.0), (1, 2, 4.0)]);

    publish(&bed, &Subscription { version: 2, ..running }).await;
    let status = hooklog.status_once(&webhook_id, "succeeded", SOON).await;
    assert_eq!(status["attempts"].as_array().unwrap().len(), 1);
    assert_eq!(receiver.count(), 1);
    let delivered = outcomes(&bed).await.pop().unwrap();
    let resumed_after = delivered.occurred_at.duration_since(spilled[2].occurred_at);
    assert!(resumed_after.as_secs_f64() < 4.0 * 1.1 + 1.0, "{resumed_after}");
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_concurrency_of_one_no_two_calls_are_under_way() {
    const SLOWEST: Duration = Duration::from_secs(3);
    const QUICK: Duration = Duration::from_millis(60);
    let bed = TestBed::start("one-at-a-time").await;
    let hooklog = Hooklog::start(&bed, &[("HOOKLOG_MAX_HOLD", "2s")]).await;
    let receiver = Receiver::start_slow(|call| match call.path.as_str() {
        "/slow" => (SLOWEST, 200),
        _ => (QUICK, 200),
    })
    .await;
    let options = Options { max_concurrency: Some(1), ..Options::default() };
    let quick = Subscription { options, ..subscription(&receiver.url("/quick")) };
    let slow =
        Subscription { options: quick.options.clone(), ..subscription(&receiver.url("/slow")) };
    publish(&bed, &quick).await;
    publish(&bed, &slow).await;
    ingest(&hooklog, &quick, 29).await;
    ingest(&hooklog, &slow, 2).await;

    let all = || async { (receiver.count() == 30 + 3).then(|| receiver.calls()) };
    let calls = eventually(2 * SOON, all).await;
    for (path, at_least) in [("/quick", QUICK), ("/slow", SLOWEST)] {
        let calls: Vec<&Call> = calls.iter().filter(|call| call.path == path).collect();
        for pair in calls.windows(2) {
            let apart = seconds_between(pair[0], pair[1]);
            assert!(apart >= at_least.as_secs_f64(), "{path}: two calls {apart} s apart");
        }
    }
    // Who waits for the slow one is put aside meanwhile.
    let limited = spills(&bed, Reason::Limited).await;
    assert!(limited.iter().any(|spill| spill.subscription_id == slow.id), "{limited:?}");
    assert!(limited.iter().all(|spill| spill.attempt == 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rate_is_not_exceeded_and_everything_arrives() {
    const RATE: usize = 5;
    let bed = TestBed::start("rate").await;
    let hooklog = Hooklog::start(&bed, &[("HOOKLOG_MAX_HOLD", "2s")]).await;
    let receiver = Receiver::start(|_| 200).await;
    let options = Options { rate_limit: Some(RATE as u32), ..Options::default() };
    let subscription = Subscription { options, ..subscription(&receiver.url("/")) };
    publish(&bed, &subscription).await;
    ingest(&hooklog, &subscription, 29).await;

    let calls =
        eventually(SOON, || async { (receiver.count() == 30).then(|| receiver.calls()) }).await;
    // A second's calls may go at once; after that each has its time. A call may arrive a little
    // later than it was made.
    for (first, from) in calls.iter().enumerate() {
        for (last, to) in calls.iter().enumerate().skip(first + RATE) {
            let needed = (last - first - RATE + 1) as f64 / RATE as f64;
            let took = seconds_between(from, to);
            assert!(took > needed - 0.15, "{} calls within {took} s", last - first + 1);
        }
    }
    assert!(!spills(&bed, Reason::Limited).await.is_empty(), "all of them held the consumer");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_released_delivery_keeps_its_bytes() {
    let bed = TestBed::start("released").await;
    let hooklog = Hooklog::start(&bed, &[]).await;
    let receiver = Receiver::start(|call| if call.number == 1 { 500 } else { 200 }).await;
    let retry = Some(RetryPolicy::Schedule { delays: vec![Duration::from_secs(1)] });
    let options = Options { retry, ..Options::default() };
    let subscription = Subscription { options, ..subscription(&receiver.url("/")) };
    publish(&bed, &subscription).await;
    ingest(&hooklog, &subscription, 0).await;
    eventually(SOON, || async { (receiver.count() == 2).then_some(()) }).await;

    let topics = bed.kafka().topics;
    let tier = topics.tiers().at_least(Duration::from_secs(1)).unwrap();
    let values = async |topic: String| -> Vec<Bytes> {
        bed.records(&topic).await.into_iter().filter_map(|record| record.value).collect()
    };
    let (held, released) = (values(topics.retries(tier)).await, values(topics.deliveries()).await);
    assert_eq!(released.last(), held.last());
    assert_eq!(Delivery::decode(held[0].clone()).unwrap().attempt, 2);
}
