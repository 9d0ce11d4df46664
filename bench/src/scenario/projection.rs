//! The projector is killed again and again while it works through a log, and its tables are held
//! against a fold of the same log in one go. Then the projection is made anew from a longer log,
//! while somebody reads it all the time; and all its rows are copied bare, for comparison.
//!
//! The log is written straight into Kafka; nothing is delivered.

use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use bytes::Bytes;
use clap::Args;
use futures_util::{SinkExt, TryStreamExt};
use hdrhistogram::Histogram;
use jiff::{SignedDuration, Timestamp};
use kafka_loop::topic_setup;
use pipeline::delivery::Delivery;
use pipeline::ids::{DeliveryId, MessageId, SubscriptionId};
use pipeline::outcome::{Call, Kind, Outcome, SCHEMA, State};
use serde_json::Value;
use tokio_postgres::{Client, NoTls};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::Common;
use crate::installation::Installation;
use crate::report::{Goal, Report};
use crate::role_process::RoleProcess;
use crate::source::Source;

const PROJECTOR: &str = "status-projector";
const BODY_BYTES: usize = 1_024;
const SUBSCRIPTIONS: usize = 100;
/// Between two looks at how far the projector is.
const LOOK_AGAIN: Duration = Duration::from_millis(5);
/// The longest time in which no record is projected, on a machine that is busy with other things
/// and with a start of the process included.
const SILENCE: Duration = Duration::from_secs(300);
/// Rows of a bare COPY that are sent at once.
const SEND_ROWS: usize = 16;

#[derive(Debug, Args)]
pub struct Arguments {
    /// Deliveries that are projected while the projector is killed.
    #[arg(long, default_value_t = 200_000)]
    deliveries: usize,
    /// How often it is killed on the way.
    #[arg(long, default_value_t = 50)]
    kills: usize,
    /// Deliveries in the log when all of it is made anew.
    #[arg(long, default_value_t = 1_000_000)]
    rebuild: usize,
}

pub async fn run(common: &Common, arguments: &Arguments) -> anyhow::Result<Report> {
    let mine = std::env::current_exe().context("find this program")?;
    let programs = common.programs.clone().or_else(|| Some(mine.parent()?.to_owned()));
    let programs = programs.context("find the folder of this program")?;
    let installation = tokio::task::block_in_place(|| Installation::start(&programs, &[]))?;
    topic_setup::prepare(&installation.kafka, &CancellationToken::new()).await?;
    let source = Source::new(&installation.kafka)?;
    let sql = connect(&installation).await?;
    let mut report = Report::new(
        "projection",
        format!(
            "{} deliveries of {BODY_BYTES} bytes and {} kills, {} deliveries made anew; \
             \"healthy\" is a bare COPY",
            arguments.deliveries, arguments.kills, arguments.rebuild
        ),
    );

    let mut log = Log { source: &source, subscriptions: subscriptions(), written: 0 };
    log.write(arguments.deliveries).await?;
    let mut projector = installation.run(PROJECTOR)?;
    let started_at = Instant::now();
    let kills = kill(&mut projector, &sql, log.written, arguments.kills).await?;
    let took = started_at.elapsed();
    report.figure("kills while it worked", kills as f64, None);
    report.figure("records per second, killed", log.written as f64 / took.as_secs_f64(), None);
    rebuild(&installation, &["--no-swap"]).await?;
    let folded = checksum(&installation, &["--schema", "projection_next"]).await?;
    let projected = checksum(&installation, &[]).await?;
    let differing = differing(&folded, &projected);
    report.figure("tables that differ from the log's fold", differing, Some(Goal::AtMost(0.0)));

    projector.terminate().await?;
    log.write(arguments.rebuild.saturating_sub(arguments.deliveries)).await?;
    let reads = Reads::start(&installation).await?;
    let started_at = Instant::now();
    let said = rebuild(&installation, &["--restart"]).await?;
    let took = started_at.elapsed();
    let reads = reads.stop().await?;
    report.note(said.trim().to_owned());
    report.figure("records made anew", log.written as f64, None);
    report.figure("rebuild, records per second", log.written as f64 / took.as_secs_f64(), None);
    report.figure("reads meanwhile", reads.len() as f64, None);
    report.figure("p99 of these, ms", reads.value_at_quantile(0.99) as f64 / 1_000.0, None);
    report.figure("longest of these, ms", reads.max() as f64 / 1_000.0, None);
    let rebuilt = checksum(&installation, &[]).await?;
    let rows = |table: usize| rebuilt["tables"][table]["rows"].as_i64().unwrap_or(0);
    let missing = (arguments.rebuild as i64 - rows(0)).abs();
    report.figure("deliveries missing after it", missing as f64, Some(Goal::AtMost(0.0)));

    projector.start_again()?;
    projector.ready().await?;
    log.write(1).await?;
    until_projected(&sql, log.written).await?;
    let after = checksum(&installation, &[]).await?;
    let more = after["tables"][0]["rows"].as_i64().unwrap_or(0) - rows(0);
    report.figure("deliveries projected after it", more as f64, Some(Goal::AtLeast(1.0)));
    projector.terminate().await?;
    let (copied, copy_took) = copy_bare(&sql).await?;
    let bare = copied as f64 / copy_took.as_secs_f64();
    let made = copied as f64 / took.as_secs_f64();
    report.ratio("rows per second", bare, made, Some(Goal::AtLeast(0.4)));
    Ok(report)
}

