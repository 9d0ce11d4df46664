//! SIGTERM under load, again and again: what is running is finished, and nothing comes twice.

use std::time::Duration;

use clap::Args;

use super::{Common, Ground};
use crate::open_loop::{self, Traffic};
use crate::receiver::Behaviour;
use crate::report::{Goal, Report};

const PORTS: usize = 8;
const SUBSCRIPTIONS: usize = 100;
/// After the last restart, until everything has arrived.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Debug, Args)]
pub struct Arguments {
    /// SIGTERMs.
    #[arg(long, default_value_t = 6)]
    rounds: u32,
    /// Seconds of load from the moment at which everything is ready to the next SIGTERM.
    #[arg(long, default_value_t = 6)]
    seconds: u64,
    /// Events per second.
    #[arg(long, default_value_t = 300.0)]
    rate: f64,
    /// Milliseconds after which receivers answer; within the drain's 10 s.
    #[arg(long, default_value_t = 400)]
    delay: u64,
}

pub async fn run(common: &Common, arguments: &Arguments) -> anyhow::Result<Report> {
    let mut ground = Ground::start(common, &[]).await?;
    let slower = Behaviour::ok_after(Duration::from_millis(arguments.delay));
    let good = ground.receivers(PORTS, &slower).await?;
    let subscriptions = ground.subscribe(SUBSCRIPTIONS, &good).await?;
    ground.warm_up(&subscriptions, arguments.rate).await?;

    let cohort = ground.board.cohort();
    let (board, source) = (ground.board.clone(), ground.source.clone());
    let (stop, mut stopped) = tokio::sync::oneshot::channel();
    let (seconds, rate) = (Duration::from_secs(arguments.seconds), arguments.rate);
    let load = tokio::spawn(async move {
        let traffic: Vec<Traffic<'_>> = open_loop::spread(&subscriptions, cohort, rate).collect();
        while stopped.try_recv().is_err() {
            open_loop::run(&board, &source, &traffic, Duration::from_secs(1)).await;
        }
    });
    let mut longest = Duration::ZERO;
    for _ in 0..arguments.rounds {
        tokio::time::sleep(seconds).await;
        for process in &mut ground.processes {
            longest = longest.max(process.terminate().await?);
            process.start_again()?;
        }
        for process in &mut ground.processes {
            process.ready().await?;
        }
    }
    tokio::time::sleep(seconds).await;
    let _ = stop.send(());
    load.await?;
    ground.board.settled(&[cohort], PATIENCE).await;
    ground.all_run()?;
    ground.source.flush().await?;

    let tally = ground.board.with(cohort, |tally| tally.clone());
    let mut report = Report::new(
        "sigterm",
        format!(
            "{} SIGTERMs under {} events/s to receivers that answer after {} ms",
            arguments.rounds, arguments.rate, arguments.delay
        ),
    );
    report.figure("events", tally.intended() as f64, None);
    report.figure("missing", tally.missing() as f64, Some(Goal::AtMost(0.0)));
    report.figure("arrived twice", tally.repeats() as f64, Some(Goal::AtMost(0.0)));
    report.figure("longest exit, s", longest.as_secs_f64(), Some(Goal::AtMost(15.0)));
    Ok(report)
}
