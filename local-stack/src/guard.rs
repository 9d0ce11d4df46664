//! The guard: the parent of one server, that ends it when the owner is gone.
//!
//! The owner holds the other end of the guard's standard input and never writes. End of
//! file means that the owner has let go or has ended, for whatever reason (SIGKILL too);
//! then the guard stops its child and everything in the child's process group, and exits.
//! Its own exit code is the child's. It does not restart anything.

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::account::Account;
use crate::process::Process;

/// Exit code of a guard that could not start its child (the code `timeout` uses for that).
pub const FAILED: i32 = 125;
/// Added to the number of the signal that ended the child, as shells do.
pub const SIGNAL_EXIT_BASE: i32 = 128;

/// What a guard is told on its command line.
#[derive(Clone, Debug, clap::Args)]
pub struct GuardOrder {
    /// Name of the pid file.
    #[arg(long)]
    pub name: String,
    /// Folder in which `<name>.pid` says the child's number while it runs.
    #[arg(long)]
    pub pid_folder: PathBuf,
    /// How the child is asked to stop.
    #[arg(long, value_enum)]
    pub stop: StopSignal,
    /// How long it may take before it is killed.
    #[arg(long)]
    pub grace_ms: u64,
    /// Where the child's output is appended; inherited without it.
    #[arg(long)]
    pub log: Option<PathBuf>,
    /// User the child runs as; needs root.
    #[arg(long, requires = "gid")]
    pub uid: Option<u32>,
    /// Group the child runs as.
    #[arg(long, requires = "uid")]
    pub gid: Option<u32>,
    /// Working folder of the child.
    #[arg(long)]
    pub directory: Option<PathBuf>,
    /// The child's program and arguments.
    #[arg(last = true, required = true)]
    pub command: Vec<OsString>,
}

/// A polite request to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum StopSignal {
    /// What most programs expect, Kafka too.
    Term,
    /// PostgreSQL's fast shutdown; its SIGTERM waits for clients to leave.
    Int,
}

impl GuardOrder {
    /// The command line that [`GuardOrder`] is parsed from, without the program.
    pub fn arguments(&self) -> Vec<OsString> {
        let mut arguments: Vec<OsString> = vec!["guard".into()];
        let mut option = |name: &str, value: OsString| {
            arguments.push(name.into());
            arguments.push(value);
        };
        option("--name", self.name.clone().into());
        option("--pid-folder", self.pid_folder.clone().into());
        option("--stop", if self.stop == StopSignal::Int { "int" } else { "term" }.into());
        option("--grace-ms", self.grace_ms.to_string().into());
        if let Some(log) = &self.log {
            option("--log", log.into());
        }
        if let (Some(uid), Some(gid)) = (self.uid, self.gid) {
            option("--uid", uid.to_string().into());
            option("--gid", gid.to_string().into());
        }
        if let Some(directory) = &self.directory {
            option("--directory", directory.into());
        }
        arguments.push("--".into());
        arguments.extend(self.command.iter().cloned());
        arguments
    }
}

enum Event {
    ChildChanged,
    Stop,
}

/// Runs the order to its end and returns the exit code to pass on.
pub fn run(order: &GuardOrder) -> io::Result<i32> {
    let (events, inbox) = mpsc::channel();
    // Before the child exists, so that no SIGCHLD is missed.
    watch_signals(events.clone())?;
    let mut child = spawn(order)?;
    if let Some(process) = Process::of(child.id()) {
        process.record(&order.pid_folder, &order.name)?;
    }
    watch_owner(events);
    let status = supervise(&mut child, &inbox, order)?;
    Process::forget(&order.pid_folder, &order.name);
    Ok(status.code().unwrap_or_else(|| SIGNAL_EXIT_BASE + status.signal().unwrap_or_default()))
}

fn watch_signals(events: Sender<Event>) -> io::Result<()> {
    let mut signals = Signals::new([SIGCHLD, SIGTERM, SIGINT, SIGHUP])?;
    std::thread::spawn(move || {
        for signal in signals.forever() {
            let event = if signal == SIGCHLD { Event::ChildChanged } else { Event::Stop };
            if events.send(event).is_err() {
                return;
            }
        }
    });
    Ok(())
}

fn watch_owner(events: Sender<Event>) {
    std::thread::spawn(move || {
        // An error says as much as the end of file: there is no owner to hear from.
        let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
        let _ = events.send(Event::Stop);
    });
}

fn spawn(order: &GuardOrder) -> io::Result<Child> {
    let (program, arguments) = order
        .command
        .split_first()
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "no command"))?;
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).process_group(0);
    if let Some(path) = &order.log {
        let log = OpenOptions::new().create(true).append(true).open(path)?;
        command.stdout(log.try_clone()?).stderr(log);
    }
    if let Some(directory) = &order.directory {
        command.current_dir(directory);
    }
    if let (Some(uid), Some(gid)) = (order.uid, order.gid) {
        Account { uid, gid }.apply(&mut command);
    }
    command.spawn().map_err(|error| {
        io::Error::new(error.kind(), format!("start {}: {error}", program.to_string_lossy()))
    })
}

/// The child is reaped only here, so its number cannot have been given to another process
/// when it is signalled.
fn supervise(
    child: &mut Child,
    inbox: &Receiver<Event>,
    order: &GuardOrder,
) -> io::Result<ExitStatus> {
    let pid = Pid::from_raw(i32::try_from(child.id()).map_err(io::Error::other)?);
    // Anything else, a closed channel too, means stop.
    while let Ok(Event::ChildChanged) = inbox.recv() {
        if let Some(status) = child.try_wait()? {
            sweep_group(pid);
            return Ok(status);
        }
    }
    let signal = match order.stop {
        StopSignal::Term => Signal::SIGTERM,
        StopSignal::Int => Signal::SIGINT,
    };
    // A test may have stopped the child; it must run to hear the request. Failures mean
    // that it has just ended, which the wait below sees.
    let _ = killpg(pid, signal);
    let _ = killpg(pid, Signal::SIGCONT);
    let deadline = Instant::now() + Duration::from_millis(order.grace_ms);
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            let _ = kill(pid, Signal::SIGKILL);
            break child.wait()?;
        }
        let _ = inbox.recv_timeout(left);
    };
    sweep_group(pid);
    Ok(status)
}

/// What the child left behind in its group (a test's servers, say) ends with it.
fn sweep_group(group: Pid) {
    let _ = killpg(group, Signal::SIGKILL);
}
