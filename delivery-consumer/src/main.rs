//! The delivery consumer as a process of its own.

use std::process::ExitCode;

use delivery_consumer::Config;
use role_runtime::Role;

fn main() -> ExitCode {
    role_runtime::run_process(|env| {
        let config = Config::from_environment(env)?;
        let role = Role::new("delivery-consumer", |ready, shutdown| {
            delivery_consumer::run(config, ready, shutdown)
        });
        Ok(vec![role])
    })
}
