//! The owner of Kafka and PostgreSQL behind `up`: it runs apart, and they end with it.

use std::process::ExitCode;
use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

use anyhow::Context;
use local_stack::{Options, Stack};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::dev_folder::{Addresses, DevFolder, kafka_port, postgres_port};
use crate::{console, interruption};

const HOOKLOG_DATABASE: &str = "hooklog";
/// How soon the end of a server is noticed.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Serves until SIGTERM or SIGINT. SIGHUP, which `up` sends, starts a server that has ended;
/// nothing restarts by itself, so that a fault stays visible. What cannot be started again ends
/// the owner, and its log says why.
pub fn serve(folder: &DevFolder) -> anyhow::Result<ExitCode> {
    let signals = interruption::watch(&[SIGHUP, SIGINT, SIGTERM]).context("listen for signals")?;
    folder.forget_addresses();
    let mut stack = Stack::start(&Options {
        folder: Some(folder.root().to_owned()),
        kafka_port: Some(kafka_port()?),
        postgres_port: Some(postgres_port()?),
        durable: true,
    })?;
    let addresses = Addresses {
        kafka: stack.kafka_address(),
        database_url: stack.database_url(HOOKLOG_DATABASE),
    };
    folder.write_addresses(&addresses).context("write the addresses")?;
    console::note(&format!(
        "ready: Kafka {} (controller port {}), {}",
        addresses.kafka,
        stack.controller_port(),
        addresses.database_url
    ));

    let mut known_missing = Vec::new();
    loop {
        match signals.recv_timeout(LOOK_EVERY) {
            Ok(SIGHUP) => {
                stack.start_missing()?;
                folder.write_addresses(&addresses).context("write the addresses")?;
            }
            Ok(_) | Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {}
        }
        let missing = stack.missing();
        if missing != known_missing && !missing.is_empty() {
            folder.forget_addresses();
            console::note(&format!("ended, see its log: {}", missing.join(", ")));
        }
        known_missing = missing;
    }
    folder.forget_addresses();
    stack.stop();
    Ok(ExitCode::SUCCESS)
}
