//! A Kafka broker and a PostgreSQL server that live exactly as long as their owner.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;

use crate::cache::{self, CacheError};
use crate::java::{self, JavaError};
use crate::kafka::{self, Kafka, KafkaError};
use crate::postgres::{self, Postgres, PostgresError};
use crate::wait::eventually;
use crate::{account, port};

/// Changes the port of `./dev up`'s Kafka.
pub const KAFKA_PORT_VARIABLE: &str = "HOOKLOG_DEV_KAFKA_PORT";
/// Changes the port of `./dev up`'s PostgreSQL.
pub const POSTGRES_PORT_VARIABLE: &str = "HOOKLOG_DEV_POSTGRES_PORT";

/// A server that was killed may hold its port for a moment longer.
const PORT_RELEASE_BOUND: Duration = Duration::from_secs(2);

/// What kind of stack to start. The default is a private one: free ports, and a temporary
/// folder that is removed with it.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Where data, logs and pid files go and stay; a temporary folder if `None`.
    pub folder: Option<PathBuf>,
    /// Kafka's port; a free one if `None`. The controller takes the next one if it is free.
    pub kafka_port: Option<u16>,
    /// PostgreSQL's port; a free one if `None`.
    pub postgres_port: Option<u16>,
    /// Whether it is to work for long, and PostgreSQL's data must survive a crash of the
    /// machine (`fsync`).
    pub durable: bool,
}

