//! One role as a process with live fault points, for the chaos runs alone.
//!
//! Each role reads the settings that its own binary reads; what makes it different is the
//! feature that this binary is built with.

mod migrate;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use role_runtime::{Role, run_process};

/// One role of hooklog that a chaos run may crash at a named point.
#[derive(Parser)]
#[command(name = "hooklog-chaos", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    IngestGateway,
    DeliveryConsumer,
    RetryScheduler,
    StatusProjector,
    /// Bring the PostgreSQL schema to this version; safe to repeat.
    Migrate,
}

fn main() -> ExitCode {
    match Cli::parse().command {
        Command::IngestGateway => run_process(|env| {
            let config = ingest_gateway::Config::from_environment(env)?;
            Ok(vec![Role::new("ingest-gateway", |ready, shutdown| {
                ingest_gateway::run(config, ready, shutdown)
            })])
        }),
        Command::DeliveryConsumer => run_process(|env| {
            let config = delivery_consumer::Config::from_environment(env)?;
            Ok(vec![Role::new("delivery-consumer", |ready, shutdown| {
                delivery_consumer::run(config, ready, shutdown)
            })])
        }),
        Command::RetryScheduler => run_process(|env| {
            let config = retry_scheduler::Config::from_environment(env)?;
            Ok(vec![Role::new("retry-scheduler", |ready, shutdown| {
                retry_scheduler::run(config, ready, shutdown)
            })])
        }),
        Command::StatusProjector => run_process(|env| {
            let config = status_projector::Config::from_environment(env)?;
            Ok(vec![Role::new("status-projector", |ready, shutdown| {
                status_projector::run(config, ready, shutdown)
            })])
        }),
        Command::Migrate => migrate::run(),
    }
}
