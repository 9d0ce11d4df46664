//! Very many retries wait. They are written straight into a tier, as if they were decided now.

use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Args;
use jiff::{SignedDuration, Timestamp};
use kafka_loop::topic_reader;
use pipeline::delivery::Delivery;
use pipeline::tier::Tier;

use super::{Common, Ground};
use crate::open_loop::BODY_BYTES;
use crate::receiver::Behaviour;
use crate::report::{Goal, Report};

const PORTS: usize = 8;
const SUBSCRIPTIONS: usize = 200;
/// Bodies of one installment of the load, between two looks at the clock.
const CHUNK: usize = 10_000;
/// How long after the last record was written memory is read.
const REST: Duration = Duration::from_secs(5);
/// Once releases have begun, how long nothing may arrive before the rest counts as missing.
const SILENCE: Duration = Duration::from_secs(30);
const LOOK_AGAIN: Duration = Duration::from_secs(1);
const MEMORY_GOAL: Goal = Goal::AtMost(300.0);

#[derive(Debug, Args)]
pub struct Arguments {
    /// Retries that wait.
    #[arg(long, default_value_t = 1_000_000)]
    count: usize,
    /// The tier, as its topic names it. They all have to be written before the first is due.
    #[arg(long, default_value = "2m")]
    tier: String,
    /// Spread them over this tier and all longer ones, and only look at memory: every tier's
    /// partitions have something to fetch ahead.
    #[arg(long)]
    spread: bool,
}

pub async fn run(common: &Common, arguments: &Arguments) -> anyhow::Result<Report> {
    let mut ground = Ground::start(common, &[]).await?;
    let tier = ground
        .installation
        .kafka
        .topics
        .tiers()
        .iter()
        .find(|tier| tier.to_string() == arguments.tier)
        .with_context(|| format!("there is no tier {}", arguments.tier))?;
    let longer = ground.installation.kafka.topics.tiers().iter();
    let tiers: Vec<Tier> =
        longer.filter(|it| *it == tier || arguments.spread && *it > tier).collect();
    let good = ground.receivers(PORTS, &Behaviour::ok()).await?;
    let subscriptions = ground.subscribe(SUBSCRIPTIONS, &good).await?;
    ground.warm_up(&subscriptions, 200.0).await?;
    let mut report = Report::new(
        "waiting",
        format!(
            "{} retries of {BODY_BYTES} bytes in {} tiers from {tier} on",
            arguments.count,
            tiers.len()
        ),
    );
    memory(&ground, &mut report, "before", None)?;

    let cohort = ground.board.cohort();
    let started_at = Instant::now();
    for n in 0..arguments.count {
        // Each subscription's retries go to every tier.
        let tier = tiers[n / SUBSCRIPTIONS % tiers.len()];
        let due_at = Instant::now() + tier.delay();
        let due = Timestamp::now().checked_add(SignedDuration::try_from(tier.delay())?)?;
        let body = ground.board.intend(cohort, due_at).body(BODY_BYTES);
        ground.source.retry(&subscriptions[n % SUBSCRIPTIONS], body, tier, due).await;
        if n % CHUNK == 0 {
            ground.source.flush().await?;
        }
    }
    ground.source.flush().await?;
    let took = started_at.elapsed();
    anyhow::ensure!(took < tier.delay(), "writing took {took:?}: choose a longer tier");
    report.figure("written per second", arguments.count as f64 / took.as_secs_f64(), None);
    tokio::time::sleep(REST).await;
    memory(&ground, &mut report, "all waiting", Some(MEMORY_GOAL))?;
    if arguments.spread {
        return Ok(report);
    }

    let mut heard_at = Instant::now() + tier.delay();
    let mut arrived = 0;
    while arrived < arguments.count && heard_at.elapsed() < SILENCE {
        tokio::time::sleep(LOOK_AGAIN).await;
        let now_arrived = ground.board.with(cohort, |tally| tally.arrived());
        if now_arrived > arrived {
            heard_at = Instant::now();
        }
        arrived = now_arrived;
        ground.all_run()?;
    }
    ground.all_run()?;
    memory(&ground, &mut report, "at most until the end", Some(MEMORY_GOAL))?;
    let tally = ground.board.with(cohort, |tally| tally.clone());
    report.figure("missing", tally.missing() as f64, Some(Goal::AtMost(0.0)));
    report.figure("arrived twice", tally.repeats() as f64, None);
    if let Some((first, last)) = tally.span() {
        let seconds = Duration::from_micros(last - first).as_secs_f64();
        report.figure("arrivals per second once due", tally.arrived() as f64 / seconds, None);
    }
    let releases = tokio::task::block_in_place(|| Releases::read(&ground, tier))?;
    report.figure("released per second once due", releases.per_second(), None);
    report.figure(
        "earliest release before its time, ms",
        releases.early_millis as f64,
        Some(Goal::AtMost(250.0)),
    );
    report.figure("released before their time", releases.early as f64, None);
    Ok(report)
}

/// Each process's memory in MB, as a row each.
fn memory(
    ground: &Ground,
    report: &mut Report,
    when: &str,
    goal: Option<Goal>,
) -> anyhow::Result<()> {
    for process in &ground.processes {
        let memory = process.memory()?;
        let mb = |bytes: u64| bytes as f64 / 1e6;
        report.figure(format!("{}, {when}, MB", process.name), mb(memory.resident_bytes), None);
        report.figure(format!("{}, {when}, peak MB", process.name), mb(memory.peak_bytes), goal);
    }
    Ok(())
}

/// What `deliveries` says of the releases.
#[derive(Debug, Default)]
struct Releases {
    count: usize,
    early: usize,
    early_millis: i64,
    first_millis: i64,
    last_millis: i64,
}

impl Releases {
    fn read(ground: &Ground, tier: Tier) -> anyhow::Result<Self> {
        let kafka = &ground.installation.kafka;
        let mut seen = Self { first_millis: i64::MAX, ..Self::default() };
        topic_reader::read_to_end(kafka, &kafka.topics.deliveries(), |record| {
            let delivery = record.value.map(Delivery::decode);
            let Some(wait) = delivery.and_then(Result::ok).and_then(|it| it.wait) else { return };
            if wait.delay != tier.delay() {
                return;
            }
            let early = wait.due_at.as_millisecond() - record.appended_at_millis;
            seen.count += 1;
            seen.early += usize::from(early > 0);
            seen.early_millis = seen.early_millis.max(early);
            seen.first_millis = seen.first_millis.min(record.appended_at_millis);
            seen.last_millis = seen.last_millis.max(record.appended_at_millis);
        })?;
        Ok(seen)
    }

    fn per_second(&self) -> f64 {
        let millis = self.last_millis.saturating_sub(self.first_millis).max(1);
        self.count as f64 * 1_000.0 / millis as f64
    }
}