/// Why a stack is not running.
#[derive(Debug, thiserror::Error)]
pub enum StackError {
    /// The pinned files are not there.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// There is nothing to run Kafka with.
    #[error(transparent)]
    Java(#[from] JavaError),
    /// Something else listens on a wanted port.
    #[error(
        "port {port} for {server} is taken by another program: end that program or set {variable} \
         to a free port"
    )]
    PortTaken {
        /// The wanted port.
        port: u16,
        /// Who wants it.
        server: &'static str,
        /// What changes it.
        variable: &'static str,
    },
    /// Hundreds of random ports are all taken.
    #[error("no free port was found on 127.0.0.1: are thousands of test stacks running?")]
    NoFreePort,
    /// The stack's folder cannot be made.
    #[error("make the stack's folder {}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Kafka did not start.
    #[error(transparent)]
    Kafka(#[from] KafkaError),
    /// PostgreSQL did not start.
    #[error(transparent)]
    Postgres(#[from] PostgresError),
}

/// A running stack; dropping it stops both servers.
///
/// All calls block. An async test starts one inside `spawn_blocking` (or before its runtime).
#[derive(Debug)]
pub struct Stack {
    kafka: Kafka,
    postgres: Postgres,
    run_folder: PathBuf,
    temporary: Option<TempDir>,
}

impl Stack {
    /// Installs what is missing, starts both servers side by side, and waits until they serve.
    ///
    /// On an error nothing is left running. If this process ends without stopping the stack,
    /// even by SIGKILL, the servers' guards stop it (a temporary folder then stays).
    pub fn start(options: &Options) -> Result<Self, StackError> {
        let java = java::find()?;
        let installed = cache::install()?;
        let (folder, temporary) = match &options.folder {
            Some(folder) => (folder.clone(), None),
            None => {
                let temporary = temporary_folder()?;
                (temporary.path().to_owned(), Some(temporary))
            }
        };
        let folder = std::path::absolute(&folder)
            .map_err(|source| StackError::Folder { path: folder, source })?;
        for part in ["", "logs", "run", "kafka"] {
            let path = folder.join(part);
            fs::create_dir_all(&path).map_err(|source| StackError::Folder { path, source })?;
        }
        let [free_kafka, free_controller, free_postgres] =
            port::free().ok_or(StackError::NoFreePort)?;
        let kafka_port = options.kafka_port.unwrap_or(free_kafka);
        let next_port = options.kafka_port.and_then(|port| port.checked_add(1));
        let run_folder = folder.join("run");
        let mut stack = Self {
            kafka: Kafka {
                port: kafka_port,
                controller_port: next_port
                    .filter(|it| port::is_free(*it))
                    .unwrap_or(free_controller),
                java,
                jars: installed.kafka_jars,
                data: folder.join("kafka"),
                log: folder.join("logs/kafka.log"),
                pid_folder: run_folder.clone(),
                durable: options.durable,
                running: None,
            },
            postgres: Postgres {
                port: options.postgres_port.unwrap_or(free_postgres),
                home: installed.postgres_home,
                wanted_data: folder.join("postgres"),
                log: folder.join("logs/postgres.log"),
                pid_folder: run_folder.clone(),
                durable: options.durable,
                running: None,
            },
            run_folder,
            temporary,
        };
        stack.start_missing()?;
        Ok(stack)
    }

    /// Starts whichever of the two is not running, on the same port and data.
    pub fn start_missing(&mut self) -> Result<(), StackError> {
        self.check_ports()?;
        let Self { kafka, postgres, .. } = self;
        let (kafka, postgres) = std::thread::scope(|scope| {
            let kafka = scope.spawn(|| kafka.start());
            let postgres = postgres.start();
            let kafka = kafka.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            (kafka, postgres)
        });
        kafka?;
        postgres?;
        Ok(())
    }

    fn check_ports(&mut self) -> Result<(), StackError> {
        let mut wanted = Vec::new();
        if !self.kafka.is_running() {
            // Waits for its guard, so that a broker that was just killed is wholly gone.
            self.kafka.stop();
            wanted.push((self.kafka.port, "Kafka", KAFKA_PORT_VARIABLE));
        }
        if !self.postgres.is_running() {
            self.postgres.stop();
            wanted.push((self.postgres.port, "PostgreSQL", POSTGRES_PORT_VARIABLE));
        }
        for (port, server, variable) in wanted {
            eventually(PORT_RELEASE_BOUND, || port::is_free(port).then_some(()))
                .ok_or(StackError::PortTaken { port, server, variable })?;
        }
        Ok(())
    }

    /// What Kafka clients bootstrap from, `127.0.0.1:<port>`.
    pub fn kafka_address(&self) -> String {
        self.kafka.address().to_string()
    }

    /// Kafka's controller listens here; clients have no business with it.
    pub fn controller_port(&self) -> u16 {
        self.kafka.controller_port
    }

    /// The superuser's address of the maintenance database `postgres`.
    pub fn postgres_url(&self) -> String {
        self.postgres.maintenance_url()
    }

    /// The superuser's address of another database; `hooklog` exists from the start.
    pub fn database_url(&self, database: &str) -> String {
        self.postgres.url(database)
    }

    /// Holds `kafka.pid` and `postgres.pid` (bare numbers) while the servers run.
    pub fn run_folder(&self) -> &Path {
        &self.run_folder
    }

    /// The names of the servers that should run and do not.
    pub fn missing(&mut self) -> Vec<&'static str> {
        let mut missing = Vec::new();
        if !self.kafka.is_running() {
            missing.push(kafka::NAME);
        }
        if !self.postgres.is_running() {
            missing.push(postgres::NAME);
        }
        missing
    }

    /// Takes Kafka away, in good order.
    pub fn stop_kafka(&mut self) {
        self.kafka.stop();
    }

    /// Brings Kafka back on the same port and data, and waits until it serves.
    pub fn start_kafka(&mut self) -> Result<(), StackError> {
        Ok(self.kafka.start()?)
    }

    /// Takes PostgreSQL away, in good order.
    pub fn stop_postgres(&mut self) {
        self.postgres.stop();
    }

    /// Brings PostgreSQL back on the same port and data, and waits until it serves.
    pub fn start_postgres(&mut self) -> Result<(), StackError> {
        Ok(self.postgres.start()?)
    }

    /// Stops both and removes a temporary folder. Dropping does the same.
    pub fn stop(self) {}
}

impl Drop for Stack {
    fn drop(&mut self) {
        let Self { kafka, postgres, temporary, .. } = self;
        std::thread::scope(|scope| {
            scope.spawn(|| kafka.stop());
            postgres.stop();
        });
        if let Some(temporary) = temporary.take() {
            // What cannot be removed lies in the system's temporary folder anyway.
            let _ = forget_data(temporary.path());
        }
    }
}

/// Removes everything a stack has stored in this folder. It must not be running.
pub fn forget_data(folder: &Path) -> io::Result<()> {
    account::remove_reachable(&folder.join("postgres"))?;
    for part in ["kafka", "postgres", "logs"] {
        match fs::remove_dir_all(folder.join(part)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

fn temporary_folder() -> Result<TempDir, StackError> {
    let fail = |source| StackError::Folder { path: std::env::temp_dir(), source };
    let folder = tempfile::Builder::new().prefix("hooklog-stack-").tempdir().map_err(fail)?;
    // Temporary folders are closed to others, but PostgreSQL may run as another user.
    account::open_to_all(folder.path()).map_err(fail)?;
    Ok(folder)
}
