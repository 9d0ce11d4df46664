//! `status`: what runs.

use std::process::ExitCode;

use crate::console;
use crate::dev_folder::{DevFolder, OWNER, SERVERS};
use crate::roles;

/// One line per process that runs, and where the servers listen.
pub fn status(folder: &DevFolder) -> anyhow::Result<ExitCode> {
    let names = [OWNER].into_iter().chain(SERVERS).chain(roles::ALL_NAMES);
    let running: Vec<_> =
        names.filter_map(|name| Some((name, folder.running(name)?.pid()))).collect();
    if running.is_empty() {
        console::say("nothing is running; ./dev up starts it");
    }
    for (name, pid) in &running {
        console::say(&format!("{name:<18} pid {pid}, log {}", folder.log(name).display()));
    }
    if let (false, Some(addresses)) = (running.is_empty(), folder.addresses()) {
        console::say(&format!("Kafka      {}", addresses.kafka));
        console::say(&format!("PostgreSQL {}", addresses.database_url));
    }
    Ok(ExitCode::SUCCESS)
}
