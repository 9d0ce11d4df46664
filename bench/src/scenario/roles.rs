//! Each role is killed again and again under load, then Kafka is away, then PostgreSQL.
//!
//! Producers send over HTTP and repeat what is not answered 202 under the same idempotency key.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Args;
use tokio::task::JoinSet;
use tokio_postgres::NoTls;

use super::{Common, Ground};
use crate::api::Api;
use crate::board::Board;
use crate::installation::SPLIT;
use crate::mark::Cohort;
use crate::open_loop::BODY_BYTES;
use crate::receiver::Behaviour;
use crate::report::{Goal, Report};

const PORTS: usize = 8;
const SUBSCRIPTIONS: usize = 50;
const PRODUCERS: usize = 8;
/// After an answer that is no 202.
const TRY_AGAIN: Duration = Duration::from_millis(100);
/// Between two kills of a role, from the moment at which it is ready.
const BETWEEN_KILLS: Duration = Duration::from_secs(2);
/// How long deliveries may take to go on after a kill before the next trouble comes anyway.
const RESUMPTION: Duration = Duration::from_secs(30);
/// After a store is back, before the next trouble.
const RECOVERY: Duration = Duration::from_secs(5);
/// After the load, until everything has arrived and is projected.
const PATIENCE: Duration = Duration::from_secs(120);
const LOOK_AGAIN: Duration = Duration::from_millis(200);

#[derive(Debug, Args)]
pub struct Arguments {
    /// Kills of each role.
    #[arg(long, default_value_t = 10)]
    kills: usize,
    /// Events per second.
    #[arg(long, default_value_t = 100.0)]
    rate: f64,
    /// Seconds for which each store is away.
    #[arg(long, default_value_t = 20)]
    away: u64,
    /// Kill a role again although deliveries have not gone on since the last kill.
    #[arg(long)]
    hasty: bool,
    /// Each store is away for 3 minutes.
    #[arg(long)]
    long: bool,
}

/// What the producers were told.
#[derive(Debug, Default)]
struct Told {
    stop: AtomicBool,
    accepted: AtomicUsize,
    refused: AtomicUsize,
    unanswered: AtomicUsize,
}

pub async fn run(common: &Common, arguments: &Arguments) -> anyhow::Result<Report> {
    let common = Common { split: true, ..common.clone() };
    let mut ground = Ground::start(&common, &[]).await?;
    let good = ground.receivers(PORTS, &Behaviour::ok()).await?;
    let subscriptions = ground.subscribe(SUBSCRIPTIONS, &good).await?;
    let cohort = ground.board.cohort();
    let told = Arc::new(Told::default());
    let mut producers = JoinSet::new();
    for n in 0..PRODUCERS {
        let producer = Producer {
            api: Api::default(),
            board: ground.board.clone(),
            cohort,
            told: Arc::clone(&told),
            interval: Duration::from_secs_f64(PRODUCERS as f64 / arguments.rate),
            urls: subscriptions
                .iter()
                .skip(n)
                .step_by(PRODUCERS)
                .map(|it| {
                    format!("{}/v1/subscriptions/{}/events", ground.installation.api(), it.id)
                })
                .collect(),
        };
        producers.spawn(producer.run());
    }

    let mut report = Report::new(
        "roles",
        format!("each role killed {} times under {} events/s", arguments.kills, arguments.rate),
    );
    let mut by_themselves = 0;
    for name in SPLIT {
        for _ in 0..arguments.kills {
            tokio::time::sleep(BETWEEN_KILLS).await;
            by_themselves += revive(&mut ground, &mut report).await?;
            let process = ground.processes.iter_mut().find(|it| it.name == name);
            let process = process.with_context(|| format!("there is no {name}"))?;
            process.kill().await?;
            process.start_again()?;
            process.ready().await?;
            if !arguments.hasty {
                something_arrives(&ground, cohort).await;
            }
        }
        report.note(format!(
            "{} kills of {name}: {}",
            arguments.kills,
            so_far(&ground, cohort, &told)
        ));
    }
    let away = Duration::from_secs(if arguments.long { 180 } else { arguments.away });
    for store in ["Kafka", "PostgreSQL"] {
        take_away(&ground, store, away).await?;
        tokio::time::sleep(RECOVERY).await;
        by_themselves += revive(&mut ground, &mut report).await?;
        something_arrives(&ground, cohort).await;
        report.note(format!("{store} away for {away:?}: {}", so_far(&ground, cohort, &told)));
    }
    told.stop.store(true, Ordering::Relaxed);
    while producers.join_next().await.is_some() {}

    ground.board.settled(&[cohort], PATIENCE).await;
    let tally = ground.board.with(cohort, |tally| tally.clone());
    let accepted = told.accepted.load(Ordering::Relaxed);
    let unfinished = unprojected(&ground, accepted).await?;
    by_themselves += revive(&mut ground, &mut report).await?;
    report.figure("kills", (arguments.kills * SPLIT.len()) as f64, None);
    report.figure("accepted (202)", accepted as f64, None);
    report.figure("refused (other answers)", told.refused.load(Ordering::Relaxed) as f64, None);
    report.figure("unanswered", told.unanswered.load(Ordering::Relaxed) as f64, None);
    report.figure("lost", tally.missing() as f64, Some(Goal::AtMost(0.0)));
    report.figure("arrived twice", tally.repeats() as f64, None);
    report.figure(
        "accepted and not projected as ended",
        unfinished as f64,
        Some(Goal::AtMost(0.0)),
    );
    report.figure(
        "processes that ended by themselves",
        by_themselves as f64,
        Some(Goal::AtMost(0.0)),
    );
    Ok(report)
}

