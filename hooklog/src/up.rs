//! `hooklog up`: the four roles in one process.

use std::process::ExitCode;

use role_runtime::Role;

pub(crate) fn run() -> ExitCode {
    role_runtime::run_process(|env| {
        let gateway = ingest_gateway::Config::from_environment(env)?;
        let consumer = delivery_consumer::Config::from_environment(env)?;
        let scheduler = retry_scheduler::Config::from_environment(env)?;
        let projector = status_projector::Config::from_environment(env)?;
        Ok(vec![
            Role::new("ingest-gateway", |ready, shutdown| {
                ingest_gateway::run(gateway, ready, shutdown)
            }),
            Role::new("delivery-consumer", |ready, shutdown| {
                delivery_consumer::run(consumer, ready, shutdown)
            }),
            Role::new("retry-scheduler", |ready, shutdown| {
                retry_scheduler::run(scheduler, ready, shutdown)
            }),
            Role::new("status-projector", |ready, shutdown| {
                status_projector::run(projector, ready, shutdown)
            }),
        ])
    })
}
