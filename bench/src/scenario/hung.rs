//! One receiver accepts and never answers, and thousands of events wait for it.
//!
//! Twice: many healthy subscriptions under a steady load beside it (open loop), and one healthy
//! endpoint beside the hung one, as fast as the healthy one goes (closed loop): an event for
//! either is published whenever the healthy one has got one.

use std::time::{Duration, Instant};

use clap::Args;
use pipeline::subscription::Subscription;

use super::{Common, Ground, LATE, Phases, compare};
use crate::mark::Cohort;
use crate::open_loop::{self, BODY_BYTES, Span, Traffic};
use crate::receiver::Behaviour;
use crate::report::{Goal, Report};

const PORTS: usize = 8;
/// Events to the healthy endpoint that are under way at once in the closed loop.
const WINDOW: usize = 64;
/// After the hung one is deleted, until its running calls have ended.
const RECOVERY: Duration = Duration::from_secs(12);
/// How long a closed loop waits for an arrival before it looks at the clock again.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

#[derive(Debug, Args)]
pub struct Arguments {
    /// Seconds of each phase.
    #[arg(long, default_value_t = 30)]
    seconds: u64,
    /// Healthy and troubled phases, by turns.
    #[arg(long, default_value_t = 2)]
    rounds: usize,
    /// Healthy subscriptions of the open loop.
    #[arg(long, default_value_t = 100)]
    subscriptions: usize,
    /// Events per second to all healthy ones together.
    #[arg(long, default_value_t = 300.0)]
    rate: f64,
    /// Events for the hung one at the beginning of a troubled phase; as many as a hundredth of
    /// them come on top each second.
    #[arg(long, default_value_t = 20_000)]
    backlog: usize,
    /// Only the closed loop with two endpoints.
    #[arg(long)]
    closed_only: bool,
}

pub async fn run(common: &Common, arguments: &Arguments) -> anyhow::Result<Report> {
    let mut ground = Ground::start(common, &[]).await?;
    let mut report = Report::new(
        "hung",
        format!(
            "{} healthy subscriptions with {} events/s beside one that never answers and has {} \
             events, {} x {} s each; then two endpoints",
            arguments.subscriptions,
            arguments.rate,
            arguments.backlog,
            arguments.rounds,
            arguments.seconds
        ),
    );
    let good = ground.receivers(PORTS, &Behaviour::ok()).await?;
    let silent = ground.receivers(1, &Behaviour::Silent).await?;
    if !arguments.closed_only {
        let healthy = ground.subscribe(arguments.subscriptions, &good).await?;
        ground.warm_up(&healthy, arguments.rate).await?;
        let (mut without, mut with) = (Phases::default(), Phases::default());
        for _ in 0..arguments.rounds {
            let (cohort, span) = open_phase(&ground, arguments, &healthy, None).await;
            without.add(cohort, span);
            ground.board.settled(&[cohort], LATE).await;
            let hung = ground.subscribe(1, &silent).await?;
            let (cohort, span) = open_phase(&ground, arguments, &healthy, Some(&hung[0])).await;
            with.add(cohort, span);
            ground.source.unsubscribe(&hung).await?;
            tokio::time::sleep(RECOVERY).await;
            ground.board.settled(&[cohort], LATE).await;
        }
        ground.all_run()?;
        compare(&mut report, &ground.board, &without, &with);
    }

    let endpoint = ground.subscribe(1, &good[..1]).await?;
    let (mut without, mut with) = (Phases::default(), Phases::default());
    for _ in 0..arguments.rounds {
        let second = ground.subscribe(1, &good[1..2]).await?;
        let (cohort, span) = closed_phase(&ground, arguments, &endpoint[0], &second[0]).await;
        without.add(cohort, span);
        let hung = ground.subscribe(1, &silent).await?;
        let (cohort, span) = closed_phase(&ground, arguments, &endpoint[0], &hung[0]).await;
        with.add(cohort, span);
        ground.source.unsubscribe(&hung).await?;
        tokio::time::sleep(RECOVERY).await;
    }
    ground.all_run()?;
    ground.source.flush().await?;
    let [a, b] = [&without, &with].map(|it| it.throughput(&ground.board));
    let goal = Some(Goal::AtLeast(0.9));
    report.ratio("two endpoints: deliveries/s to the healthy one", a, b, goal);
    Ok(report)
}

/// The steady load, beside a hung receiver with its backlog if there is one.
async fn open_phase(
    ground: &Ground,
    arguments: &Arguments,
    healthy: &[Subscription],
    hung: Option<&Subscription>,
) -> (Cohort, Span) {
    let (cohort, rest) = (ground.board.cohort(), ground.board.cohort());
    let mut traffic: Vec<Traffic<'_>> =
        open_loop::spread(healthy, cohort, arguments.rate).collect();
    if let Some(to) = hung {
        traffic.push(Traffic { to, cohort: rest, per_second: arguments.backlog as f64 / 100.0 });
    }
    let backlog = async {
        for _ in 0..hung.map_or(0, |_| arguments.backlog) {
            if let Some(to) = hung {
                send(ground, to, rest).await;
            }
        }
    };
    let length = Duration::from_secs(arguments.seconds);
    let load = open_loop::run(&ground.board, &ground.source, &traffic, length);
    let (span, ()) = tokio::join!(load, backlog);
    (cohort, span)
}

/// Publishes to both endpoints whenever the first has got an event.
async fn closed_phase(
    ground: &Ground,
    arguments: &Arguments,
    healthy: &Subscription,
    second: &Subscription,
) -> (Cohort, Span) {
    let (cohort, rest) = (ground.board.cohort(), ground.board.cohort());
    let started_at = Instant::now();
    let end = started_at + Duration::from_secs(arguments.seconds);
    while Instant::now() < end {
        while ground.board.with(cohort, |tally| tally.missing()) < WINDOW {
            send(ground, healthy, cohort).await;
            send(ground, second, rest).await;
        }
        ground.board.next_arrival(cohort, LOOK_AGAIN).await;
    }
    (cohort, Span { from: ground.board.at(started_at), to: ground.board.at(end) })
}

async fn send(ground: &Ground, to: &Subscription, cohort: Cohort) {
    let mark = ground.board.intend(cohort, Instant::now());
    ground.source.send(to, mark.body(BODY_BYTES)).await;
}
