//! The owner's side of a guard: a server that cannot outlive this process.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::guard::{self, GuardOrder};
use crate::process::Process;
use crate::wait::eventually;

/// Names the `local-stack` program for those that cannot find it beside themselves.
pub const PROGRAM_VARIABLE: &str = "HOOKLOG_LOCAL_STACK";
const PROGRAM: &str = "local-stack";
/// From the guard's start to its child's.
const SPAWN_BOUND: Duration = Duration::from_secs(10);
/// What a guard may take on top of its child's grace.
const GUARD_EXIT_BOUND: Duration = Duration::from_secs(5);

/// Why a guarded process did not start.
#[derive(Debug, thiserror::Error)]
pub enum GuardError {
    /// The program that guards is not there.
    #[error("the local-stack program is missing beside {}: cargo build -p local-stack", .0.display())]
    NoProgram(PathBuf),
    /// The guard itself could not be run.
    #[error("run the guard of {name}")]
    Guard {
        /// What was to be guarded.
        name: String,
        /// What the system said.
        source: io::Error,
    },
    /// The guard could not start its child.
    #[error("{name} could not be started: {reason}")]
    Child {
        /// What was to be guarded.
        name: String,
        /// The log's last lines, or a time-out.
        reason: String,
    },
}

/// A running server under its guard. Dropping it stops the server.
#[derive(Debug)]
pub struct Guarded {
    order: GuardOrder,
    guard: Child,
    lifeline: Option<ChildStdin>,
    process: Option<Process>,
}

impl Guarded {
    /// Starts a guard and waits until its child exists. The child's environment is this
    /// process's plus `environment`.
    pub fn start(order: GuardOrder, environment: &[(&str, String)]) -> Result<Self, GuardError> {
        let program = program()?;
        let fail = |source| GuardError::Guard { name: order.name.clone(), source };
        Process::forget(&order.pid_folder, &order.name);
        let mut command = Command::new(program);
        command.args(order.arguments()).envs(environment.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::piped()).process_group(0);
        if let Some(path) = &order.log {
            let log = OpenOptions::new().create(true).append(true).open(path).map_err(fail)?;
            command.stdout(log.try_clone().map_err(fail)?).stderr(log);
        }
        let mut guard = command.spawn().map_err(fail)?;
        let lifeline = guard.stdin.take();
        let started = eventually(SPAWN_BOUND, || {
            if let Some(process) = Process::recorded(&order.pid_folder, &order.name) {
                return Some(Ok(process));
            }
            guard.try_wait().ok().flatten().map(Err)
        });
        match started {
            Some(Ok(process)) => Ok(Self { order, guard, lifeline, process: Some(process) }),
            // It ran and has already ended: `ended` says how.
            Some(Err(status)) if status.code() != Some(guard::FAILED) => {
                Ok(Self { order, guard, lifeline, process: None })
            }
            failed => {
                let reason = match (&order.log, failed) {
                    (Some(log), Some(_)) => last_lines(log, 1),
                    (None, Some(_)) => "its guard said why".to_owned(),
                    (_, None) => format!("no sign of it for {} s", SPAWN_BOUND.as_secs()),
                };
                drop(lifeline);
                let _ = guard.kill();
                let _ = guard.wait();
                Err(GuardError::Child { name: order.name, reason })
            }
        }
    }

    /// Whether the process itself runs; its guard may take a moment more to end.
    pub fn is_running(&mut self) -> bool {
        self.ended().is_none() && self.process.as_ref().is_some_and(Process::is_alive)
    }

    /// How it ended, if it has; the guard passes its child's exit code on.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.guard.try_wait().ok().flatten()
    }

    /// Stops the process and waits until it is gone. Always ends within its grace and a
    /// few seconds; afterwards neither it nor its guard exists.
    pub fn stop(&mut self) -> Option<ExitStatus> {
        drop(self.lifeline.take());
        let bound = Duration::from_millis(self.order.grace_ms) + GUARD_EXIT_BOUND;
        let mut status = eventually(bound, || self.ended());
        if status.is_none() {
            let _ = self.guard.kill();
            status = self.guard.wait().ok();
        }
        // Only left if the guard itself was killed.
        if let Some(process) = &self.process
            && process.signal(Signal::SIGKILL)
        {
            let _ = eventually(GUARD_EXIT_BOUND, || (!process.is_alive()).then_some(()));
        }
        status
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The last lines of a log, on one line; empty if there is none.
pub fn last_lines(log: &Path, count: usize) -> String {
    let text = std::fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(count)..].join(" | ")
}

/// This program itself, or `local-stack` beside it or one folder up (where cargo puts
/// binaries, seen from a test), or what [`PROGRAM_VARIABLE`] names.
fn program() -> Result<PathBuf, GuardError> {
    if let Some(program) = std::env::var_os(PROGRAM_VARIABLE) {
        return Ok(PathBuf::from(program));
    }
    let me = std::env::current_exe()
        .map_err(|source| GuardError::Guard { name: PROGRAM.to_owned(), source })?;
    me.ancestors()
        .skip(1)
        .take(2)
        .map(|folder| folder.join(PROGRAM))
        .find(|program| program.is_file())
        .ok_or(GuardError::NoProgram(me))
}
