//! The folder of `./dev up`: where its data, logs and pid files lie, and who may use it.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use local_stack::process::Process;
use local_stack::wait::eventually;
use local_stack::{KAFKA_PORT_VARIABLE, POSTGRES_PORT_VARIABLE};

const FOLDER_VARIABLE: &str = "HOOKLOG_DEV_DIR";
const FOLDER: &str = ".dev";
const DEFAULT_KAFKA_PORT: u16 = 29_092;
const DEFAULT_POSTGRES_PORT: u16 = 25_432;
/// Pid file name of the process that owns Kafka and PostgreSQL.
pub const OWNER: &str = "stack";
/// The servers it owns.
pub const SERVERS: [&str; 2] = ["kafka", "postgres"];
/// Another `up` or `down` may download, build a database, or wait for a role to drain.
const LOCK_BOUND: Duration = Duration::from_secs(180);

/// An absolute, existing folder with its `run` and `logs`.
pub struct DevFolder {
    root: PathBuf,
}

/// Where the servers of a ready stack listen.
pub struct Addresses {
    /// `127.0.0.1:<port>`.
    pub kafka: String,
    /// `postgres://...` of hooklog's own database.
    pub database_url: String,
}

impl DevFolder {
    /// The override, or `.dev` in the repository around the working folder.
    pub fn find() -> anyhow::Result<Self> {
        let here = std::env::current_dir().context("find the working folder")?;
        let root = match std::env::var_os(FOLDER_VARIABLE).filter(|it| !it.is_empty()) {
            Some(folder) => here.join(folder),
            None => here
                .ancestors()
                .find(|folder| folder.join(".git").exists())
                .unwrap_or(&here)
                .join(FOLDER),
        };
        let folder = Self { root };
        for path in [folder.run(), folder.logs()] {
            fs::create_dir_all(&path).with_context(|| {
                format!("make {} (another folder: {FOLDER_VARIABLE})", path.display())
            })?;
        }
        Ok(folder)
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Pid files.
    pub fn run(&self) -> PathBuf {
        self.root.join("run")
    }

    /// Logs.
    pub fn logs(&self) -> PathBuf {
        self.root.join("logs")
    }

    /// One process's log.
    pub fn log(&self, name: &str) -> PathBuf {
        self.logs().join(format!("{name}.log"))
    }

    /// The process of this name that this folder's stack runs.
    pub fn running(&self, name: &str) -> Option<Process> {
        Process::running(&self.run(), name)
    }

    /// Keeps other `up` and `down` calls on this folder out until the answer is dropped.
    pub fn lock(&self) -> anyhow::Result<File> {
        let path = self.run().join("lock");
        let file = File::create(&path).with_context(|| format!("open {}", path.display()))?;
        let locked = eventually(LOCK_BOUND, || match file.try_lock() {
            Ok(()) => Some(Ok(())),
            Err(TryLockError::WouldBlock) => None,
            Err(TryLockError::Error(error)) => Some(Err(error)),
        });
        match locked {
            Some(outcome) => outcome.with_context(|| format!("lock {}", path.display()))?,
            None => bail!(
                "another ./dev up or down has been busy with {} for {} s: wait for it or end it",
                self.root.display(),
                LOCK_BOUND.as_secs()
            ),
        }
        Ok(file)
    }

    /// Written by the owner when both servers serve.
    pub fn write_addresses(&self, addresses: &Addresses) -> io::Result<()> {
        let fresh = self.run().join(".addresses.new");
        fs::write(&fresh, format!("{}\n{}\n", addresses.kafka, addresses.database_url))?;
        fs::rename(fresh, self.addresses_file())
    }

    /// What a ready stack wrote; `None` until then.
    pub fn addresses(&self) -> Option<Addresses> {
        let text = fs::read_to_string(self.addresses_file()).ok()?;
        let mut lines = text.lines().map(str::to_owned);
        Some(Addresses { kafka: lines.next()?, database_url: lines.next()? })
    }

    /// Not ready, or not any more.
    pub fn forget_addresses(&self) {
        let _ = fs::remove_file(self.addresses_file());
    }

    fn addresses_file(&self) -> PathBuf {
        self.run().join("addresses")
    }
}

/// Kafka's port for `up`.
pub fn kafka_port() -> anyhow::Result<u16> {
    port(KAFKA_PORT_VARIABLE, DEFAULT_KAFKA_PORT)
}

/// PostgreSQL's port for `up`.
pub fn postgres_port() -> anyhow::Result<u16> {
    port(POSTGRES_PORT_VARIABLE, DEFAULT_POSTGRES_PORT)
}

fn port(variable: &str, default: u16) -> anyhow::Result<u16> {
    match std::env::var(variable) {
        Ok(text) if !text.is_empty() => text
            .parse()
            .ok()
            .filter(|port| *port > 0)
            .with_context(|| format!("{variable} must be a port number, not `{text}`")),
        _ => Ok(default),
    }
}