/// What is written to the log.
struct Log<'a> {
    source: &'a Source,
    subscriptions: Vec<SubscriptionId>,
    /// Records so far.
    written: i64,
}

impl Log<'_> {
    /// Writes so many deliveries, each with what became of it: each tenth fails once.
    async fn write(&mut self, count: usize) -> anyhow::Result<()> {
        for n in 0..count {
            let delivery = delivery(self.subscriptions[n % SUBSCRIPTIONS]);
            let outcomes = match n % 10 {
                0 => vec![
                    outcome(&delivery, 1, State::Retrying),
                    outcome(&delivery, 2, State::Delivered),
                ],
                _ => vec![outcome(&delivery, 1, State::Delivered)],
            };
            self.source.tell(&delivery, &outcomes).await;
            self.written += 1 + outcomes.len() as i64;
        }
        self.source.flush().await
    }
}

fn subscriptions() -> Vec<SubscriptionId> {
    (0..SUBSCRIPTIONS).map(|_| SubscriptionId::from_uuid(Uuid::new_v4())).collect()
}

fn delivery(subscription_id: SubscriptionId) -> Delivery {
    Delivery {
        id: DeliveryId::from_uuid(Uuid::now_v7()),
        subscription_id,
        subscription_version: 1,
        message_id: MessageId::from_uuid(Uuid::now_v7()),
        event_type: Some("order.paid".to_owned()),
        content_type: "application/json".to_owned(),
        accepted_at: Timestamp::now(),
        attempt: 1,
        release: 0,
        wait: None,
        replay_of: None,
        attributes: Vec::new(),
        body: Bytes::from(vec![b'1'; BODY_BYTES]),
    }
}

fn outcome(delivery: &Delivery, attempt: u32, state: State) -> Outcome {
    let succeeded = state == State::Delivered;
    let next = delivery.accepted_at + SignedDuration::from_secs(1);
    Outcome {
        schema: SCHEMA,
        delivery_id: delivery.id,
        subscription_id: delivery.subscription_id,
        message_id: delivery.message_id,
        event_type: delivery.event_type.clone(),
        accepted_at: delivery.accepted_at,
        attempt,
        release: attempt - 1,
        kind: Kind::Attempt,
        state,
        reason: None,
        occurred_at: Timestamp::now(),
        next_attempt_at: (!succeeded).then_some(next),
        late: false,
        call: Some(Call {
            target_url: "http://127.0.0.1/hook".to_owned(),
            succeeded,
            http_status: Some(if succeeded { 200 } else { 500 }),
            error_kind: (!succeeded).then(|| "http_status".to_owned()),
            error: (!succeeded).then(|| "the receiver answered 500".to_owned()),
            latency_micros: 1_500,
            response_excerpt: "ok".to_owned(),
            response_truncated: false,
        }),
    }
}

async fn connect(installation: &Installation) -> anyhow::Result<Client> {
    let (client, connection) = tokio_postgres::connect(&installation.database_url, NoTls).await?;
    // It ends with its client.
    tokio::spawn(connection);
    Ok(client)
}

async fn projected(sql: &Client) -> anyhow::Result<i64> {
    let sum = "SELECT COALESCE(sum(next_offset), 0)::bigint FROM projector_offsets";
    Ok(sql.query_one(sum, &[]).await?.get(0))
}

/// Kills it whenever another share of the log is projected, in the middle of the next. Returns how
/// often it did, once all is projected.
async fn kill(
    projector: &mut RoleProcess,
    sql: &Client,
    records: i64,
    times: usize,
) -> anyhow::Result<usize> {
    let share = records / (times as i64 + 1);
    let mut done = 0;
    let mut heard_at = Instant::now();
    let mut seen = 0;
    while seen < records {
        tokio::time::sleep(LOOK_AGAIN).await;
        let now = projected(sql).await?;
        if now > seen {
            (seen, heard_at) = (now, Instant::now());
        }
        anyhow::ensure!(heard_at.elapsed() < SILENCE, "it is stuck: {}", projector.last_words());
        if done < times && seen >= share * (done as i64 + 1) && seen < records {
            projector.kill().await?;
            projector.start_again()?;
            done += 1;
        }
    }
    Ok(done)
}

