//! The status projector as a process of its own.

use std::process::ExitCode;

use role_runtime::Role;
use status_projector::Config;

fn main() -> ExitCode {
    role_runtime::run_process(|env| {
        let config = Config::from_environment(env)?;
        let role = Role::new("status-projector", |ready, shutdown| {
            status_projector::run(config, ready, shutdown)
        });
        Ok(vec![role])
    })
}
