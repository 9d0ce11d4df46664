//! One process of hooklog: started, watched, killed, and measured.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use local_stack::guard::{GuardOrder, StopSignal};
use local_stack::guarded::{Guarded, last_lines};
use local_stack::process::Process;
use nix::sys::signal::Signal;

use crate::api::Api;

/// From its start until it is ready, or from a signal until it has ended.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// What it gets at the end of a run before it is killed.
const GRACE_MS: u64 = 15_000;

/// Memory that a process has now, and has had at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    pub resident_bytes: u64,
    pub peak_bytes: u64,
}

/// A running process. It ends with this value, and with the bench whatever ends that.
pub struct RoleProcess {
    pub name: &'static str,
    command: Vec<OsString>,
    settings: Vec<(String, String)>,
    ops: SocketAddr,
    folder: PathBuf,
    log: PathBuf,
    guarded: Guarded,
}

impl RoleProcess {
    pub(crate) fn start(
        name: &'static str,
        command: Vec<OsString>,
        settings: Vec<(String, String)>,
        ops: SocketAddr,
        folder: &Path,
    ) -> anyhow::Result<Self> {
        let log = folder.join(format!("{name}.log"));
        let guarded = spawn(name, &command, &settings, folder, &log)?;
        Ok(Self { name, command, settings, ops, folder: folder.to_owned(), log, guarded })
    }

    /// Waits until it is ready.
    ///
    /// # Errors
    /// It has ended, or it takes too long.
    pub async fn ready(&mut self) -> anyhow::Result<()> {
        let url = format!("http://{}/readyz", self.ops);
        let api = Api::default();
        let end = Instant::now() + PATIENCE;
        while api.get(&url).await != Some(200) {
            if let Some(status) = self.guarded.ended() {
                bail!("{} ended with {status}: {}", self.name, last_lines(&self.log, 5));
            }
            if Instant::now() >= end {
                bail!("{} is not ready: {}", self.name, last_lines(&self.log, 5));
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        Ok(())
    }

    /// SIGKILL; returns once it is gone.
    ///
    /// # Errors
    /// It was not running.
    pub async fn kill(&mut self) -> anyhow::Result<()> {
        self.end(Signal::SIGKILL).await.map(|_| ())
    }

    /// SIGTERM; how long it took to end.
    ///
    /// # Errors
    /// It was not running, or did not end by itself with success.
    pub async fn terminate(&mut self) -> anyhow::Result<Duration> {
        let asked_at = Instant::now();
        let code = self.end(Signal::SIGTERM).await?;
        if code != Some(0) {
            bail!("{} ended with {code:?}: {}", self.name, last_lines(&self.log, 5));
        }
        Ok(asked_at.elapsed())
    }

    async fn end(&mut self, signal: Signal) -> anyhow::Result<Option<i32>> {
        let process = self.process()?;
        if !process.signal(signal) {
            bail!("{} is not running: {}", self.name, last_lines(&self.log, 5));
        }
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.guarded.ended() {
                return Ok(status.code());
            }
            if Instant::now() >= end {
                bail!("{} does not end on {signal}", self.name);
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// Starts it again with the same settings; does not wait until it is ready.
    ///
    /// # Errors
    /// It does not start.
    pub fn start_again(&mut self) -> anyhow::Result<()> {
        self.guarded = spawn(self.name, &self.command, &self.settings, &self.folder, &self.log)?;
        Ok(())
    }

    /// Whether it runs; one that ended by itself says why in its log.
    pub fn is_running(&mut self) -> bool {
        self.guarded.is_running()
    }

    /// The end of its log, on one line.
    pub fn last_words(&self) -> String {
        last_lines(&self.log, 5)
    }

    /// Its memory, as Linux counts it.
    ///
    /// # Errors
    /// It is not running, or this is not Linux.
    pub fn memory(&self) -> anyhow::Result<Memory> {
        let path = format!("/proc/{}/status", self.process()?.pid());
        let status = std::fs::read_to_string(&path).with_context(|| format!("read {path}"))?;
        let bytes = |field: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(field));
            let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse().ok());
            kib.map(|kib: u64| kib << 10).with_context(|| format!("no {field} in {path}"))
        };
        Ok(Memory { resident_bytes: bytes("VmRSS:")?, peak_bytes: bytes("VmHWM:")? })
    }

    fn process(&self) -> anyhow::Result<Process> {
        Process::running(&self.folder, self.name)
            .with_context(|| format!("{} is not running: {}", self.name, self.last_words()))
    }
}

fn spawn(
    name: &str,
    command: &[OsString],
    settings: &[(String, String)],
    folder: &Path,
    log: &Path,
) -> anyhow::Result<Guarded> {
    let order = GuardOrder {
        name: name.to_owned(),
        pid_folder: folder.to_owned(),
        stop: StopSignal::Term,
        grace_ms: GRACE_MS,
        log: Some(log.to_owned()),
        uid: None,
        gid: None,
        directory: None,
        command: command.to_vec(),
    };
    let settings: Vec<(&str, String)> =
        settings.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
    Ok(Guarded::start(order, &settings)?)
}
