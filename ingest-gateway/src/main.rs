//! The gateway as a process of its own.

use std::process::ExitCode;

use ingest_gateway::Config;
use role_runtime::{Role, run_process};

fn main() -> ExitCode {
    run_process(|env| {
        let config = Config::from_environment(env)?;
        let role = Role::new("ingest-gateway", |ready, shutdown| {
            ingest_gateway::run(config, ready, shutdown)
        });
        Ok(vec![role])
    })
}
