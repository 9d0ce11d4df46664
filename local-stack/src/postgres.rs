//! One PostgreSQL server on loopback, with a superuser `hooklog` who needs no password.
//!
//! Owns its data folder's creation, its start and its stop. Tables are hooklog's business.

use std::fs::{self, File};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::account::{self, Account};
use crate::guard::{GuardOrder, StopSignal};
use crate::guarded::{GuardError, Guarded, last_lines};
use crate::one_shot::{self, OneShotError};
use crate::postgres_probe;
use crate::wait::eventually;

/// The base name of its pid file and its log.
pub const NAME: &str = "postgres";
/// The superuser, and the database that `./dev up` uses.
const HOOKLOG: &str = "hooklog";
/// The database that every server has; tests create their own from it.
const MAINTENANCE_DATABASE: &str = "postgres";
const MAX_CONNECTIONS: u16 = 200;
const INIT_BOUND: Duration = Duration::from_secs(60);
const READY_BOUND: Duration = Duration::from_secs(60);
const STOP_GRACE: Duration = Duration::from_secs(15);
/// How long the sessions of a server that was killed may take to notice it and let go.
const ORPHANS_BOUND: Duration = Duration::from_secs(20);
/// What a server writes that finds them.
const ORPHANS_HOLD: &str = "pre-existing shared memory block";

