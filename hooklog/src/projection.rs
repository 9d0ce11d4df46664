//! `hooklog projection`: make the projection anew from the log, and compare two of them.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context;
use settings::Environment;
use status_projector::Config;
use status_projector::checksum::{self, Checksum};
use status_projector::rebuild::{self, NEXT, Options, Progress, Rebuilt, Told};
use tokio_util::sync::CancellationToken;

/// `EX_USAGE` of sysexits.h, as for every process of hooklog.
const BAD_SETTINGS: u8 = 64;
/// Between two lines of progress: on a terminal, where each takes the place of the one before,
/// and elsewhere.
const LINE_EVERY: Duration = Duration::from_millis(250);
const LINE_EVERY_ELSEWHERE: Duration = Duration::from_secs(5);

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Make the rows about deliveries anew from the log, and put them in the place of those that
    /// are there. Reads and deliveries go on. If it is interrupted, the same command goes on.
    Rebuild {
        /// Begin again instead of going on with what an interrupted rebuild has left.
        #[arg(long)]
        restart: bool,
        /// Leave the new rows in the schema `projection_next`, to compare them first; the next
        /// rebuild goes on with them.
        #[arg(long)]
        no_swap: bool,
    },
    /// Print a checksum of each table and day, which is equal for equal rows.
    Checksum {
        /// Of the projection in this schema, such as `projection_next`.
        #[arg(long, value_name = "NAME")]
        schema: Option<String>,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
}

pub(crate) fn run(command: Command) -> ExitCode {
    let config = Environment::from_process().and_then(|env| Config::from_environment(&env));
    let config = match config {
        Ok(config) => config,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "hooklog: {error}");
            return ExitCode::from(BAD_SETTINGS);
        }
    };
    let ran = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(anyhow::Error::from)
        .and_then(|runtime| runtime.block_on(act(&config, command)));
    match ran {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "hooklog: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn act(config: &Config, command: Command) -> anyhow::Result<()> {
    match command {
        Command::Rebuild { restart, no_swap } => {
            let shutdown = CancellationToken::new();
            let interrupt = shutdown.clone();
            tokio::spawn(async move {
                if tokio::signal::ctrl_c().await.is_ok() {
                    interrupt.cancel();
                }
            });
            let mut screen = Screen::new();
            let options = Options { restart, swap: !no_swap };
            let told = &mut |told: Told| screen.tell(told);
            let rebuilt = rebuild::rebuild(config, options, &shutdown, told).await;
            screen.end();
            summary(&rebuilt?)
        }
        Command::Checksum { schema, json } => {
            let pool = database::pool(&config.database)?;
            let sum = checksum::checksum(&pool, schema.as_deref()).await?;
            let text = if json { serde_json::to_string(&sum)? + "\n" } else { table(&sum) };
            std::io::stdout().write_all(text.as_bytes()).context("print the checksum")
        }
    }
}

/// Where progress is shown: on stderr, so that the result can be piped.
struct Screen {
    said: std::io::Stderr,
    is_terminal: bool,
    shown_at: Option<Instant>,
    /// A line is there that the next one takes the place of.
    is_open: bool,
}

impl Screen {
    fn new() -> Self {
        let said = std::io::stderr();
        let is_terminal = said.is_terminal();
        Self { said, is_terminal, shown_at: None, is_open: false }
    }

    fn tell(&mut self, told: Told) {
        match told {
            Told::Begun { resumed: true, .. } => {
                self.line("going on with the rebuild that was interrupted");
            }
            Told::Begun { kept, .. } => match kept.before {
                None => self.line("the log is whole: every row is made from it"),
                Some(before) => self.line(&format!(
                    "the log has been trimmed: {} deliveries from before {before} and {} attempts \
                     are kept as they are, and what the log has of them is added",
                    kept.deliveries, kept.attempts
                )),
            },
            Told::Progress(progress) => self.progress(&progress),
            Told::SwapFailed(why) => self.line(&format!("not swapped yet: {why}")),
        }
    }

    fn progress(&mut self, progress: &Progress) {
        let every = if self.is_terminal { LINE_EVERY } else { LINE_EVERY_ELSEWHERE };
        if self.shown_at.is_some_and(|at| at.elapsed() < every) {
            return;
        }
        self.shown_at = Some(Instant::now());
        let line = progress_line(progress);
        if self.is_terminal {
            // To the line's beginning, and what is left of the one before goes.
            let _ = write!(self.said, "\r{line}\x1b[K");
            self.is_open = true;
        } else {
            let _ = writeln!(self.said, "{line}");
        }
    }

    fn line(&mut self, line: &str) {
        self.end();
        let _ = writeln!(self.said, "{line}");
    }

    fn end(&mut self) {
        if std::mem::take(&mut self.is_open) {
            let _ = writeln!(self.said);
        }
    }
}

fn progress_line(progress: &Progress) -> String {
    let left = match progress.left() {
        Some(left) => format!("{} left", whole_seconds(left)),
        None => "no end in sight".to_owned(),
    };
    format!(
        "{:5.1} %  {} of {} records  {:.0}/s  {left}",
        progress.share() * 100.0,
        progress.done,
        progress.total,
        progress.rate(),
    )
}

fn whole_seconds(length: Duration) -> String {
    let seconds = length.as_secs();
    match (seconds / 3_600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds}s"),
        (0, minutes, seconds) => format!("{minutes}m{seconds:02}s"),
        (hours, minutes, _) => format!("{hours}h{minutes:02}m"),
    }
}

fn summary(rebuilt: &Rebuilt) -> anyhow::Result<()> {
    let Rebuilt { progress, rejected, of_dropped_days, swapped_in, .. } = rebuilt;
    let end = match swapped_in {
        Some(waited) => format!("in its place; reads waited {} ms for it", waited.as_millis()),
        None => format!("in the schema {NEXT}"),
    };
    let said = format!(
        "{} records in {:.1} s ({:.0} per second), {rejected} set aside, {of_dropped_days} of days \
         that are not kept; the new projection is {end}\n",
        progress.done,
        progress.took.as_secs_f64(),
        progress.rate(),
    );
    std::io::stdout().write_all(said.as_bytes()).context("print the result")
}

fn table(sum: &Checksum) -> String {
    let mut lines = vec![format!("{:<20} {:<10} {:>12}  {}", "table", "day", "rows", "checksum")];
    let mut line = |table: &str, day: &str, rows: i64, checksum: &str| {
        lines.push(format!("{table:<20} {day:<10} {rows:>12}  {checksum}"));
    };
    for table in &sum.tables {
        for day in &table.days {
            line(table.table, &day.day, day.rows, &day.checksum);
        }
        line(table.table, "all", table.rows, &table.checksum);
    }
    lines.push(format!("{:<20} {:<10} {:>12}\n", "next offsets", "sum", sum.next_offsets));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_progress_says_how_far_how_fast_and_how_long() {
        let progress = Progress { done: 25_000, total: 100_000, took: Duration::from_secs(10) };
        assert_eq!(progress_line(&progress), " 25.0 %  25000 of 100000 records  2500/s  30s left");
        let begun = Progress { done: 0, total: 9, took: Duration::ZERO };
        assert!(progress_line(&begun).ends_with("no end in sight"));
        assert_eq!(whole_seconds(Duration::from_secs(3_725)), "1h02m");
        assert_eq!(whole_seconds(Duration::from_secs(65)), "1m05s");
    }
}
