//! One Kafka broker in KRaft combined mode, on loopback.
//!
//! Owns its settings, its format on first use, its start and its stop. Topics, and what they
//! keep and for how long, are hooklog's business.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::guard::{GuardOrder, StopSignal};
use crate::guarded::{GuardError, Guarded, last_lines};
use crate::one_shot::{self, OneShotError};
use crate::wait::eventually;
use crate::{kafka_probe, port};

/// The base name of its pid file and its log.
pub const NAME: &str = "kafka";
/// Any 16 bytes in base64url; one for all, for these brokers never meet.
const CLUSTER_ID: &str = "aG9va2xvZy1kZXYtc3RhYw";
const FORMAT_BOUND: Duration = Duration::from_secs(60);
const READY_BOUND: Duration = Duration::from_secs(90);
const STOP_GRACE: Duration = Duration::from_secs(15);
const JVM_FLAGS: [&str; 4] = [
    "-Xms256m",
    "-Xmx512m",
    // No memory-mapped statistics file in /tmp, which a killed JVM would leave behind.
    "-XX:-UsePerfData",
    "-Dfile.encoding=UTF-8",
];
/// For a broker that works for long: the full compiler, and both cores for its garbage.
const LASTING: [&str; 1] = ["-XX:+UseParallelGC"];
/// For a broker that lives as long as a test: half of its start is the compiler's work.
const SHORT_LIVED: [&str; 2] = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"];

