//! hooklog's roles as processes of their own: which there are, and how one is started.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, bail};
use local_stack::guard::{GuardOrder, StopSignal};
use local_stack::guarded::Guarded;
use local_stack::port;
use local_stack::process::Process;

use crate::dev_folder::{Addresses, DevFolder};

/// All four roles in one process.
pub const COMBINED: &str = "hooklog";
/// The four service binaries, in the order of their operations ports.
pub const SPLIT: [&str; 4] =
    ["ingest-gateway", "delivery-consumer", "retry-scheduler", "status-projector"];
/// Every process that may run hooklog's roles.
pub const ALL_NAMES: [&str; 5] = [COMBINED, SPLIT[0], SPLIT[1], SPLIT[2], SPLIT[3]];

const LISTEN: &str = "HOOKLOG_LISTEN";
const OPS_LISTEN: &str = "HOOKLOG_OPS_LISTEN";
const EGRESS_ALLOW: &str = "HOOKLOG_EGRESS_ALLOW";
const DEFAULT_LISTEN: &str = "127.0.0.1:8000";
const DEFAULT_OPS_LISTEN: &str = "127.0.0.1:8001";
/// Lets a receiver on this machine work; nothing but `./dev up` sets it.
const DEFAULT_EGRESS_ALLOW: &str = "127.0.0.0/8";
/// A role drains for 12 s at most.
const ROLE_GRACE_MS: u64 = 15_000;

/// One process that runs one or all roles.
pub struct Role {
    /// Its binary, pid file and log.
    pub name: &'static str,
    /// Where it answers `/readyz`.
    pub ops_listen: SocketAddr,
    /// Where it serves the API, if it does.
    pub listen: Option<SocketAddr>,
}

/// The processes that should run, at the addresses that the environment wants.
pub fn wanted(split: bool) -> anyhow::Result<Vec<Role>> {
    let listen = Some(address(LISTEN, DEFAULT_LISTEN)?);
    let ops_listen = address(OPS_LISTEN, DEFAULT_OPS_LISTEN)?;
    if !split {
        return Ok(vec![Role { name: COMBINED, ops_listen, listen }]);
    }
    let mut roles = Vec::new();
    for (name, offset) in SPLIT.into_iter().zip(0_u16..) {
        let port = ops_listen
            .port()
            .checked_add(offset)
            .with_context(|| format!("{OPS_LISTEN} leaves no room for four ports"))?;
        roles.push(Role {
            name,
            ops_listen: SocketAddr::new(ops_listen.ip(), port),
            listen: listen.filter(|_| offset == 0),
        });
    }
    Ok(roles)
}

fn address(variable: &str, default: &str) -> anyhow::Result<SocketAddr> {
    let text = std::env::var(variable).ok().filter(|text| !text.is_empty());
    let text = text.as_deref().unwrap_or(default);
    text.parse().with_context(|| {
        format!("{variable} must be an address and a port like {default}, not `{text}`")
    })
}

/// The hooklog or service binary, which cargo puts beside this one.
pub fn program(name: &str) -> anyhow::Result<PathBuf> {
    let myself = std::env::current_exe().context("find this program")?;
    let program = myself.with_file_name(name);
    if !program.is_file() {
        bail!("{} is missing: cargo build --release -p {name}", program.display());
    }
    Ok(program)
}

/// What a role finds in its environment besides this process's own.
pub fn environment(role: Option<&Role>, stack: &Addresses) -> Vec<(&'static str, String)> {
    let mut environment = vec![
        ("HOOKLOG_KAFKA_BROKERS", stack.kafka.clone()),
        ("DATABASE_URL", stack.database_url.clone()),
    ];
    if std::env::var_os(EGRESS_ALLOW).is_none() {
        environment.push((EGRESS_ALLOW, DEFAULT_EGRESS_ALLOW.to_owned()));
    }
    if let Some(role) = role {
        environment.push((OPS_LISTEN, role.ops_listen.to_string()));
        if let Some(listen) = role.listen {
            environment.push((LISTEN, listen.to_string()));
        }
    }
    environment
}

impl Role {
    /// Fails with one clear sentence if another program has one of its ports.
    pub fn check_ports(&self) -> anyhow::Result<()> {
        let listeners = [(Some(self.ops_listen), OPS_LISTEN), (self.listen, LISTEN)];
        for (address, variable) in listeners {
            let Some(address) = address else { continue };
            if !port::is_free_at(address) {
                bail!(
                    "{address} for {} is taken by another program: end that program or set \
                     {variable} to a free address",
                    self.name
                );
            }
        }
        Ok(())
    }

    /// The command line after its program.
    fn arguments(&self) -> &'static [&'static str] {
        if self.name == COMBINED { &["up"] } else { &[] }
    }
}

/// Starts a process of `up`: apart from this one, or tied to it by a guard that is answered.
pub fn start(
    folder: &DevFolder,
    name: &str,
    command: Vec<std::ffi::OsString>,
    environment: &[(&str, String)],
    is_tied: bool,
) -> anyhow::Result<Option<Guarded>> {
    let log = folder.log(name);
    if is_tied {
        let order = GuardOrder {
            name: name.to_owned(),
            pid_folder: folder.run(),
            stop: StopSignal::Term,
            grace_ms: ROLE_GRACE_MS,
            log: Some(log),
            uid: None,
            gid: None,
            directory: None,
            command,
        };
        return Ok(Some(Guarded::start(order, environment)?));
    }
    let output = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(&log)
        .with_context(|| format!("open {}", log.display()))?;
    let errors = output.try_clone().with_context(|| format!("open {}", log.display()))?;
    let child = Command::new(std::env::current_exe().context("find this program")?)
        .args(["launch", "--"])
        .args(command)
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .stdout(output)
        .stderr(errors)
        .spawn()
        .with_context(|| format!("start {name}"))?;
    if let Some(process) = Process::of(child.id()) {
        process.record(&folder.run(), name).with_context(|| format!("record {name}'s pid"))?;
    }
    Ok(None)
}

impl Role {
    /// Starts it, tied to this process or apart.
    pub fn start(
        &self,
        folder: &DevFolder,
        stack: &Addresses,
        is_tied: bool,
    ) -> anyhow::Result<Option<Guarded>> {
        let mut command = vec![program(self.name)?.into()];
        command.extend(self.arguments().iter().map(Into::into));
        start(folder, self.name, command, &environment(Some(self), stack), is_tied)
    }
}
