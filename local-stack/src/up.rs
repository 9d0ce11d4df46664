//! `up`: brings the whole of hooklog to readiness, starting only what does not run.

use std::process::{Command, ExitCode, Stdio};
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, bail};
use local_stack::guarded::{Guarded, last_lines};
use local_stack::wait::eventually;
use local_stack::{
    KAFKA_PORT_VARIABLE, POSTGRES_PORT_VARIABLE, cache, forget_data, java, one_shot, port,
};
use nix::sys::signal::Signal;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::dev_folder::{Addresses, DevFolder, OWNER, SERVERS, kafka_port, postgres_port};
use crate::roles::{self, Role};
use crate::{console, down, interruption, readiness, try_it};

/// The owner's own bounds (Kafka 60 + 90 s) end first, and its log then says why.
const STACK_BOUND: Duration = Duration::from_secs(180);
/// Servers of an owner that was killed are stopped by their guards.
const LEFTOVERS_BOUND: Duration = Duration::from_secs(25);
const MIGRATE_BOUND: Duration = Duration::from_secs(120);
const ROLE_READY_BOUND: Duration = Duration::from_secs(60);
const OTHER_MODE_BOUND: Duration = Duration::from_secs(15);
/// How soon the foreground notices that a process has ended.
const LOOK_EVERY: Duration = Duration::from_millis(500);
const LOG_LINES: usize = 8;

/// What `up` may be told.
#[derive(clap::Args)]
pub struct UpOptions {
    /// Return when everything is ready; `down` stops it.
    #[arg(long)]
    detach: bool,
    /// First stop what this folder runs and forget its data.
    #[arg(long)]
    fresh: bool,
    /// Run the four service binaries instead of the one `hooklog up`.
    #[arg(long)]
    split: bool,
}

/// The command. On an error what already runs keeps running if detached, for a look at it;
/// in the foreground it is stopped.
pub fn up(folder: &DevFolder, options: &UpOptions) -> anyhow::Result<ExitCode> {
    let signals = interruption::watch(&[SIGHUP, SIGINT, SIGTERM]).context("listen for signals")?;
    let began = Instant::now();
    let started = start(folder, options, &signals);
    let tied = match started {
        Ok(tied) => tied,
        Err(error) => {
            if !options.detach {
                down::stop_all(folder);
            }
            return Err(error);
        }
    };
    let roles = roles::wanted(options.split)?;
    console::note(&format!("ready after {:.1} s", began.elapsed().as_secs_f64()));
    if let Some(api) = roles.iter().find_map(|role| role.listen) {
        console::say(&try_it::text(readiness::reachable(api)));
    }
    if options.detach {
        console::say("./dev down stops it");
        return Ok(ExitCode::SUCCESS);
    }
    console::say("Ctrl-C stops everything; the data stays");
    watch(folder, &roles, &signals);
    console::note("stopping");
    let _lock = folder.lock()?;
    down::stop_all(folder);
    drop(tied);
    Ok(ExitCode::SUCCESS)
}

fn start(
    folder: &DevFolder,
    options: &UpOptions,
    signals: &Receiver<i32>,
) -> anyhow::Result<Vec<Guarded>> {
    let _lock = folder.lock()?;
    let roles = roles::wanted(options.split)?;
    for role in &roles {
        roles::program(role.name)?;
    }
    if options.fresh {
        down::stop_all(folder);
        forget_data(folder.root()).context("forget the data")?;
        std::fs::create_dir_all(folder.logs()).context("make the folder for logs")?;
    }
    let is_tied = !options.detach;
    let mut tied = Vec::new();
    let stack = ensure_stack(folder, is_tied, &mut tied)?;
    stop_if_asked(signals)?;
    migrate(folder, &stack)?;
    stop_other_mode(folder, &roles);
    for role in &roles {
        stop_if_asked(signals)?;
        if folder.running(role.name).is_some() {
            console::note(&format!("{} is running{}", role.name, age_note(folder, role)));
            continue;
        }
        role.check_ports()?;
        console::note(&format!("starting {}", role.name));
        tied.extend(role.start(folder, &stack, is_tied)?);
    }
    for role in &roles {
        wait_for_role(folder, role, signals)?;
    }
    Ok(tied)
}

fn stop_if_asked(signals: &Receiver<i32>) -> anyhow::Result<()> {
    match signals.try_recv() {
        Ok(_) => bail!("interrupted before everything was ready"),
        Err(_) => Ok(()),
    }
}

