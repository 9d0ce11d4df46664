//! What a run stands up: the stores, the role processes and their settings.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, ensure};
use bytes::Bytes;
use hyper::Method;
use kafka_loop::KafkaSettings;
use local_stack::{Options, Stack, port};
use settings::Environment;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::client::Client;
use crate::fault::{ProcessName, Role};
use crate::fleet::{FleetLog, FleetSettings, Member};
use crate::stores::Stores;

/// Until every process is ready, at the start and after the faults.
const READY: Duration = Duration::from_secs(90);
const LOOK: Duration = Duration::from_millis(100);
/// What one consumer may have in hand; I7's bound rests on it.
pub const MAX_IN_FLIGHT: usize = 64;
/// The consumer that comes and goes.
pub const ONE_MORE: ProcessName = ProcessName { role: Role::Consumer, index: 2 };
/// The projector that makes the tables again.
const REBUILDER: ProcessName = ProcessName { role: Role::Projector, index: 9 };

/// Everything that runs.
pub struct World {
    pub stores: Stores,
    pub fleet: Vec<Arc<Member>>,
    pub log: Arc<Mutex<FleetLog>>,
    pub kafka: KafkaSettings,
    pub gateways: Vec<String>,
    pub database_url: String,
    settings: FleetSettings,
    shared: Vec<(String, String)>,
    operations: Vec<(ProcessName, String)>,
    /// They end with the world.
    watches: JoinSet<()>,
    client: Client,
}

impl World {
    /// Starts everything and waits until it is ready.
    ///
    /// # Errors
    /// Something does not start.
    pub async fn start(settings: FleetSettings) -> anyhow::Result<Self> {
        let stack = tokio::task::spawn_blocking(|| Stack::start(&Options::default())).await?;
        let stack = stack.context("start Kafka and PostgreSQL")?;
        let database_url = stack.database_url("hooklog");
        let shared = shared_variables(&stack.kafka_address(), &database_url);
        migrate(&settings.program, &shared).await?;
        let kafka = KafkaSettings::from_environment(&Environment::from_pairs(shared.clone())?)?;
        let mut world = Self {
            stores: Stores::new(stack),
            fleet: Vec::new(),
            log: Arc::default(),
            kafka,
            gateways: Vec::new(),
            database_url,
            settings,
            shared,
            operations: Vec::new(),
            watches: JoinSet::new(),
            client: Client::default(),
        };
        for role in Role::ALL {
            for index in 0..role.count() {
                world.add(ProcessName { role, index }, &[])?.switch_on();
            }
        }
        world.add(ONE_MORE, &[])?;
        world.ready().await?;
        Ok(world)
    }

