//! Whatever is killed or away, what was accepted arrives.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use local_stack::{Options, Stack};
use test_bed::{Receiver, TestBed, eventually};
use tokio::sync::Mutex;

use crate::running::Hooklog;

const SECRET: &str = "s";

/// What a producer was told about its events.
#[derive(Default)]
struct Told {
    /// `webhook_id` of each accepted event, with its body.
    accepted: HashMap<String, String>,
    /// Answers by status.
    answers: HashMap<u16, usize>,
}

/// Sends event after event until `total` are accepted, from `lanes` connections.
async fn produce(
    hooklog: &Hooklog,
    subscription: &str,
    total: usize,
    lanes: usize,
    told: &Mutex<Told>,
) {
    let send_all = |lane: usize| async move {
        for n in (lane..total).step_by(lanes) {
            let body = format!(r#"{{"payload":{{"n":{n}}}}}"#);
            loop {
                let answer = hooklog.try_ingest(subscription, Some(SECRET), &body).await;
                let Some(answer) = answer else {
                    // The process is away: it was killed. A producer tries again.
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    continue;
                };
                let mut told = told.lock().await;
                *told.answers.entry(answer.status.as_u16()).or_default() += 1;
                if answer.status == 202 {
                    let id = answer.json()["webhook_id"].as_str().unwrap().to_owned();
                    told.accepted.insert(id, body);
                    break;
                }
                assert_eq!(answer.status, 503, "{answer:?}");
                assert!(answer.headers.contains_key("retry-after"), "{answer:?}");
                drop(told);
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    };
    let mut running = Vec::new();
    for lane in 0..lanes {
        running.push(send_all(lane));
    }
    futures_util::future::join_all(running).await;
}

/// Waits until everything that was accepted has arrived, with the body that was sent.
async fn all_arrive(receiver: &Receiver, told: &Mutex<Told>, within: Duration) {
    let told = told.lock().await;
    eventually(within, || async {
        let calls = receiver.calls();
        let arrived: HashSet<String> = calls.iter().map(test_bed::Call::webhook_id).collect();
        told.accepted.keys().all(|id| arrived.contains(id)).then_some(())
    })
    .await;
    for call in receiver.calls() {
        if let Some(body) = told.accepted.get(&call.webhook_id()) {
            assert_eq!(call.body, body.as_bytes(), "a repeat differs from what was accepted");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_accepted_is_lost_when_the_process_is_killed_again_and_again() {
    let bed = TestBed::start("killed").await;
    let hooklog = Hooklog::start(&bed, &[]).await;
    let receiver = Receiver::start(|_| 200).await;
    let subscription = hooklog.subscribe(&receiver.url("/"), Some(SECRET)).await;

    let told = Mutex::new(Told::default());
    let hooklog = Arc::new(tokio::sync::RwLock::new(hooklog));
    const EVENTS: usize = 2_000;
    const KILLS: usize = 4;
    for round in 0..KILLS {
        // The kill comes while this round's events are on their way.
        let batch = EVENTS / KILLS;
        {
            let running = hooklog.read().await;
            produce(&running, &subscription, batch, 16, &told).await;
        }
        hooklog.write().await.kill_and_restart();
        assert!(told.lock().await.accepted.len() >= batch * (round + 1));
    }
    hooklog.read().await.ready().await;
    all_arrive(&receiver, &told, Duration::from_secs(60)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_kafka_is_away_producers_are_told_503_and_afterwards_everything_goes_on() {
    let stack = tokio::task::block_in_place(|| Stack::start(&Options::default()));
    let stack = std::sync::Mutex::new(stack.expect("start a private stack"));
    let (kafka, postgres) = {
        let stack = stack.lock().unwrap();
        (stack.kafka_address(), stack.postgres_url())
    };
    let bed = TestBed::start_on("kafka-away", &kafka, &postgres).await;
    let mut hooklog = Hooklog::start(&bed, &[("HOOKLOG_PRODUCE_TIMEOUT", "1s")]).await;
    let receiver = Receiver::start(|_| 200).await;
    let subscription = hooklog.subscribe(&receiver.url("/"), Some(SECRET)).await;

    let told = Mutex::new(Told::default());
    produce(&hooklog, &subscription, 100, 8, &told).await;
    tokio::task::block_in_place(|| stack.lock().unwrap().stop_kafka());
    let away = Instant::now();
    let refused = hooklog.try_ingest(&subscription, Some(SECRET), r#"{"payload":{}}"#).await;
    let refused = refused.expect("an answer while Kafka is away");
    assert_eq!(refused.status, 503);
    assert!(away.elapsed() < Duration::from_secs(5), "the answer took {:?}", away.elapsed());

    let producing = produce(&hooklog, &subscription, 200, 8, &told);
    let back = async {
        tokio::time::sleep(Duration::from_secs(4)).await;
        tokio::task::block_in_place(|| stack.lock().unwrap().start_kafka().expect("start Kafka"));
    };
    tokio::join!(producing, back);
    all_arrive(&receiver, &told, Duration::from_secs(60)).await;
    assert!(told.lock().await.answers.contains_key(&503), "there was no gap");
    assert!(hooklog.is_running(), "hooklog had to be started again");
}

#[tokio::test(flavor = "multi_thread")]
async fn while_postgres_is_away_events_are_taken_and_delivered_and_status_catches_up() {
    let stack = tokio::task::block_in_place(|| Stack::start(&Options::default()));
    let stack = std::sync::Mutex::new(stack.expect("start a private stack"));
    let (kafka, postgres) = {
        let stack = stack.lock().unwrap();
        (stack.kafka_address(), stack.postgres_url())
    };
    let bed = TestBed::start_on("postgres-away", &kafka, &postgres).await;
    let mut hooklog = Hooklog::start(&bed, &[]).await;
    let receiver = Receiver::start(|_| 200).await;
    let subscription = hooklog.subscribe(&receiver.url("/"), Some(SECRET)).await;

    // Once one event has arrived, the subscription has come through the outbox to the consumer.
    hooklog.ingest(&subscription, Some(SECRET), r#"{"payload":{}}"#).await;
    eventually(Duration::from_secs(20), || async { (receiver.count() == 1).then_some(()) }).await;
    tokio::task::block_in_place(|| stack.lock().unwrap().stop_postgres());
    let mut ids = Vec::new();
    for n in 1..50 {
        let body = format!(r#"{{"payload":{{"n":{n}}}}}"#);
        ids.push(hooklog.ingest(&subscription, Some(SECRET), &body).await);
    }
    eventually(Duration::from_secs(20), || async { (receiver.count() == 50).then_some(()) }).await;
    tokio::task::block_in_place(|| stack.lock().unwrap().start_postgres().expect("start it"));
    for id in ids {
        hooklog.status_once(&id, "succeeded", Duration::from_secs(30)).await;
    }
    assert!(hooklog.is_running(), "hooklog had to be started again");
}