/// Kafka and PostgreSQL, running and serving.
fn ensure_stack(
    folder: &DevFolder,
    is_tied: bool,
    tied: &mut Vec<Guarded>,
) -> anyhow::Result<Addresses> {
    let all_run = || SERVERS.iter().all(|server| folder.running(server).is_some());
    if let Some(owner) = folder.running(OWNER) {
        if let (true, Some(addresses)) = (all_run(), folder.addresses()) {
            console::note("Kafka and PostgreSQL are running");
            return Ok(addresses);
        }
        console::note("starting what is missing of Kafka and PostgreSQL");
        folder.forget_addresses();
        owner.signal(Signal::SIGHUP);
    } else {
        // Here rather than in the owner, so that progress and errors are seen at once.
        java::find()?;
        cache::install()?;
        let _ = eventually(LEFTOVERS_BOUND, || {
            SERVERS.iter().all(|server| folder.running(server).is_none()).then_some(())
        });
        check_port(kafka_port()?, "Kafka", KAFKA_PORT_VARIABLE)?;
        check_port(postgres_port()?, "PostgreSQL", POSTGRES_PORT_VARIABLE)?;
        console::note("starting Kafka and PostgreSQL");
        let myself = std::env::current_exe().context("find this program")?;
        let command = vec![myself.into(), "serve".into()];
        folder.forget_addresses();
        tied.extend(roles::start(folder, OWNER, command, &[], is_tied)?);
    }
    eventually(STACK_BOUND, || {
        if folder.running(OWNER).is_none() {
            // The owner's own last sentence, without its name in front: ours comes there.
            let reason = last_lines(&folder.log(OWNER), 1);
            let reason = reason.strip_prefix("local-stack: ").unwrap_or(&reason).to_owned();
            return Some(Err(anyhow::anyhow!(reason)));
        }
        folder.addresses().filter(|_| all_run()).map(Ok)
    })
    .with_context(|| {
        format!(
            "Kafka and PostgreSQL were not ready after {} s; see {}",
            STACK_BOUND.as_secs(),
            folder.logs().display()
        )
    })?
}

fn check_port(port: u16, server: &str, variable: &str) -> anyhow::Result<()> {
    if port::is_free(port) {
        return Ok(());
    }
    bail!(
        "port {port} for {server} is taken by another program: end that program or set \
         {variable} to a free port"
    );
}

fn migrate(folder: &DevFolder, stack: &Addresses) -> anyhow::Result<()> {
    let mut command = Command::new(roles::program(roles::COMBINED)?);
    command.arg("migrate").envs(roles::environment(None, stack));
    let log = folder.log("migrate");
    one_shot::run("hooklog migrate", &mut command, Stdio::null(), &log, MIGRATE_BOUND)?;
    Ok(())
}

/// One process and four processes want the same ports.
fn stop_other_mode(folder: &DevFolder, wanted: &[Role]) {
    let others: Vec<&'static str> = roles::ALL_NAMES
        .into_iter()
        .filter(|name| wanted.iter().all(|role| role.name != *name))
        .collect();
    let stopped = down::stop(folder, &others, Some(Signal::SIGTERM), OTHER_MODE_BOUND);
    if !stopped.is_empty() {
        console::note(&format!("stopped {}", stopped.join(", ")));
    }
}

/// A process that was started before its binary was last built runs the old code.
fn age_note(folder: &DevFolder, role: &Role) -> &'static str {
    let changed_at = |path: std::path::PathBuf| -> Option<SystemTime> {
        std::fs::metadata(path).ok()?.modified().ok()
    };
    let started_at = changed_at(folder.run().join(format!("{}.pid", role.name)));
    let built_at = roles::program(role.name).ok().and_then(changed_at);
    if built_at > started_at { ", an older build: ./dev down first for the new one" } else { "" }
}

fn wait_for_role(folder: &DevFolder, role: &Role, signals: &Receiver<i32>) -> anyhow::Result<()> {
    let log = folder.log(role.name);
    let ready = eventually(ROLE_READY_BOUND, || {
        if let Err(interrupted) = stop_if_asked(signals) {
            return Some(Err(interrupted));
        }
        if folder.running(role.name).is_none() {
            let tail = last_lines(&log, LOG_LINES).replace(" | ", "\n  ");
            let name = role.name;
            return Some(Err(anyhow::anyhow!("{name} ended; its last lines:\n  {tail}")));
        }
        readiness::is_ready(role.ops_listen).then_some(Ok(()))
    });
    ready.with_context(|| {
        format!(
            "{} was not ready after {} s; see {}",
            role.name,
            ROLE_READY_BOUND.as_secs(),
            log.display()
        )
    })?
}

/// Until a signal comes, says what ends meanwhile (and what another `up` brings back).
fn watch(folder: &DevFolder, roles: &[Role], signals: &Receiver<i32>) {
    let names: Vec<&str> = SERVERS.into_iter().chain(roles.iter().map(|role| role.name)).collect();
    let mut gone: Vec<&str> = Vec::new();
    while let Err(std::sync::mpsc::RecvTimeoutError::Timeout) = signals.recv_timeout(LOOK_EVERY) {
        for name in &names {
            let was_gone = gone.contains(name);
            match (folder.running(name).is_some(), was_gone) {
                (false, false) => {
                    gone.push(name);
                    console::complain(&format!(
                        "{name} has ended; `./dev up --detach` starts it again. Its last words: {}",
                        last_lines(&folder.log(name), 1)
                    ));
                }
                (true, true) => {
                    gone.retain(|other| other != name);
                    console::note(&format!("{name} is back"));
                }
                _ => {}
            }
        }
    }
}
