//! What a loop shows of itself.

use std::time::Duration;

use kafka_loop::consumer_loop::{self, LoopConfig};
use metrics::Page;
use metrics::registry::OLDEST_UNFINISHED;
use test_bed::eventually;
use tokio::sync::mpsc::unbounded_channel;

use super::{Hand, config, prepared, produce};

/// librdkafka tells where a log ends every five seconds, and asks for it every ten.
const TOLD: Duration = Duration::from_secs(40);

#[tokio::test(flavor = "multi_thread")]
async fn the_lag_is_from_the_committed_offset_to_the_end_of_the_log() {
    let kafka = prepared("figures").await;
    produce(&kafka, "k", 0..5).await;
    let page = Page::default();
    let config = LoopConfig { page: page.clone(), ..config(&kafka, 3) };
    let (hand, mut records) = unbounded_channel();
    let settings = kafka.clone();
    let _task = test_bed::Running::start(|shutdown| async move {
        consumer_loop::run(&settings, config, Hand(hand), shutdown).await
    });
    let topic = kafka.topics.deliveries();
    let shows = |name: &str, labels: &str, value: i64| {
        let line = format!("hooklog_consumer_{name}{{loop=\"test\"{labels}}} {value}\n");
        eventually(TOLD, {
            let page = page.clone();
            move || {
                let found = page.text().unwrap().contains(&line);
                async move { found.then_some(()) }
            }
        })
    };
    let of_topic = format!(",topic=\"{topic}\"");
    // Three are under way, and two are not even taken.
    shows("lag_records", &of_topic, 5).await;
    shows("unfinished_records", "", 3).await;
    let oldest = page.seconds_gauge(&OLDEST_UNFINISHED, &["test", &topic]);
    assert!((0.001..300.0).contains(&oldest.get()), "{}", oldest.get());
    for _ in 0..5 {
        let (_, ticket) = records.recv().await.unwrap();
        ticket.finish();
    }
    shows("lag_records", &of_topic, 0).await;
    shows("unfinished_records", "", 0).await;
    shows("oldest_unfinished_seconds", &of_topic, 0).await;
}