    fn add(&mut self, name: ProcessName, own: &[(&str, &str)]) -> anyhow::Result<Arc<Member>> {
        let [listen, ops] = port::free().context("find a free port")?;
        let address = |port| SocketAddr::from(([127, 0, 0, 1], port)).to_string();
        let (listen, ops) = (address(listen), address(ops));
        let mut variables = self.shared.clone();
        let given = [("HOOKLOG_LISTEN", listen.as_str()), ("HOOKLOG_OPS_LISTEN", ops.as_str())];
        let given = given.iter().chain(own);
        variables.extend(given.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        if name.role == Role::Gateway {
            self.gateways.push(format!("http://{listen}"));
        }
        self.operations.push((name, format!("http://{ops}")));
        let member = Member::new(name, self.settings.clone(), variables, Arc::clone(&self.log));
        self.watches.spawn(Arc::clone(&member).watch());
        self.fleet.push(Arc::clone(&member));
        Ok(member)
    }

    /// The process with this name.
    ///
    /// # Errors
    /// There is none.
    pub fn member(&self, name: ProcessName) -> anyhow::Result<&Arc<Member>> {
        let found = self.fleet.iter().find(|member| member.name == name);
        found.with_context(|| format!("find {name}"))
    }

    /// Every process that runs all the time.
    pub fn regulars(&self) -> impl Iterator<Item = &Arc<Member>> {
        self.fleet.iter().filter(|member| member.name.index < member.name.role.count())
    }

    /// Waits until every regular process is ready.
    ///
    /// # Errors
    /// One is not within [`READY`].
    pub async fn ready(&self) -> anyhow::Result<()> {
        let deadline = Instant::now() + READY;
        for member in self.regulars() {
            let url = self.operations.iter().find(|(name, _)| *name == member.name);
            let url = url.map(|(_, url)| format!("{url}/readyz")).unwrap_or_default();
            loop {
                let answer = self.client.send(Method::GET, &url, &[], Bytes::new()).await;
                if answer.is_some_and(|answer| answer.status == 200) {
                    break;
                }
                ensure!(Instant::now() < deadline, "{} is not ready", member.name);
                sleep(LOOK).await;
            }
        }
        Ok(())
    }

    /// Faults are over: thaws, starts and disarms every process, sends the guest away, and waits
    /// until all are ready.
    ///
    /// # Errors
    /// As [`World::ready`].
    pub async fn heal(&self) -> anyhow::Result<()> {
        for member in self.regulars() {
            member.hurry();
            member.disarm();
        }
        let guest = self.member(ONE_MORE)?;
        guest.thaw();
        guest.switch_off();
        let deadline = Instant::now() + READY;
        let all_run = || self.regulars().all(|member| member.is_running());
        while (!all_run() || guest.is_running()) && Instant::now() < deadline {
            sleep(LOOK).await;
        }
        self.ready().await
    }

    /// Takes the projectors away and lets another one make the tables again, in a database of
    /// its own, whose URL it returns.
    ///
    /// # Errors
    /// Something does not start.
    pub async fn rebuild(&mut self) -> anyhow::Result<String> {
        let projectors: Vec<Arc<Member>> =
            self.fleet.iter().filter(|m| m.name.role == Role::Projector).cloned().collect();
        for projector in &projectors {
            projector.switch_off();
        }
        while projectors.iter().any(|projector| projector.is_running()) {
            sleep(LOOK).await;
        }
        let database = "rebuilt";
        let client = crate::tables_dump::connect(&self.database_url).await?;
        let create = format!("CREATE DATABASE {database}");
        client.batch_execute(&create).await.context("create a database")?;
        let (server, _) = self.database_url.rsplit_once('/').context("read the database's URL")?;
        let url = format!("{server}/{database}");
        let mut shared = self.shared.clone();
        shared.push(("DATABASE_URL".to_owned(), url.clone()));
        migrate(&self.settings.program, &shared).await?;
        // A planted defect is not to spoil the measure.
        self.settings.defect = None;
        self.add(REBUILDER, &[("DATABASE_URL", &url)])?.switch_on();
        Ok(url)
    }
}

fn shared_variables(kafka: &str, database_url: &str) -> Vec<(String, String)> {
    let in_flight = MAX_IN_FLIGHT.to_string();
    let variables: [(&str, &str); 9] = [
        ("HOOKLOG_KAFKA_BROKERS", kafka),
        ("DATABASE_URL", database_url),
        ("HOOKLOG_EGRESS_ALLOW", "127.0.0.0/8"),
        ("HOOKLOG_PARTITIONS", "4"),
        // Few topics, for each one costs the broker time.
        ("HOOKLOG_RETRY_TIERS", "250ms,1s,2s,5s"),
        ("HOOKLOG_PRODUCE_TIMEOUT", "3s"),
        ("HOOKLOG_DATABASE_CONNECTIONS", "6"),
        ("HOOKLOG_MAX_IN_FLIGHT", &in_flight),
        // It is to work while everything falls; `TierLog` reads twice as often.
        ("HOOKLOG_JANITOR_INTERVAL", "15s"),
    ];
    variables.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec()
}

async fn migrate(program: &Path, variables: &[(String, String)]) -> anyhow::Result<()> {
    let mut command = std::process::Command::new(program);
    command.arg("migrate").stdin(Stdio::null()).envs(variables.iter().cloned());
    let status = tokio::task::spawn_blocking(move || command.status()).await?;
    ensure!(status.context("run the migrations")?.success(), "the migrations failed");
    Ok(())
}

/// `hooklog-chaos` beside this program.
///
/// # Errors
/// It is not there.
pub fn program_beside() -> anyhow::Result<PathBuf> {
    let me = std::env::current_exe().context("find this program")?;
    let program = me.with_file_name("hooklog-chaos");
    ensure!(
        program.is_file(),
        "{} is missing: cargo build -p hooklog --features chaos --bin hooklog-chaos",
        program.display()
    );
    Ok(program)
}