/// Why PostgreSQL is not running.
#[derive(Debug, thiserror::Error)]
pub enum PostgresError {
    /// Its data folder cannot be made.
    #[error("prepare PostgreSQL's folder {}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Root's PostgreSQL runs as `nobody`, who cannot read the program.
    #[error(
        "the user nobody may not read {}, and PostgreSQL does not run as root: set \
         HOOKLOG_CACHE_DIR to a folder that everybody may enter", .0.display()
    )]
    ClosedCache(PathBuf),
    /// `initdb` or the creation of the database failed.
    #[error(transparent)]
    Init(#[from] OneShotError),
    /// It could not be started at all.
    #[error(transparent)]
    Guard(#[from] GuardError),
    /// It started and ended.
    #[error("PostgreSQL ended while starting: {tail} (all of it: {})", log.display())]
    Ended {
        /// The last lines that it wrote.
        tail: String,
        /// Where the rest is.
        log: PathBuf,
    },
    /// It runs and does not answer.
    #[error("PostgreSQL did not answer within {} s; see {}", READY_BOUND.as_secs(), .0.display())]
    NotReady(PathBuf),
}

/// A server that can be started and stopped again on the same port and data.
#[derive(Debug)]
pub struct Postgres {
    /// The port clients connect to.
    pub port: u16,
    pub(crate) home: PathBuf,
    /// Where its data belongs; as root the data may lie elsewhere, behind a link.
    pub(crate) wanted_data: PathBuf,
    pub(crate) log: PathBuf,
    pub(crate) pid_folder: PathBuf,
    pub(crate) durable: bool,
    pub(crate) running: Option<Guarded>,
}

impl Postgres {
    /// Starts the server and waits until it serves; does nothing if it runs.
    pub fn start(&mut self) -> Result<(), PostgresError> {
        eventually(ORPHANS_BOUND, || match self.start_once() {
            Err(PostgresError::Ended { tail, .. }) if tail.contains(ORPHANS_HOLD) => None,
            started => Some(started),
        })
        .unwrap_or_else(|| self.start_once())
    }

    fn start_once(&mut self) -> Result<(), PostgresError> {
        if self.is_running() {
            return Ok(());
        }
        // The guard of one that has ended removes its pid file: before the new one's exists.
        self.running = None;
        let fail = |source| PostgresError::Folder { path: self.wanted_data.clone(), source };
        let account = Account::for_postgres().map_err(fail)?;
        let data = self.prepare(account)?;
        let mut command = vec![self.program("postgres").into(), "-D".into(), data.clone().into()];
        for setting in self.settings() {
            command.push("-c".into());
            command.push(setting.into());
        }
        let order = GuardOrder {
            name: NAME.to_owned(),
            pid_folder: self.pid_folder.clone(),
            stop: StopSignal::Int,
            grace_ms: STOP_GRACE.as_millis() as u64,
            log: Some(self.log.clone()),
            uid: account.map(|account| account.uid),
            gid: account.map(|account| account.gid),
            directory: Some(data),
            command,
        };
        self.running = Some(Guarded::start(order, &[])?);
        self.wait_until_ready().inspect_err(|_| self.stop())
    }

    /// Stops the server in good order; its data and port stay its own.
    pub fn stop(&mut self) {
        self.running = None;
    }

    /// Whether the server's process runs.
    pub fn is_running(&mut self) -> bool {
        self.running.as_mut().is_some_and(Guarded::is_running)
    }

    /// The address of one of its databases.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://{HOOKLOG}@127.0.0.1:{}/{database}", self.port)
    }

    /// The database that tests create their own from.
    pub fn maintenance_url(&self) -> String {
        self.url(MAINTENANCE_DATABASE)
    }

    fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    fn program(&self, name: &str) -> PathBuf {
        self.home.join("bin").join(name)
    }

    /// Makes the data folder and, the first time, the cluster and its database in it.
    fn prepare(&self, account: Option<Account>) -> Result<PathBuf, PostgresError> {
        let fail = |source| PostgresError::Folder { path: self.wanted_data.clone(), source };
        let parent = match account {
            Some(_) if !account::others_may_enter(&self.home) => {
                return Err(PostgresError::ClosedCache(self.home.clone()));
            }
            Some(account) => {
                let parent = account::reachable(&self.wanted_data).map_err(fail)?;
                account.take(&parent).map_err(fail)?;
                parent
            }
            None => {
                fs::create_dir_all(&self.wanted_data).map_err(fail)?;
                self.wanted_data.clone()
            }
        };
        let data = parent.join("data");
        if data.exists() {
            return Ok(data);
        }
        // Made under another name first: a first start that is interrupted starts anew.
        let fresh = parent.join("data.new");
        if fresh.exists() {
            fs::remove_dir_all(&fresh).map_err(fail)?;
        }
        self.initialise(account, &parent, &fresh)?;
        fs::rename(&fresh, &data).map_err(fail)?;
        Ok(data)
    }

    fn initialise(
        &self,
        account: Option<Account>,
        folder: &Path,
        data: &Path,
    ) -> Result<(), PostgresError> {
        let as_account = |mut command: Command| {
            // A folder that the account may enter: the caller's may be closed to it.
            command.current_dir(folder);
            if let Some(account) = account {
                account.apply(&mut command);
            }
            command
        };
        let mut initdb = as_account(Command::new(self.program("initdb")));
        initdb.arg("-D").arg(data).args(["-U", HOOKLOG, "--auth=trust", "--no-instructions"]);
        initdb.args(["--encoding=UTF8", "--locale=C"]);
        if !self.durable {
            initdb.arg("--no-sync");
        }
        one_shot::run("initdb", &mut initdb, Stdio::null(), &self.log, INIT_BOUND)?;

        // In single-user mode, so that the server's first public start has the database.
        let fail = |source| PostgresError::Folder { path: folder.to_owned(), source };
        let script = folder.join("create-database.sql");
        fs::write(&script, format!("CREATE DATABASE {HOOKLOG};\n")).map_err(fail)?;
        let input = File::open(&script).map_err(fail)?;
        let mut single = as_account(Command::new(self.program("postgres")));
        single.arg("--single").arg("-D").arg(data).arg(MAINTENANCE_DATABASE);
        one_shot::run("creating the database", &mut single, input.into(), &self.log, INIT_BOUND)?;
        Ok(())
    }

    fn settings(&self) -> Vec<String> {
        let mut settings = vec![
            "listen_addresses=127.0.0.1".to_owned(),
            format!("port={}", self.port),
            "unix_socket_directories=".to_owned(),
            format!("max_connections={MAX_CONNECTIONS}"),
            "timezone=UTC".to_owned(),
            "log_timezone=UTC".to_owned(),
        ];
        if !self.durable {
            settings.extend(
                ["fsync=off", "full_page_writes=off", "synchronous_commit=off"].map(str::to_owned),
            );
        }
        settings
    }

    fn wait_until_ready(&mut self) -> Result<(), PostgresError> {
        let address = self.address();
        eventually(READY_BOUND, || {
            if !self.is_running() {
                let tail = last_lines(&self.log, 3);
                return Some(Err(PostgresError::Ended { tail, log: self.log.clone() }));
            }
            postgres_probe::serves(address, HOOKLOG, HOOKLOG)
                .is_ok_and(|serves| serves)
                .then_some(Ok(()))
        })
        .unwrap_or_else(|| Err(PostgresError::NotReady(self.log.clone())))
    }
}
