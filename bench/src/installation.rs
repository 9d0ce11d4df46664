//! A whole hooklog of a run's own: private stores, and the real binaries as child processes.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::{Context, bail};
use kafka_loop::KafkaSettings;
use local_stack::{Options, Stack, port};
use settings::Environment;

use crate::role_process::RoleProcess;

/// The four service binaries; the first serves the API.
pub const SPLIT: [&str; 4] =
    ["ingest-gateway", "delivery-consumer", "retry-scheduler", "status-projector"];
/// All four roles in one process.
pub const COMBINED: &str = "hooklog";

/// Where a run's Kafka, PostgreSQL and settings are. Dropping it stops the stores.
pub struct Installation {
    stack: Mutex<Stack>,
    programs: PathBuf,
    folder: PathBuf,
    settings: Vec<(String, String)>,
    listen: SocketAddr,
    pub kafka: KafkaSettings,
    pub database_url: String,
}

impl Installation {
    /// Starts the stores and makes the schema. `programs` is the folder of the binaries;
    /// `settings` go over a bench's own. Blocks for some seconds.
    ///
    /// # Errors
    /// A binary is missing, or a store does not start.
    pub fn start(programs: &Path, settings: &[(&str, &str)]) -> anyhow::Result<Self> {
        let stack = Stack::start(&Options::default())?;
        let [listen] = port::free().context("no port is free on loopback")?;
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, listen));
        let (kafka, database_url) = (stack.kafka_address(), stack.database_url("hooklog"));
        let listen_text = listen.to_string();
        let own = [
            ("HOOKLOG_KAFKA_BROKERS", kafka.as_str()),
            ("DATABASE_URL", &database_url),
            ("HOOKLOG_LISTEN", &listen_text),
            ("HOOKLOG_EGRESS_ALLOW", "127.0.0.0/8"),
            ("HOOKLOG_LOG", "warn"),
        ];
        let settings: Vec<(String, String)> = own
            .iter()
            .chain(settings)
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let environment = Environment::from_pairs(settings.iter().cloned())?;
        let kafka = KafkaSettings::from_environment(&environment)?;
        let folder = stack.run_folder().to_owned();
        let stack = Mutex::new(stack);
        let programs = programs.to_owned();
        let new = Self { stack, programs, folder, settings, listen, kafka, database_url };
        new.migrate()?;
        Ok(new)
    }

    fn migrate(&self) -> anyhow::Result<()> {
        let status = self.command(&["migrate"])?.status().context("run hooklog migrate")?;
        if !status.success() {
            bail!("hooklog migrate ended with {status}");
        }
        Ok(())
    }

    fn program(&self, name: &str) -> anyhow::Result<PathBuf> {
        let program = self.programs.join(name);
        if !program.is_file() {
            bail!("{} is missing: cargo build --release -p {name}", program.display());
        }
        Ok(program)
    }

    /// Starts a process, `hooklog up` or one role's; does not wait until it is ready.
    ///
    /// # Errors
    /// Its binary is missing or does not start.
    pub fn run(&self, name: &'static str) -> anyhow::Result<RoleProcess> {
        let [ops] = port::free().context("no port is free on loopback")?;
        let ops = SocketAddr::from((Ipv4Addr::LOCALHOST, ops));
        let mut command = vec![self.program(name)?.into_os_string()];
        if name == COMBINED {
            command.push("up".into());
        }
        let mut settings = self.settings.clone();
        settings.push(("HOOKLOG_OPS_LISTEN".to_owned(), ops.to_string()));
        RoleProcess::start(name, command, settings, ops, &self.folder)
    }

    /// The one binary with these arguments, and the run's settings.
    ///
    /// # Errors
    /// The binary is missing.
    pub fn command(&self, arguments: &[&str]) -> anyhow::Result<Command> {
        let mut command = Command::new(self.program(COMBINED)?);
        command.args(arguments).envs(self.settings.iter().cloned());
        Ok(command)
    }

    /// Starts all roles, in one process or in four, and waits until they are ready.
    ///
    /// # Errors
    /// One of them ends, or is not ready in time.
    pub async fn run_all(&self, split: bool) -> anyhow::Result<Vec<RoleProcess>> {
        let names = if split { SPLIT.to_vec() } else { vec![COMBINED] };
        let mut processes =
            names.into_iter().map(|name| self.run(name)).collect::<anyhow::Result<Vec<_>>>()?;
        for process in &mut processes {
            process.ready().await?;
        }
        Ok(processes)
    }

    /// The API's URL, without a slash at its end.
    pub fn api(&self) -> String {
        format!("http://{}", self.listen)
    }

    /// The stores, to take one away.
    pub fn stack(&self) -> MutexGuard<'_, Stack> {
        self.stack.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
