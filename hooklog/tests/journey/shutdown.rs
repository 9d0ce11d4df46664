//! SIGTERM drains in bounded time and loses nothing.

use std::collections::HashSet;
use std::time::Duration;

use test_bed::{Receiver, TestBed, eventually};

use crate::running::Hooklog;

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_under_load_ends_in_time_and_every_accepted_event_arrives_once() {
    let bed = TestBed::start("drain").await;
    let mut hooklog = Hooklog::start(&bed, &[]).await;
    // Slow enough that calls are running when the signal comes, fast enough for the drain.
    let receiver = Receiver::start_slow(|_| (Duration::from_millis(300), 200)).await;
    let subscription = hooklog.subscribe(&receiver.url("/"), None).await;

    let mut accepted = HashSet::new();
    for n in 0..200 {
        let body = format!(r#"{{"payload":{{"n":{n}}}}}"#);
        accepted.insert(hooklog.ingest(&subscription, None, &body).await);
    }
    eventually(Duration::from_secs(20), || async { (receiver.count() > 20).then_some(()) }).await;
    let (status, took) = hooklog.terminate();
    assert!(status.success(), "{status}");
    assert!(took < Duration::from_secs(15), "it took {took:?}");

    hooklog.kill_and_restart();
    hooklog.ready().await;
    eventually(Duration::from_secs(30), || async {
        let arrived: HashSet<String> =
            receiver.calls().iter().map(test_bed::Call::webhook_id).collect();
        (arrived == accepted).then_some(())
    })
    .await;
    assert_eq!(receiver.count(), accepted.len(), "something was delivered twice");
}
