//! The command line.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use local_stack::guard::{self, GuardOrder};

use crate::dev_folder::DevFolder;
use crate::{console, down, run, serve, status, up};

/// Kafka and PostgreSQL as local processes, for development and tests.
#[derive(Parser)]
#[command(name = "local-stack", version)]
pub enum Command {
    /// Start Kafka, PostgreSQL and hooklog's roles, or whichever of them does not run.
    Up(up::UpOptions),
    /// Stop what `up` started.
    Down,
    /// Say what runs.
    Status,
    /// Run a command beside a private, empty Kafka and PostgreSQL, and pass its exit code on.
    ///
    /// The command finds HOOKLOG_TEST_KAFKA, HOOKLOG_TEST_DATABASE_URL and, for fault tests,
    /// HOOKLOG_TEST_STACK_CONTROL: a folder with kafka.pid and postgres.pid.
    Run {
        /// The command and its arguments.
        #[arg(last = true, required = true)]
        command: Vec<OsString>,
    },
    /// Own Kafka and PostgreSQL until a signal comes.
    #[command(hide = true)]
    Serve,
    /// Be the parent of one process and end it when standard input ends.
    #[command(hide = true)]
    Guard(GuardOrder),
    /// Become a command, in a session of its own that no terminal can end.
    #[command(hide = true)]
    Launch {
        /// The command and its arguments.
        #[arg(last = true, required = true)]
        command: Vec<OsString>,
    },
}

impl Command {
    /// Does it. An error is one sentence for a person.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::Up(options) => up::up(&DevFolder::find()?, &options),
            Self::Down => down::down(&DevFolder::find()?),
            Self::Status => status::status(&DevFolder::find()?),
            Self::Run { command } => run::run(command),
            Self::Serve => serve::serve(&DevFolder::find()?),
            Self::Guard(order) => Ok(guarded(&order)),
            Self::Launch { command } => launch(&command),
        }
    }
}

fn guarded(order: &GuardOrder) -> ExitCode {
    match guard::run(order) {
        Ok(code) => exit_code(code),
        Err(error) => {
            console::complain(&error.to_string());
            exit_code(guard::FAILED)
        }
    }
}

/// An exit code as the system keeps it: its lowest eight bits, but never a failure as 0.
pub fn exit_code(code: i32) -> ExitCode {
    ExitCode::from(u8::try_from(code).unwrap_or(u8::MAX))
}

fn launch(command: &[OsString]) -> anyhow::Result<ExitCode> {
    let (program, arguments) = command.split_first().context("no command to launch")?;
    nix::unistd::setsid().context("start a session")?;
    Err(std::process::Command::new(program).args(arguments).exec())
        .with_context(|| format!("start {}", program.to_string_lossy()))
}
