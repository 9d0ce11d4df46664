//! How fast the projector writes rows, beside a bare COPY of the same rows into the same tables.
//!
//! `local-stack run -- cargo run --release -p status-projector --example copy_ratio [DELIVERIES]`
//!
//! Each delivery is a record of 1 KB and an outcome, each tenth one an outcome more. *Together*
//! is the live case: a delivery and its outcomes are in one batch. *Apart* is the worst one: all
//! deliveries come first, so that each outcome changes a row that is there.

#![allow(clippy::unwrap_used, reason = "whoever runs it reads the panic")]

#[path = "../tests/story/mod.rs"]
mod story;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::pin::pin;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use database::DatabaseSettings;
use deadpool_postgres::{Client, Pool};
use futures_util::{SinkExt, TryStreamExt};
use jiff::civil::Date;
use jiff::{Timestamp, ToSpan};
use kafka_loop::record::Record;
use pipeline::delivery::Delivery;
use pipeline::ids::{DeliveryId, MessageId, SubscriptionId};
use status_projector::fold::{PartitionName, Told};
use status_projector::reading::Source;
use status_projector::store;
use test_bed::TestBed;
use uuid::Uuid;

const BODY_BYTES: usize = 1_024;
const SUBSCRIPTIONS: u128 = 100;
/// `HOOKLOG_PROJECTION_BATCH`.
const BATCH: usize = 4_000;
const ROUNDS: usize = 3;
/// Rows that a bare COPY sends at once.
const SEND_ROWS: usize = 16;

#[tokio::main]
async fn main() {
    let count = std::env::args().nth(1).map_or(50_000, |count| count.parse().unwrap());
    let bed = TestBed::start("ratio").await;
    let settings = DatabaseSettings::from_environment(&bed.environment(&[])).unwrap();
    let pool = database::pool(&settings).unwrap();
    let mut client = pool.get().await.unwrap();
    let records = Records::new(count);
    for day in read(&records.together).days().collect::<BTreeSet<_>>() {
        client.execute("SELECT create_delivery_partitions($1)", &[&day]).await.unwrap();
    }
    // One of each delivery and one of each outcome.
    let row_count = records.apart.len();

    let mut said = std::io::stdout();
    writeln!(said, "{row_count} rows of {count} deliveries; rows per second:").unwrap();
    for round in 1..=ROUNDS {
        let apart = project(&pool, &mut client, &records.apart).await;
        let together = project(&pool, &mut client, &records.together).await;
        let bare = copy_bare(&client).await;
        let [bare, together, apart] =
            [bare, together, apart].map(|seconds| row_count as f64 / seconds);
        writeln!(
            said,
            "round {round}: bare COPY {bare:.0}, together {together:.0} ({:.0} %), \
             apart {apart:.0} ({:.0} %)",
            together / bare * 100.0,
            apart / bare * 100.0
        )
        .unwrap();
    }
}

/// Seconds to copy what is in the tables into them again.
async fn copy_bare(client: &Client) -> f64 {
    let mut tables = Vec::new();
    for table in ["deliveries", "delivery_attempts"] {
        let out = format!("COPY (SELECT * FROM {table}) TO STDOUT (FORMAT binary)");
        let stream = client.copy_out(out.as_str()).await.unwrap();
        let parts: Vec<Bytes> = stream.try_collect().await.unwrap();
        tables.push((format!("COPY {table} FROM STDIN (FORMAT binary)"), parts));
    }
    reset(client).await;
    let started_at = Instant::now();
    for (copy, parts) in tables {
        let mut sink = pin!(client.copy_in::<_, Bytes>(copy.as_str()).await.unwrap());
        for part in parts.chunks(SEND_ROWS) {
            sink.as_mut().feed(part.concat().into()).await.unwrap();
        }
        sink.finish().await.unwrap();
    }
    started_at.elapsed().as_secs_f64()
}

/// Seconds to project the records, in batches.
async fn project(pool: &Pool, client: &mut Client, records: &[Record]) -> f64 {
    reset(client).await;
    let names: Vec<PartitionName> =
        [story::DELIVERIES, story::OUTCOMES].map(|topic| (Arc::from(topic), 0)).into();
    let mut expected: BTreeMap<PartitionName, i64> = store::positions(pool, &names).await.unwrap();
    let started_at = Instant::now();
    for batch in records.chunks(BATCH) {
        let told = read(batch);
        let ends = told.ends.clone();
        store::write(client, told, &expected).await.unwrap();
        expected.extend(ends);
    }
    started_at.elapsed().as_secs_f64()
}

async fn reset(client: &Client) {
    let reset = "TRUNCATE deliveries, delivery_attempts, projector_offsets; CHECKPOINT";
    client.batch_execute(reset).await.unwrap();
}

fn read(records: &[Record]) -> Told {
    let source = |record: &Record| match &*record.topic {
        story::DELIVERIES => Source::Deliveries,
        _ => Source::Outcomes,
    };
    Told::by(records, source, story::NOW.parse().unwrap(), Date::MIN)
}

struct Records {
    together: Vec<Record>,
    apart: Vec<Record>,
}

impl Records {
    fn new(count: usize) -> Self {
        let now: Timestamp = story::NOW.parse().unwrap();
        let (mut together, mut deliveries, mut outcomes) = (Vec::new(), Vec::new(), Vec::new());
        for n in 0..count {
            // In the order of time, as the gateways draw them.
            let id = Uuid::from_u128((0x7000_u128 << 64) | ((n as u128) << 80) | n as u128);
            let delivery = Delivery {
                id: DeliveryId::from_uuid(id),
                subscription_id: SubscriptionId::from_uuid(Uuid::from_u128(
                    n as u128 % SUBSCRIPTIONS,
                )),
                message_id: MessageId::from_uuid(id),
                accepted_at: now - 60.minutes() + (n as i64).milliseconds(),
                body: Bytes::from(vec![b'x'; BODY_BYTES]),
                ..story::delivery(0)
            };
            let encoded = delivery.encode().to_vec();
            let record = story::record(story::DELIVERIES, n as i64, encoded);
            together.push(record.clone());
            deliveries.push(record);
            let mut tell = |outcome: &pipeline::outcome::Outcome| {
                let offset = outcomes.len() as i64;
                let record = story::record(story::OUTCOMES, offset, outcome.encode());
                together.push(record.clone());
                outcomes.push(record);
            };
            if n % 10 == 0 {
                tell(&story::failed(&delivery));
                tell(&story::delivered(&Delivery { attempt: 2, release: 1, ..delivery.clone() }));
            } else {
                tell(&story::delivered(&delivery));
            }
        }
        deliveries.append(&mut outcomes);
        Self { together, apart: deliveries }
    }
}
