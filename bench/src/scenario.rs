//! The scenarios, one file for each question, and the ground that they stand on.

mod half_dead;
mod hot;
mod hung;
mod killed;
mod projection;
mod reads;
mod roles;
mod sigterm;
mod waiting;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use clap::{Args, Subcommand};
use pipeline::subscription::Subscription;

use crate::board::Board;
use crate::installation::Installation;
use crate::mark::{Cohort, Mark};
use crate::open_loop::{self, Span, Traffic};
use crate::receiver::{Behaviour, Receiver};
use crate::report::{Goal, Report};
use crate::role_process::RoleProcess;
use crate::source::Source;
use crate::tally::latency;

/// What every scenario can be told.
#[derive(Debug, Clone, Args)]
pub struct Common {
    /// The folder of the binaries that are measured; the bench's own by default.
    #[arg(long, global = true)]
    programs: Option<PathBuf>,
    /// Run the four service binaries instead of the one `hooklog up`.
    #[arg(long, global = true)]
    split: bool,
    /// Print one JSON object instead of a table.
    #[arg(long, global = true)]
    pub json: bool,
}

/// What is measured.
#[derive(Debug, Subcommand)]
pub enum Scenario {
    /// Half of 1,000 subscriptions refuse, never answer, or are slow: what do the others notice?
    HalfDead(half_dead::Arguments),
    /// One receiver never answers and has thousands of events: what do the others notice?
    Hung(hung::Arguments),
    /// One subscription has 100 times the load of each other: what do the others notice?
    Hot(hot::Arguments),
    /// A million retries wait: how much memory, how fast are they released, is any early?
    Waiting(waiting::Arguments),
    /// The consumer is killed with thousands of finished deliveries behind a slow one.
    Killed(killed::Arguments),
    /// The projector is killed again and again, then the projection is made anew while it is
    /// read: are the rows those of the log, and how fast is it?
    Projection(projection::Arguments),
    /// SIGTERM under load, again and again.
    Sigterm(sigterm::Arguments),
    /// Each role killed ten times under load, then Kafka away, then PostgreSQL.
    Roles(roles::Arguments),
    /// Ten million deliveries: how long does each question of docs/dashboards.md take?
    Reads(reads::Arguments),
}

impl Scenario {
    /// Runs it to its end.
    ///
    /// # Errors
    /// Whatever keeps it from a result. A goal that is missed is a result.
    pub async fn run(self, common: &Common) -> anyhow::Result<Report> {
        match self {
            Self::HalfDead(arguments) => half_dead::run(common, &arguments).await,
            Self::Hung(arguments) => hung::run(common, &arguments).await,
            Self::Hot(arguments) => hot::run(common, &arguments).await,
            Self::Waiting(arguments) => waiting::run(common, &arguments).await,
            Self::Killed(arguments) => killed::run(common, &arguments).await,
            Self::Projection(arguments) => projection::run(common, &arguments).await,
            Self::Sigterm(arguments) => sigterm::run(common, &arguments).await,
            Self::Roles(arguments) => roles::run(common, &arguments).await,
            Self::Reads(arguments) => reads::run(common, &arguments).await,
        }
    }
}

/// How long a subscription may take from the compacted topic into every process.
const CONFIGURATION: Duration = Duration::from_secs(2);
/// A phase whose figures nobody reads: connections are made, lanes get to know their receivers.
const WARM_UP: Duration = Duration::from_secs(5);
/// How long what is late may take after a phase before it counts as missing.
const LATE: Duration = Duration::from_secs(20);

/// A running installation with its load and its receivers' tallies.
struct Ground {
    board: Board,
    installation: Installation,
    processes: Vec<RoleProcess>,
    source: Source,
}

impl Ground {
    async fn start(common: &Common, settings: &[(&str, &str)]) -> anyhow::Result<Self> {
        let mine = std::env::current_exe().context("find this program")?;
        let own_folder = mine.parent().unwrap_or(Path::new("."));
        let programs = common.programs.as_deref().unwrap_or(own_folder);
        let installation = tokio::task::block_in_place(|| Installation::start(programs, settings))?;
        let processes = installation.run_all(common.split).await?;
        let source = Source::new(&installation.kafka)?;
        Ok(Self { board: Board::default(), installation, processes, source })
    }

