//! `run -- CMD`: a private stack around one command.

use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::Context;
use local_stack::guard::{self, GuardOrder, StopSignal};
use local_stack::guarded::{Guarded, PROGRAM_VARIABLE};
use local_stack::{Options, Stack};
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGTERM};

use crate::cli::exit_code;
use crate::{console, interruption};

const COMMAND: &str = "command";
/// What the command gets after SIGTERM.
const COMMAND_GRACE_MS: u64 = 10_000;

/// Runs the command to its end, or until a signal; then the stack and its folder are gone.
pub fn run(command: Vec<OsString>) -> anyhow::Result<ExitCode> {
    let signals =
        interruption::watch(&[SIGCHLD, SIGHUP, SIGINT, SIGTERM]).context("listen for signals")?;
    let stack = Stack::start(&Options::default())?;
    let myself = std::env::current_exe().context("find this program")?;
    let environment = [
        ("HOOKLOG_TEST_KAFKA", stack.kafka_address()),
        ("HOOKLOG_TEST_DATABASE_URL", stack.postgres_url()),
        ("HOOKLOG_TEST_STACK_CONTROL", stack.run_folder().display().to_string()),
        (PROGRAM_VARIABLE, myself.display().to_string()),
    ];
    console::note(&format!(
        "test stack: Kafka {}, {}",
        stack.kafka_address(),
        stack.postgres_url()
    ));
    let order = GuardOrder {
        name: COMMAND.to_owned(),
        pid_folder: stack.run_folder().to_owned(),
        stop: StopSignal::Term,
        grace_ms: COMMAND_GRACE_MS,
        log: None,
        uid: None,
        gid: None,
        directory: None,
        command,
    };
    let mut command = Guarded::start(order, &environment)?;
    loop {
        if let Some(status) = command.ended() {
            return Ok(exit_code(status.code().unwrap_or(guard::FAILED)));
        }
        match signals.recv() {
            Ok(SIGCHLD) => {}
            Ok(signal) => {
                command.stop();
                return Ok(exit_code(guard::SIGNAL_EXIT_BASE + signal));
            }
            Err(_) => return Ok(exit_code(guard::FAILED)),
        }
    }
}
