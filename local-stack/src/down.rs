//! `down`: stops everything that `up` started, roles first.

use std::process::ExitCode;
use std::time::Duration;

use local_stack::process::Process;
use local_stack::wait::eventually;
use nix::sys::signal::Signal;

use crate::console;
use crate::dev_folder::{DevFolder, OWNER, SERVERS};
use crate::roles;

/// Roles drain their running calls for 12 s at most.
const ROLES_BOUND: Duration = Duration::from_secs(15);
/// Two servers side by side, 15 s each at most, and their guards.
const OWNER_BOUND: Duration = Duration::from_secs(30);
/// Servers whose owner has ended are stopped by their guards.
const SERVERS_BOUND: Duration = Duration::from_secs(25);
const KILL_BOUND: Duration = Duration::from_secs(5);

/// The command.
pub fn down(folder: &DevFolder) -> anyhow::Result<ExitCode> {
    let _lock = folder.lock()?;
    let stopped = stop_all(folder);
    console::say(&match stopped.as_slice() {
        [] => "nothing was running".to_owned(),
        names => format!("stopped {}", names.join(", ")),
    });
    Ok(ExitCode::SUCCESS)
}

/// Stops what runs and says what that was. Afterwards no process of this folder's stack
/// exists; calling it again does nothing.
pub fn stop_all(folder: &DevFolder) -> Vec<&'static str> {
    let mut stopped = stop(folder, &roles::ALL_NAMES, Some(Signal::SIGTERM), ROLES_BOUND);
    let servers: Vec<&str> =
        SERVERS.into_iter().filter(|name| folder.running(name).is_some()).collect();
    stop(folder, &[OWNER], Some(Signal::SIGTERM), OWNER_BOUND);
    // No signal to the servers themselves: their guards do that once the owner is gone.
    stop(folder, &SERVERS, None, SERVERS_BOUND);
    folder.forget_addresses();
    stopped.extend(servers);
    stopped
}

/// Stops the named processes together; whatever is left after the bound is killed.
pub fn stop(
    folder: &DevFolder,
    names: &[&'static str],
    signal: Option<Signal>,
    bound: Duration,
) -> Vec<&'static str> {
    let found: Vec<(&str, Process)> =
        names.iter().filter_map(|name| Some((*name, folder.running(name)?))).collect();
    if let Some(signal) = signal {
        for (_, process) in &found {
            process.signal(signal);
            // One that a test has stopped must run to hear it.
            process.signal(Signal::SIGCONT);
        }
    }
    let all_gone = || found.iter().all(|(_, process)| !process.is_alive()).then_some(());
    if eventually(bound, all_gone).is_none() {
        for (name, process) in &found {
            if process.signal(Signal::SIGKILL) {
                console::note(&format!("{name} did not stop in {} s: killed", bound.as_secs()));
            }
        }
        let _ = eventually(KILL_BOUND, all_gone);
    }
    for name in names {
        Process::forget(&folder.run(), name);
    }
    found.into_iter().map(|(name, _)| name).collect()
}