    /// Receivers that note what arrives, all with one behaviour.
    async fn receivers(&self, count: usize, is: &Behaviour) -> anyhow::Result<Vec<Receiver>> {
        let mut receivers = Vec::new();
        for _ in 0..count {
            let board = self.board.clone();
            let watch = move |_: &http::HeaderMap, body: &bytes::Bytes| {
                if let Some(mark) = Mark::read(body) {
                    board.arrive(mark);
                }
            };
            receivers.push(Receiver::start(is.clone(), watch).await.context("start a receiver")?);
        }
        Ok(receivers)
    }

    /// New subscriptions, dealt out to the receivers, known to every process.
    async fn subscribe(&self, count: usize, to: &[Receiver]) -> anyhow::Result<Vec<Subscription>> {
        let urls = (0..count).map(|n| to[n % to.len()].url());
        let subscriptions = self.source.subscribe(urls, &Default::default()).await?;
        tokio::time::sleep(CONFIGURATION).await;
        Ok(subscriptions)
    }

    /// Runs traffic that nobody judges, until all of it has arrived.
    async fn warm_up(&self, to: &[Subscription], per_second: f64) -> anyhow::Result<()> {
        let cohort = self.board.cohort();
        let traffic: Vec<Traffic<'_>> = open_loop::spread(to, cohort, per_second).collect();
        open_loop::run(&self.board, &self.source, &traffic, WARM_UP).await;
        let missing = self.board.settled(&[cohort], LATE).await;
        anyhow::ensure!(missing == 0, "{missing} events of the warm-up did not arrive");
        Ok(())
    }

    /// Fails if a process has ended by itself, with its last words.
    fn all_run(&mut self) -> anyhow::Result<()> {
        for process in &mut self.processes {
            let (name, is_running) = (process.name, process.is_running());
            anyhow::ensure!(is_running, "{name} has ended: {}", process.last_words());
        }
        Ok(())
    }
}

/// What one kind of phase, in all its rounds, has shown of the cohort that is judged.
#[derive(Debug, Default)]
struct Phases {
    cohorts: Vec<Cohort>,
    spans: Vec<Span>,
}

impl Phases {
    fn push(&mut self, (cohort, span): (Cohort, Span)) {
        self.cohorts.push(cohort);
        self.spans.push(span);
    }

    fn p99_millis(&self, board: &Board) -> f64 {
        latency(&board.tallies(&self.cohorts), board.now()).p99.as_secs_f64() * 1_000.0
    }

    /// First arrivals within the phases, per second.
    fn throughput(&self, board: &Board) -> f64 {
        let each = self.cohorts.iter().zip(&self.spans).map(|(cohort, span)| {
            board.with(*cohort, |tally| tally.throughput(span.from, span.to))
        });
        each.sum::<f64>() / self.spans.len().max(1) as f64
    }
}

/// Adds the rows that compare healthy phases with troubled ones: p50, p99, longest, throughput,
/// and what never came.
fn compare(report: &mut Report, board: &Board, healthy: &Phases, troubled: &Phases) {
    let now = board.now();
    let [a, b] = [healthy, troubled].map(|it| latency(&board.tallies(&it.cohorts), now));
    let ms = |duration: Duration| duration.as_secs_f64() * 1_000.0;
    report.ratio("p50, ms", ms(a.p50), ms(b.p50), None);
    report.ratio("p99, ms", ms(a.p99), ms(b.p99), Some(Goal::AtMost(1.2)));
    report.ratio("longest, ms", ms(a.longest), ms(b.longest), None);
    let [a, b] = [healthy, troubled].map(|it| it.throughput(board));
    report.ratio("arrivals per second", a, b, Some(Goal::AtLeast(0.9)));
    let missing =
        |it: &Phases| board.tallies(&it.cohorts).iter().map(|t| t.missing()).sum::<usize>();
    report.figure("missing after the phases", (missing(healthy) + missing(troubled)) as f64, None);
    for (name, it) in [("healthy", healthy), ("troubled", troubled)] {
        let rounds: Vec<String> = it
            .cohorts
            .iter()
            .map(|c| format!("{:.0}", ms(latency(&board.tallies(&[*c]), now).p99)))
            .collect();
        report.note(format!("p99 of each {name} phase, ms: {}", rounds.join(" ")));
    }
}
