//! The binary that most people run.

mod cli;
mod listen;
mod migrate;
mod projection;
mod receiver;
mod up;

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

/// A durable, log-based event pipeline: events in, signed webhooks out.
#[derive(Parser)]
#[command(name = "hooklog", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run all four roles in this process, until Ctrl-C or SIGTERM.
    Up,
    /// Bring the PostgreSQL schema to this version; safe to repeat.
    Migrate,
    /// The rows about deliveries: make them anew from the log, compare them.
    #[command(subcommand)]
    Projection(projection::Command),
    /// Receive webhooks: print what comes, verify its signature, fail on purpose if asked to.
    Listen(listen::Arguments),
    #[command(flatten)]
    Operate(Box<cli::Command>),
}

fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Up => up::run(),
        Command::Migrate => migrate::run(),
        Command::Projection(command) => projection::run(command),
        Command::Listen(arguments) => listen::run(arguments),
        Command::Operate(command) => cli::run(*command, Cli::command()),
    }
}