/// One producer's connection: an event at each interval, until it is accepted.
struct Producer {
    api: Api,
    board: Board,
    cohort: Cohort,
    told: Arc<Told>,
    interval: Duration,
    urls: Vec<String>,
}

impl Producer {
    async fn run(self) {
        let mut next_at = Instant::now();
        for url in self.urls.iter().cycle() {
            tokio::time::sleep_until(next_at.into()).await;
            // Not an open loop: while it is refused, no further events queue up.
            next_at = (next_at + self.interval).max(Instant::now());
            if self.told.stop.load(Ordering::Relaxed) {
                return;
            }
            let mark = self.board.intend(self.cohort, Instant::now());
            let key = format!("{}-{}", self.cohort.0, mark.number);
            let headers = [
                ("content-type", "application/json"),
                ("x-event-type", "bench"),
                ("idempotency-key", &key),
            ];
            loop {
                match self.api.post(url, &headers, mark.body(BODY_BYTES)).await {
                    Some(202) => break,
                    Some(_) => self.told.refused.fetch_add(1, Ordering::Relaxed),
                    None => self.told.unanswered.fetch_add(1, Ordering::Relaxed),
                };
                tokio::time::sleep(TRY_AGAIN).await;
            }
            self.told.accepted.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Waits until deliveries go on: a consumer that was killed keeps its partitions from the next
/// one until its session has timed out.
async fn something_arrives(ground: &Ground, cohort: Cohort) {
    let end = Instant::now() + RESUMPTION;
    let arrived = ground.board.with(cohort, |tally| tally.arrived());
    while ground.board.with(cohort, |tally| tally.arrived()) == arrived && Instant::now() < end {
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

fn so_far(ground: &Ground, cohort: Cohort, told: &Told) -> String {
    let (arrived, repeats) = ground.board.with(cohort, |it| (it.arrived(), it.repeats()));
    let accepted = told.accepted.load(Ordering::Relaxed);
    format!("{accepted} accepted, {arrived} arrived, {repeats} of them twice so far")
}

async fn take_away(ground: &Ground, store: &str, away: Duration) -> anyhow::Result<()> {
    let is_kafka = store == "Kafka";
    tokio::task::block_in_place(|| {
        let mut stack = ground.installation.stack();
        if is_kafka { stack.stop_kafka() } else { stack.stop_postgres() }
    });
    tokio::time::sleep(away).await;
    tokio::task::block_in_place(|| {
        let mut stack = ground.installation.stack();
        if is_kafka { stack.start_kafka() } else { stack.start_postgres() }
    })
    .with_context(|| format!("bring {store} back"))
}

/// Starts what has ended by itself, as a supervisor would, and says how many those were.
async fn revive(ground: &mut Ground, report: &mut Report) -> anyhow::Result<usize> {
    let mut ended = 0;
    for process in &mut ground.processes {
        if !process.is_running() {
            report.note(format!("{} ended by itself: {}", process.name, process.last_words()));
            process.start_again()?;
            process.ready().await?;
            ended += 1;
        }
    }
    Ok(ended)
}

/// How many accepted events have no row that says `delivered`, once that no longer changes.
async fn unprojected(ground: &Ground, accepted: usize) -> anyhow::Result<usize> {
    let url = &ground.installation.database_url;
    let (client, connection) =
        tokio_postgres::connect(url, NoTls).await.context("connect to the database")?;
    // It ends with its client.
    tokio::spawn(connection);
    let end = Instant::now() + PATIENCE;
    loop {
        let count = "SELECT count(*) FROM deliveries WHERE state = 'delivered'";
        let row = client.query_one(count, &[]).await.context("count the projected deliveries")?;
        let projected = usize::try_from(row.get::<_, i64>(0))?;
        if projected >= accepted || Instant::now() >= end {
            return Ok(accepted.saturating_sub(projected));
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}