/// Why Kafka is not running.
#[derive(Debug, thiserror::Error)]
pub enum KafkaError {
    /// Its files cannot be written.
    #[error("prepare Kafka's folder {}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The storage tool failed.
    #[error(transparent)]
    Format(#[from] OneShotError),
    /// It could not be started at all.
    #[error(transparent)]
    Guard(#[from] GuardError),
    /// It started and ended.
    #[error("Kafka ended while starting: {tail} (all of it: {})", log.display())]
    Ended {
        /// The last lines that it wrote.
        tail: String,
        /// Where the rest is.
        log: PathBuf,
    },
    /// It runs and does not answer.
    #[error("Kafka did not answer within {} s; see {}", READY_BOUND.as_secs(), .0.display())]
    NotReady(PathBuf),
}

/// A broker that can be started and stopped again on the same ports and data.
#[derive(Debug)]
pub struct Kafka {
    /// The port clients connect to.
    pub port: u16,
    pub(crate) controller_port: u16,
    pub(crate) java: PathBuf,
    pub(crate) jars: Vec<PathBuf>,
    pub(crate) data: PathBuf,
    pub(crate) log: PathBuf,
    pub(crate) pid_folder: PathBuf,
    /// Whether it is to work for long, and not only for a test.
    pub(crate) durable: bool,
    pub(crate) running: Option<Guarded>,
}

impl Kafka {
    /// Starts the broker and waits until it serves; does nothing if it runs.
    pub fn start(&mut self) -> Result<(), KafkaError> {
        if self.is_running() {
            return Ok(());
        }
        // The guard of one that has ended removes its pid file: before the new one's exists.
        self.running = None;
        if !port::is_free(self.controller_port)
            && let Some([other]) = port::free()
        {
            self.controller_port = other;
        }
        let settings = self
            .write_settings()
            .map_err(|source| KafkaError::Folder { path: self.data.clone(), source })?;
        if !self.data.join("log/meta.properties").exists() {
            let mut format = Command::new(&self.java);
            format.args(["-XX:TieredStopAtLevel=1", "-XX:-UsePerfData", "-cp"]);
            format.arg(self.class_path()).arg("kafka.tools.StorageTool");
            format.args(["format", "-t", CLUSTER_ID, "-c"]).arg(&settings);
            let name = "formatting Kafka's storage";
            one_shot::run(name, &mut format, Stdio::null(), &self.log, FORMAT_BOUND)?;
        }
        let mut command: Vec<OsString> = vec![self.java.clone().into()];
        let flags: &[&str] = if self.durable { &LASTING } else { &SHORT_LIVED };
        command.extend(JVM_FLAGS.iter().chain(flags).map(OsString::from));
        command.push(option("-Djava.io.tmpdir=", &self.data.join("tmp")));
        command.push(option("-Dlog4j2.configurationFile=", &self.data.join("log4j2.properties")));
        command.extend(["-cp".into(), self.class_path(), "kafka.Kafka".into(), settings.into()]);
        let order = GuardOrder {
            name: NAME.to_owned(),
            pid_folder: self.pid_folder.clone(),
            stop: StopSignal::Term,
            grace_ms: STOP_GRACE.as_millis() as u64,
            log: Some(self.log.clone()),
            uid: None,
            gid: None,
            directory: Some(self.data.clone()),
            command,
        };
        self.running = Some(Guarded::start(order, &[])?);
        self.wait_until_ready().inspect_err(|_| self.stop())
    }

    /// Stops the broker in good order; its data and ports stay its own.
    pub fn stop(&mut self) {
        self.running = None;
    }

    /// Whether the broker's process runs.
    pub fn is_running(&mut self) -> bool {
        self.running.as_mut().is_some_and(Guarded::is_running)
    }

    /// What clients bootstrap from.
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    fn wait_until_ready(&mut self) -> Result<(), KafkaError> {
        let address = self.address();
        eventually(READY_BOUND, || {
            if !self.is_running() {
                let tail = last_lines(&self.log, 3);
                return Some(Err(KafkaError::Ended { tail, log: self.log.clone() }));
            }
            kafka_probe::serves(address).is_ok_and(|serves| serves).then_some(Ok(()))
        })
        .unwrap_or_else(|| Err(KafkaError::NotReady(self.log.clone())))
    }

    fn class_path(&self) -> OsString {
        let mut path = OsString::new();
        for jar in &self.jars {
            if !path.is_empty() {
                path.push(":");
            }
            path.push(jar);
        }
        path
    }

    fn write_settings(&self) -> io::Result<PathBuf> {
        fs::create_dir_all(self.data.join("tmp"))?;
        fs::write(self.data.join("log4j2.properties"), LOGGING)?;
        let settings = self.data.join("server.properties");
        fs::write(&settings, settings_text(self.port, self.controller_port, &self.data))?;
        Ok(settings)
    }
}

fn option(name: &str, path: &Path) -> OsString {
    let mut option = OsString::from(name);
    option.push(path);
    option
}

fn settings_text(port: u16, controller_port: u16, data: &Path) -> String {
    let log = data.join("log");
    format!(
        "process.roles=broker,controller\n\
         node.id=1\n\
         controller.quorum.voters=1@127.0.0.1:{controller_port}\n\
         controller.listener.names=CONTROLLER\n\
         listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}\n\
         log.dirs={}\n\
         auto.create.topics.enable=false\n\
         num.partitions=1\n\
         offsets.topic.num.partitions=4\n\
         offsets.topic.replication.factor=1\n\
         transaction.state.log.num.partitions=4\n\
         transaction.state.log.replication.factor=1\n\
         transaction.state.log.min.isr=1\n\
         share.coordinator.state.topic.num.partitions=4\n\
         share.coordinator.state.topic.replication.factor=1\n\
         share.coordinator.state.topic.min.isr=1\n\
         group.initial.rebalance.delay.ms=0\n\
         # The first heartbeat unfences the broker; the default interval is 2 s.\n\
         broker.heartbeat.interval.ms=200\n\
         # A killed broker may not register again before this has passed (default 9 s).\n\
         broker.session.timeout.ms=4000\n",
        log.display()
    )
}

const LOGGING: &str = "\
status=error
appender.console.type=Console
appender.console.name=console
appender.console.layout.type=PatternLayout
appender.console.layout.pattern=%d{ISO8601} %p %c{1}: %m%n
rootLogger.level=warn
rootLogger.appenderRef.console.ref=console
";
