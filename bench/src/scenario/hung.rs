//! One receiver accepts and never answers, and thousands of events wait for it.
//!
//! Many healthy subscriptions have a steady load (open loop). First the backlog comes all at
//! once, which costs any machine something: beside it stands the same backlog for a receiver that
//! answers. Then it waits, more comes, and that is judged. At last one healthy endpoint and the
//! hung one, as fast as the healthy one goes (closed loop): an event for either is published
//! whenever the healthy one has got one. In the healthy phases there the other one answers, and
//! takes half of what the machine can do.

use std::time::{Duration, Instant};

use clap::Args;
use pipeline::subscription::Subscription;

use super::{Common, Ground, LATE, Phases, compare};
use crate::board::Board;
use crate::mark::Cohort;
use crate::open_loop::{self, BODY_BYTES, Span, Traffic};
use crate::receiver::Behaviour;
use crate::report::{Goal, Report};
use crate::source::Source;

const PORTS: usize = 8;
/// Events to the healthy endpoint that are under way at once in the closed loop.
const WINDOW: usize = 64;
/// After the hung one is deleted, until its running calls have ended.
const RECOVERY: Duration = Duration::from_secs(12);
/// How long the backlog may take to be taken in before the judged phase.
const BURST: Duration = Duration::from_secs(10);
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
        let judged = Duration::from_secs(arguments.seconds);
        let steady = Open { ground: &ground, arguments, healthy: &healthy };
        let (mut without, mut with) = (Phases::default(), Phases::default());
        let (mut burst_answered, mut burst_hung) = (Phases::default(), Phases::default());
        for _ in 0..arguments.rounds {
            without.push(steady.phase(judged, None, 0).await);
            let answering = ground.subscribe(1, &good[..1]).await?;
            burst_answered.push(steady.phase(BURST, Some(&answering[0]), arguments.backlog).await);
            ground.board.settled(&burst_answered.cohorts, LATE).await;
            tokio::time::sleep(RECOVERY).await;

            let hung = ground.subscribe(1, &silent).await?;
            burst_hung.push(steady.phase(BURST, Some(&hung[0]), arguments.backlog).await);
            with.push(steady.phase(judged, Some(&hung[0]), 0).await);
            ground.source.unsubscribe(&hung).await?;
            tokio::time::sleep(RECOVERY).await;
            ground.board.settled(&with.cohorts, LATE).await;
        }
        ground.all_run()?;
        compare(&mut report, &ground.board, &without, &with);
        let [a, b] = [&burst_answered, &burst_hung].map(|it| it.p99_millis(&ground.board));
        report.ratio("while the backlog comes, one that answers or hangs: p99, ms", a, b, None);
    }

    let endpoint = ground.subscribe(1, &good[..1]).await?;
    let (mut without, mut with) = (Phases::default(), Phases::default());
    for _ in 0..arguments.rounds {
        let second = ground.subscribe(1, &good[1..2]).await?;
        without.push(closed_phase(&ground, arguments, &endpoint[0], &second[0]).await);
        let hung = ground.subscribe(1, &silent).await?;
        with.push(closed_phase(&ground, arguments, &endpoint[0], &hung[0]).await);
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

/// The steady load to all healthy subscriptions.
struct Open<'a> {
    ground: &'a Ground,
    arguments: &'a Arguments,
    healthy: &'a [Subscription],
}

impl Open<'_> {
    /// Runs it for `length`, beside one more subscription that gets `at_once` events at the
    /// beginning and a hundredth of the backlog in each second.
    async fn phase(
        &self,
        length: Duration,
        beside: Option<&Subscription>,
        at_once: usize,
    ) -> (Cohort, Span) {
        let Self { ground, arguments, healthy } = self;
        let (cohort, rest) = (ground.board.cohort(), ground.board.cohort());
        let mut traffic: Vec<Traffic<'_>> =
            open_loop::spread(healthy, cohort, arguments.rate).collect();
        let more = arguments.backlog as f64 / 100.0;
        traffic.extend(beside.map(|to| Traffic { to, cohort: rest, per_second: more }));
        // On a task of its own, so that it does not hold up the steady load.
        let (board, source, beside) =
            (ground.board.clone(), ground.source.clone(), beside.cloned());
        let backlog = tokio::spawn(async move {
            for to in beside.iter().cycle().take(at_once) {
                send(&board, &source, to, rest).await;
            }
        });
        let span = open_loop::run(&ground.board, &ground.source, &traffic, length).await;
        // It panics only if sending does, and is far shorter than the phase.
        let _ = backlog.await;
        (cohort, span)
    }
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
            send(&ground.board, &ground.source, healthy, cohort).await;
            send(&ground.board, &ground.source, second, rest).await;
        }
        ground.board.next_arrival(cohort, LOOK_AGAIN).await;
    }
    (cohort, Span { from: ground.board.at(started_at), to: ground.board.at(end) })
}

async fn send(board: &Board, source: &Source, to: &Subscription, cohort: Cohort) {
    let mark = board.intend(cohort, Instant::now());
    source.send(to, mark.body(BODY_BYTES)).await;
}
