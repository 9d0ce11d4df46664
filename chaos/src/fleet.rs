//! The role processes of a run: each is kept running unless a fault wants it away.
//!
//! Every process runs under a guard of `local-stack`, so that it ends with the harness whatever
//! ends that. Faults only say what they want and send signals; one watch per process notices
//! its end and starts it again.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context;
use fault_point::{CRASH_VARIABLE, CrashPoint, DEFECT_VARIABLE, Defect};
use local_stack::guard::{GuardOrder, SIGNAL_EXIT_BASE, StopSignal};
use local_stack::guarded::{Guarded, last_lines};
use local_stack::process::Process;
use nix::sys::signal::Signal;

use crate::evidence::{Footprint, OwnEnd};
use crate::fault::ProcessName;
use crate::footprint;

/// Between two looks at a process.
const LOOK: Duration = Duration::from_millis(20);
/// What a role has to end in after SIGTERM; then it is killed, and the report says so.
const TERM_BOUND: Duration = Duration::from_secs(20);
/// After an end that nobody asked for.
const RESTART_PAUSE: Duration = Duration::from_millis(500);
/// What a guard gives its process when the harness ends.
const GRACE: Duration = Duration::from_millis(100);

/// What all processes share.
#[derive(Debug, Clone)]
pub struct FleetSettings {
    /// `hooklog-chaos`.
    pub program: PathBuf,
    pub folder: PathBuf,
    pub defect: Option<Defect>,
}

/// What was seen of all processes.
#[derive(Debug, Default)]
pub struct FleetLog {
    pub own_ends: Vec<OwnEnd>,
    pub late_ends: Vec<(String, Duration)>,
    pub crashes: Vec<CrashPoint>,
    pub kills: usize,
}

/// One process that comes back.
pub struct Member {
    pub name: ProcessName,
    settings: FleetSettings,
    variables: Vec<(String, String)>,
    log: Arc<Mutex<FleetLog>>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    running: Option<Guarded>,
    /// Not before this.
    start_at: Option<Instant>,
    /// It is to stay away.
    off: bool,
    /// For the next start.
    arm: Option<(CrashPoint, u64)>,
    /// What the running process was started with.
    armed: Option<CrashPoint>,
    /// Its end was asked for.
    asked: bool,
    terminated_at: Option<Instant>,
    frozen: bool,
    /// How long it stays away once it has ended.
    away: Duration,
}

impl Member {
    pub fn new(
        name: ProcessName,
        settings: FleetSettings,
        variables: Vec<(String, String)>,
        log: Arc<Mutex<FleetLog>>,
    ) -> Arc<Self> {
        let state = Mutex::new(State { off: true, ..State::default() });
        Arc::new(Self { name, settings, variables, log, state })
    }

