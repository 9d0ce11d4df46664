//! One subscription has 100 times the load of each of the others. Beside it stands the same load
//! spread over as many subscriptions as it takes, at the same receiver: what is judged is that
//! one has it all, and not that there is more to do.

use std::time::Duration;

use clap::Args;

use super::{Common, Ground, LATE, Phases, compare};
use crate::open_loop::{self, Traffic};
use crate::receiver::Behaviour;
use crate::report::Report;

const PORTS: usize = 8;
const TIMES: f64 = 100.0;

#[derive(Debug, Args)]
pub struct Arguments {
    /// Seconds of each phase.
    #[arg(long, default_value_t = 30)]
    seconds: u64,
    /// Phases with the load spread and with the hot subscription, by turns.
    #[arg(long, default_value_t = 2)]
    rounds: usize,
    /// The others.
    #[arg(long, default_value_t = 100)]
    subscriptions: usize,
    /// Events per second to each of the others.
    #[arg(long, default_value_t = 3.0)]
    rate: f64,
    /// Milliseconds after which the hot receiver answers.
    #[arg(long, default_value_t = 20)]
    delay: u64,
}

pub async fn run(common: &Common, arguments: &Arguments) -> anyhow::Result<Report> {
    let mut ground = Ground::start(common, &[]).await?;
    let length = Duration::from_secs(arguments.seconds);
    let good = ground.receivers(PORTS, &Behaviour::ok()).await?;
    let slower = Behaviour::ok_after(Duration::from_millis(arguments.delay));
    let hot_receiver = ground.receivers(1, &slower).await?;
    let others = ground.subscribe(arguments.subscriptions, &good).await?;
    let hot = ground.subscribe(1, &hot_receiver).await?;
    let crowd = ground.subscribe(TIMES as usize, &hot_receiver).await?;
    let (all, extra) = (arguments.rate * others.len() as f64, arguments.rate * TIMES);
    ground.warm_up(&others, all).await?;
    ground.warm_up(&hot, extra).await?;
    ground.warm_up(&crowd, extra).await?;

    let (mut spread, mut with) = (Phases::default(), Phases::default());
    let mut hot_cohorts = Vec::new();
    for _ in 0..arguments.rounds {
        let (cohort, rest) = (ground.board.cohort(), ground.board.cohort());
        let traffic: Vec<Traffic<'_>> = open_loop::spread(&others, cohort, all)
            .chain(open_loop::spread(&crowd, rest, extra))
            .collect();
        let span = open_loop::run(&ground.board, &ground.source, &traffic, length).await;
        spread.push((cohort, span));
        ground.board.settled(&[cohort, rest], LATE).await;

        let (cohort, rest) = (ground.board.cohort(), ground.board.cohort());
        let traffic: Vec<Traffic<'_>> = open_loop::spread(&others, cohort, all)
            .chain(open_loop::spread(&hot, rest, extra))
            .collect();
        let span = open_loop::run(&ground.board, &ground.source, &traffic, length).await;
        with.push((cohort, span));
        hot_cohorts.push(rest);
        ground.board.settled(&[cohort, rest], LATE).await;
    }
    ground.all_run()?;
    ground.source.flush().await?;
    let mut report = Report::new(
        "hot",
        format!(
            "{} subscriptions with {} events/s each, beside {TIMES} more and beside one that has \
             {extra}, {} x {} s each",
            others.len(),
            arguments.rate,
            arguments.rounds,
            arguments.seconds
        ),
    );
    compare(&mut report, &ground.board, &spread, &with);
    let tallies = ground.board.tallies(&hot_cohorts);
    let seen = crate::tally::latency(&tallies, ground.board.now());
    report.figure("the hot one's own p99, ms", seen.p99.as_secs_f64() * 1_000.0, None);
    Ok(report)
}
