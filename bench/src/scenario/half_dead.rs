//! Half of all subscriptions are dead: a third of those refuse, a third never answer, a third
//! answer after 8 s. Everybody has the same steady load.

use std::time::Duration;

use clap::Args;

use super::{Common, Ground, LATE, Phases, compare};
use crate::open_loop::{self, Traffic};
use crate::receiver::{Behaviour, RefusingPort};
use crate::report::Report;

/// A slow receiver's answer; within the default timeout of 10 s.
const SLOW: Duration = Duration::from_secs(8);
/// Ports of each kind; the subscriptions of a kind share them.
const PORTS: usize = 8;
/// After the dead are deleted, until their running calls have ended.
const RECOVERY: Duration = Duration::from_secs(12);

#[derive(Debug, Args)]
pub struct Arguments {
    /// Seconds of each phase.
    #[arg(long, default_value_t = 40)]
    seconds: u64,
    /// Healthy and troubled phases, by turns.
    #[arg(long, default_value_t = 2)]
    rounds: usize,
    /// Subscriptions, half of them judged and half of them dead in the troubled phases.
    #[arg(long, default_value_t = 1_000)]
    subscriptions: usize,
    /// Events per second to all subscriptions together.
    #[arg(long, default_value_t = 500.0)]
    rate: f64,
}

pub async fn run(common: &Common, arguments: &Arguments) -> anyhow::Result<Report> {
    let mut ground = Ground::start(common, &[]).await?;
    let (half, rate) = (arguments.subscriptions / 2, arguments.rate / 2.0);
    let length = Duration::from_secs(arguments.seconds);
    let good = ground.receivers(PORTS, &Behaviour::ok()).await?;
    let silent = ground.receivers(PORTS, &Behaviour::Silent).await?;
    let slow = ground.receivers(PORTS, &Behaviour::ok_after(SLOW)).await?;
    let refusing = RefusingPort::take()?;
    let judged = ground.subscribe(half, &good).await?;
    let others = ground.subscribe(half, &good).await?;
    ground.warm_up(&judged, rate).await?;
    ground.warm_up(&others, rate).await?;

    let (mut healthy, mut troubled) = (Phases::default(), Phases::default());
    for _ in 0..arguments.rounds {
        let (cohort, rest) = (ground.board.cohort(), ground.board.cohort());
        let traffic: Vec<Traffic<'_>> = open_loop::spread(&judged, cohort, rate)
            .chain(open_loop::spread(&others, rest, rate))
            .collect();
        let span = open_loop::run(&ground.board, &ground.source, &traffic, length).await;
        healthy.push((cohort, span));
        ground.board.settled(&[cohort, rest], LATE).await;

        // New ones each time: what still waits for them would trouble the healthy phases.
        let urls = (0..half).map(|n| match n % 3 {
            0 => refusing.url(),
            1 => silent[n / 3 % PORTS].url(),
            _ => slow[n / 3 % PORTS].url(),
        });
        let dead = ground.source.subscribe(urls, &Default::default()).await?;
        tokio::time::sleep(super::CONFIGURATION).await;
        let (cohort, rest) = (ground.board.cohort(), ground.board.cohort());
        let traffic: Vec<Traffic<'_>> = open_loop::spread(&judged, cohort, rate)
            .chain(open_loop::spread(&dead, rest, rate))
            .collect();
        let span = open_loop::run(&ground.board, &ground.source, &traffic, length).await;
        troubled.push((cohort, span));
        ground.source.unsubscribe(&dead).await?;
        tokio::time::sleep(RECOVERY).await;
        ground.board.settled(&[cohort], LATE).await;
    }
    ground.all_run()?;
    ground.source.flush().await?;
    let mut report = Report::new(
        "half-dead",
        format!(
            "{half} judged subscriptions beside {half} healthy or dead ones, {} events/s in all, \
             {} x {} s each",
            arguments.rate, arguments.rounds, arguments.seconds
        ),
    );
    compare(&mut report, &ground.board, &healthy, &troubled);
    Ok(report)
}