    /// Starts it again whenever it has ended and is to run; ends when it is dropped or aborted.
    pub async fn watch(self: Arc<Self>) {
        loop {
            let member = Arc::clone(&self);
            if tokio::task::spawn_blocking(move || member.look()).await.is_err() {
                // It has panicked: the panic is told, and this process is not kept any more.
                return;
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    fn look(&self) {
        let mut state = self.state();
        if let Some(code) = state.running.as_mut().and_then(|running| {
            running.ended().map(|status| status.code().unwrap_or(local_stack::guard::FAILED))
        }) {
            state.running = None;
            self.note_end(&mut state, code);
        }
        let now = Instant::now();
        if let Some(since) = state.terminated_at
            && !state.frozen
            && now.duration_since(since) > TERM_BOUND
        {
            self.signal(Signal::SIGKILL);
        }
        let due = state.start_at.is_none_or(|at| at <= now);
        if state.running.is_none() && !state.off && due {
            let armed = state.arm.take();
            state.armed = armed.map(|(point, _)| point);
            state.asked = false;
            match self.start(armed) {
                Ok(running) => state.running = Some(running),
                Err(error) => {
                    self.note_own_end(format!("{error:#}"));
                    state.start_at = Some(now + RESTART_PAUSE);
                }
            }
        }
    }

    fn note_own_end(&self, how: String) {
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        log.own_ends.push(OwnEnd { process: self.name.to_string(), how });
    }

    fn note_end(&self, state: &mut State, code: i32) {
        let killed = code == SIGNAL_EXIT_BASE + Signal::SIGKILL as i32;
        let mut pause = std::mem::take(&mut state.away);
        {
            let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
            log.kills += usize::from(killed);
            if let Some(since) = state.terminated_at.take() {
                log.late_ends.push((self.name.to_string(), since.elapsed()));
            }
            log.crashes.extend(state.armed.filter(|_| killed && !state.asked));
        }
        let crashed = state.armed.take().is_some() && killed;
        if !state.asked && !crashed {
            let tail = last_lines(&self.log_file(), 2);
            self.note_own_end(format!("status {code}: {tail}"));
            pause = RESTART_PAUSE;
        }
        state.frozen = false;
        state.start_at = Some(Instant::now() + pause);
    }

    fn start(&self, armed: Option<(CrashPoint, u64)>) -> anyhow::Result<Guarded> {
        let order = GuardOrder {
            name: self.name.to_string(),
            pid_folder: self.settings.folder.clone(),
            stop: StopSignal::Term,
            grace_ms: GRACE.as_millis() as u64,
            log: Some(self.log_file()),
            uid: None,
            gid: None,
            directory: None,
            command: vec![self.settings.program.clone().into(), self.name.role.name().into()],
        };
        let crash = armed.map(|(point, nth)| format!("{}:{nth}", point.name()));
        let defect = self.settings.defect.map(|defect| defect.name().to_owned());
        let own = [(CRASH_VARIABLE, crash), (DEFECT_VARIABLE, defect)];
        let own = own.into_iter().map(|(name, value)| (name, value.unwrap_or_default()));
        let variables = self.variables.iter().map(|(name, value)| (name.as_str(), value.clone()));
        let environment: Vec<(&str, String)> = variables.chain(own).collect();
        Guarded::start(order, &environment).with_context(|| format!("start {}", self.name))
    }

    /// Lets it run from now on.
    pub fn switch_on(&self) {
        let mut state = self.state();
        state.off = false;
        state.start_at = None;
    }

    /// Lets it run from now on, without the pause that a fault has given it.
    pub fn hurry(&self) {
        self.thaw();
        self.switch_on();
    }

    /// SIGKILL; it is back after `away`.
    pub fn kill(&self, away: Duration) {
        let mut state = self.state();
        if state.running.is_some() {
            state.asked = true;
            state.away = away;
            self.signal(Signal::SIGKILL);
        }
    }

    /// SIGTERM; it is back `away` after its end.
    pub fn terminate(&self, away: Duration) {
        let mut state = self.state();
        if state.running.is_some() && !state.asked {
            state.asked = true;
            state.away = away;
            if !state.frozen {
                state.terminated_at = Some(Instant::now());
            }
            self.signal(Signal::SIGTERM);
        }
    }

    /// SIGTERM, and it stays away until it is switched on.
    pub fn switch_off(&self) {
        self.state().off = true;
        self.terminate(Duration::ZERO);
    }

    /// A new start, in good order so that its group does not wait for it; it then kills itself
    /// at the point.
    pub fn crash_at(&self, point: CrashPoint, nth: u64) {
        self.state().arm = Some((point, nth));
        self.terminate(Duration::ZERO);
    }

    /// Starts it anew if it may still kill itself.
    pub fn disarm(&self) {
        let armed = {
            let mut state = self.state();
            state.arm = None;
            state.armed.is_some()
        };
        if armed {
            self.kill(Duration::ZERO);
        }
    }

    /// SIGSTOP.
    pub fn freeze(&self) {
        let mut state = self.state();
        if state.running.is_some() {
            state.frozen = true;
            // What it takes to end does not count while it cannot.
            state.terminated_at = None;
            self.signal(Signal::SIGSTOP);
        }
    }

    /// SIGCONT.
    pub fn thaw(&self) {
        let mut state = self.state();
        if std::mem::take(&mut state.frozen) {
            self.signal(Signal::SIGCONT);
        }
    }

    /// Whether it runs.
    pub fn is_running(&self) -> bool {
        self.state().running.is_some()
    }

    /// What it takes now; `None` if it does not run.
    pub fn footprint(&self) -> Option<Footprint> {
        let process = Process::running(&self.settings.folder, &self.name.to_string())?;
        footprint::of(process.pid())
    }

    fn signal(&self, signal: Signal) {
        if let Some(process) = Process::running(&self.settings.folder, &self.name.to_string()) {
            process.signal(signal);
        }
    }

    fn log_file(&self) -> PathBuf {
        self.settings.folder.join(format!("{}.log", self.name))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
