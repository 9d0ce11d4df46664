//! A program that is run to its end, within a bound, with its output in a log.

use std::fs::OpenOptions;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::guarded::last_lines;
use crate::wait::eventually;

const LINES_IN_AN_ERROR: usize = 4;

/// Why a one-shot program did not do its work.
#[derive(Debug, thiserror::Error)]
pub enum OneShotError {
    /// It could not be run, or its log not be written.
    #[error("run {name}")]
    Run {
        /// What it is called in messages.
        name: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// It ended with a failure.
    #[error("{name} failed: {tail} (all of it: {})", log.display())]
    Failed {
        /// What it is called in messages.
        name: &'static str,
        /// The last lines that it wrote.
        tail: String,
        /// Where the rest is.
        log: PathBuf,
    },
    /// It did not end.
    #[error("{name} took more than {} s; see {}", bound.as_secs(), log.display())]
    TooSlow {
        /// What it is called in messages.
        name: &'static str,
        /// What it was allowed.
        bound: Duration,
        /// What it wrote.
        log: PathBuf,
    },
}

/// Runs the command to its end.
pub fn run(
    name: &'static str,
    command: &mut Command,
    input: Stdio,
    log: &Path,
    bound: Duration,
) -> Result<(), OneShotError> {
    let fail = |source| OneShotError::Run { name, source };
    let output = OpenOptions::new().create(true).append(true).open(log).map_err(fail)?;
    command.stdin(input).stdout(output.try_clone().map_err(fail)?).stderr(output);
    let mut child = command.spawn().map_err(fail)?;
    match eventually(bound, || child.try_wait().transpose()) {
        Some(Ok(status)) if status.success() => Ok(()),
        Some(Ok(_)) => Err(OneShotError::Failed {
            name,
            tail: last_lines(log, LINES_IN_AN_ERROR),
            log: log.to_owned(),
        }),
        Some(Err(source)) => Err(fail(source)),
        None => {
            let _ = child.kill();
            let _ = child.wait();
            Err(OneShotError::TooSlow { name, bound, log: log.to_owned() })
        }
    }
}
