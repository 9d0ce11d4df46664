//! The consumer is killed while thousands of finished deliveries stand behind a slow one of the
//! same partition: how many does the next owner repeat?

use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Args;
use pipeline::subscription::Options;

use super::{CONFIGURATION, Common, Ground};
use crate::open_loop::BODY_BYTES;
use crate::receiver::Behaviour;
use crate::report::{Goal, Report};

const PORTS: usize = 4;
const SUBSCRIPTIONS: usize = 50;
/// Far longer than the run: the slow call is under way when the consumer is killed.
const SLOW_TIMEOUT_SECONDS: u32 = 60;
/// From the last arrival to the kill: outcomes are acknowledged, and a commit has been made.
const REST: Duration = Duration::from_millis(500);
const PATIENCE: Duration = Duration::from_secs(60);
/// How long after the slow one has come again repeats may still arrive.
const QUIET: Duration = Duration::from_secs(5);

#[derive(Debug, Args)]
pub struct Arguments {
    /// Finished deliveries behind the slow one.
    #[arg(long, default_value_t = 5_000)]
    count: usize,
    /// Kills, each with a slow one of its own.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
}

pub async fn run(common: &Common, arguments: &Arguments) -> anyhow::Result<Report> {
    let mut ground = Ground::start(common, &[("HOOKLOG_PARTITIONS", "1")]).await?;
    let good = ground.receivers(PORTS, &Behaviour::ok()).await?;
    let silent = ground.receivers(1, &Behaviour::Silent).await?;
    let fast = ground.subscribe(SUBSCRIPTIONS, &good).await?;
    ground.warm_up(&fast, 200.0).await?;
    let options = Options { timeout_seconds: Some(SLOW_TIMEOUT_SECONDS), ..Options::default() };
    let victim = ground.processes.iter().position(|it| it.name != "ingest-gateway").unwrap_or(0);

    let mut report = Report::new(
        "killed",
        format!("{} finished deliveries behind one that hangs, then SIGKILL", arguments.count),
    );
    for round in 1..=arguments.rounds {
        let slow = ground.source.subscribe([silent[0].url()], &options).await?;
        tokio::time::sleep(CONFIGURATION).await;
        let (hanging, finished) = (ground.board.cohort(), ground.board.cohort());
        let send = async |to, cohort| {
            let mark = ground.board.intend(cohort, Instant::now());
            ground.source.send(to, mark.body(BODY_BYTES)).await;
        };
        send(&slow[0], hanging).await;
        anyhow::ensure!(ground.board.settled(&[hanging], PATIENCE).await == 0, "no slow call");
        for n in 0..arguments.count {
            send(&fast[n % SUBSCRIPTIONS], finished).await;
        }
        let missing = ground.board.settled(&[finished], PATIENCE).await;
        anyhow::ensure!(missing == 0, "{missing} deliveries did not pass the slow one");
        tokio::time::sleep(REST).await;

        let process = ground.processes.get_mut(victim).context("no consumer")?;
        process.kill().await?;
        process.start_again()?;
        process.ready().await?;
        let end = Instant::now() + PATIENCE;
        while ground.board.with(hanging, |tally| tally.repeats()) == 0 {
            anyhow::ensure!(Instant::now() < end, "the slow delivery was not repeated");
            tokio::time::sleep(REST).await;
        }
        tokio::time::sleep(QUIET).await;
        let repeats = ground.board.with(finished, |tally| tally.repeats()) as f64;
        report.figure(format!("repeated after kill {round}"), repeats, Some(Goal::AtMost(50.0)));
        ground.source.unsubscribe(&slow).await?;
    }
    ground.all_run()?;
    Ok(report)
}