async fn until_projected(sql: &Client, records: i64) -> anyhow::Result<()> {
    let end = Instant::now() + SILENCE;
    while projected(sql).await? < records {
        anyhow::ensure!(Instant::now() < end, "what came after the rebuild is not projected");
        tokio::time::sleep(LOOK_AGAIN).await;
    }
    Ok(())
}

/// Runs `hooklog projection rebuild`, whose progress goes to stderr; returns its result's words.
async fn rebuild(installation: &Installation, arguments: &[&str]) -> anyhow::Result<String> {
    let all = [&["projection", "rebuild"], arguments].concat();
    let mut command = installation.command(&all)?;
    command.stderr(Stdio::inherit());
    output(command).await
}

async fn checksum(installation: &Installation, arguments: &[&str]) -> anyhow::Result<Value> {
    let all = [&["projection", "checksum", "--json"], arguments].concat();
    Ok(serde_json::from_str(&output(installation.command(&all)?).await?)?)
}

async fn output(mut command: std::process::Command) -> anyhow::Result<String> {
    let ran = tokio::task::spawn_blocking(move || {
        command.stdout(Stdio::piped()).spawn()?.wait_with_output()
    });
    let output = ran.await.context("run hooklog")?.context("run hooklog")?;
    anyhow::ensure!(output.status.success(), "hooklog ended with {}", output.status);
    Ok(String::from_utf8(output.stdout)?)
}

/// How many tables differ in their rows' number or checksum.
fn differing(one: &Value, other: &Value) -> f64 {
    let tables = |sum: &Value| sum["tables"].as_array().cloned().unwrap_or_default();
    let (one, other) = (tables(one), tables(other));
    let pairs = one.iter().zip(&other);
    let differing = pairs.filter(|(one, other)| {
        ["rows", "checksum"].iter().any(|what| one[what].is_null() || one[what] != other[what])
    });
    (differing.count() + one.len().abs_diff(other.len()) + usize::from(one.is_empty())) as f64
}

/// Somebody who asks for the latest deliveries and their number in the last minute, all the time.
struct Reads {
    stop: Arc<AtomicBool>,
    task: tokio::task::JoinHandle<anyhow::Result<Histogram<u64>>>,
}

impl Reads {
    async fn start(installation: &Installation) -> anyhow::Result<Self> {
        let sql = connect(installation).await?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let task = tokio::spawn(async move {
            let mut micros = Histogram::new(3)?;
            let read =
                "SELECT id, state FROM deliveries ORDER BY accepted_at DESC, id DESC LIMIT 50";
            while !stopped.load(Ordering::Relaxed) {
                let started_at = Instant::now();
                let rows = sql.query(read, &[]).await?;
                anyhow::ensure!(rows.len() == 50, "a read has found {} deliveries", rows.len());
                micros.record(started_at.elapsed().as_micros() as u64)?;
                tokio::time::sleep(LOOK_AGAIN).await;
            }
            Ok(micros)
        });
        Ok(Self { stop, task })
    }

    /// How long each took, in microseconds.
    async fn stop(self) -> anyhow::Result<Histogram<u64>> {
        self.stop.store(true, Ordering::Relaxed);
        self.task.await.context("read meanwhile")?
    }
}

/// Copies every row of the projection into tables like its own, in one transaction each, from this
/// process's memory. Returns how many, and how long it took without the reading.
async fn copy_bare(sql: &Client) -> anyhow::Result<(u64, Duration)> {
    let (mut rows, mut took) = (0, Duration::ZERO);
    sql.batch_execute("CREATE SCHEMA bare").await?;
    for table in ["deliveries", "delivery_attempts"] {
        let create = format!("CREATE TABLE bare.{table} (LIKE {table} INCLUDING ALL)");
        sql.batch_execute(&create).await?;
        let out = format!("COPY (SELECT * FROM {table}) TO STDOUT (FORMAT binary)");
        let parts: Vec<Bytes> = sql.copy_out(out.as_str()).await?.try_collect().await?;
        let copy = format!("COPY bare.{table} FROM STDIN (FORMAT binary)");
        let started_at = Instant::now();
        let mut sink = Box::pin(sql.copy_in::<_, Bytes>(copy.as_str()).await?);
        for part in parts.chunks(SEND_ROWS) {
            sink.feed(part.concat().into()).await?;
        }
        rows += sink.as_mut().finish().await?;
        took += started_at.elapsed();
    }
    Ok((rows, took))
}
