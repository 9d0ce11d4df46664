//! The retry scheduler as a process of its own.

use std::process::ExitCode;

use retry_scheduler::Config;
use role_runtime::Role;

fn main() -> ExitCode {
    role_runtime::run_process(|env| {
        let config = Config::from_environment(env)?;
        let role = Role::new("retry-scheduler", |ready, shutdown| {
            retry_scheduler::run(config, ready, shutdown)
        });
        Ok(vec![role])
    })
}
