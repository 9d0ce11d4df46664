//! A process that is surely the one that was meant, although the system reuses numbers.
//!
//! A process is its number *and* its birth (boot and start time). In a folder it is written
//! as `<name>.pid`, which holds the bare number so that `kill $(cat x.pid)` works, and
//! `<name>.birth`. Without a matching birth the file names nobody, and nothing is signalled.

use std::fs;
use std::io;
use std::path::Path;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// One process, told apart from any later one with the same number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    pid: i32,
    birth: String,
}

impl Process {
    /// The running process with this number; `None` if there is none.
    pub fn of(pid: u32) -> Option<Self> {
        let pid = i32::try_from(pid).ok().filter(|pid| *pid > 0)?;
        Some(Self { pid, birth: birth_of(pid)? })
    }

    /// What `<name>.pid` and `<name>.birth` say, whether or not it still runs.
    pub fn recorded(folder: &Path, name: &str) -> Option<Self> {
        let pid = fs::read_to_string(folder.join(format!("{name}.pid"))).ok()?;
        let birth = fs::read_to_string(folder.join(format!("{name}.birth"))).ok()?;
        Some(Self { pid: pid.trim().parse().ok().filter(|pid| *pid > 0)?, birth })
    }

    /// The recorded process, if it runs.
    pub fn running(folder: &Path, name: &str) -> Option<Self> {
        Self::recorded(folder, name).filter(Self::is_alive)
    }

    /// Writes both files. The number comes last and by rename: a reader that sees it can
    /// rely on both.
    pub fn record(&self, folder: &Path, name: &str) -> io::Result<()> {
        fs::write(folder.join(format!("{name}.birth")), &self.birth)?;
        let fresh = folder.join(format!(".{name}.pid.new"));
        fs::write(&fresh, format!("{}\n", self.pid))?;
        fs::rename(fresh, folder.join(format!("{name}.pid")))
    }

    /// Removes both files; a file that is not there is fine.
    pub fn forget(folder: &Path, name: &str) {
        let _ = fs::remove_file(folder.join(format!("{name}.pid")));
        let _ = fs::remove_file(folder.join(format!("{name}.birth")));
    }

    /// The bare number.
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// Whether this very process runs; one that has ended and was not yet reaped does not.
    pub fn is_alive(&self) -> bool {
        birth_of(self.pid).is_some_and(|birth| birth == self.birth)
    }

    /// Sends the signal if this very process still runs; says whether it was sent.
    pub fn signal(&self, signal: Signal) -> bool {
        self.is_alive() && kill(Pid::from_raw(self.pid), signal).is_ok()
    }
}

#[cfg(target_os = "linux")]
fn birth_of(pid: i32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the program's name in brackets and may itself hold brackets and
    // spaces: count from the last one. State is field 3, the start time field 22 (proc(5)).
    let mut fields = stat.get(stat.rfind(')')? + 2..)?.split(' ');
    let state = fields.next()?;
    let start_ticks = fields.nth(18)?;
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    (!matches!(state, "Z" | "X")).then(|| format!("{} {start_ticks}", boot.trim()))
}

#[cfg(not(target_os = "linux"))]
fn birth_of(pid: i32) -> Option<String> {
    let output = std::process::Command::new("ps")
        .args(["-o", "state=,lstart=", "-p", &pid.to_string()])
        .output()
        .ok()?;
    let line = String::from_utf8(output.stdout).ok()?;
    let (state, start) = line.trim().split_once(' ')?;
    (!state.starts_with('Z')).then(|| start.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recycled_number_is_not_the_recorded_process() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let me = Process::of(std::process::id()).expect("this process runs");
        me.record(folder.path(), "me").expect("write the pid file");
        assert_eq!(Process::running(folder.path(), "me"), Some(me.clone()));

        let stranger = Process { birth: "another boot 1".to_owned(), ..me };
        stranger.record(folder.path(), "me").expect("write the pid file");
        assert_eq!(Process::running(folder.path(), "me"), None);
        assert!(!stranger.signal(Signal::SIGCONT));
    }
}
