//! The points of a chaos build, read from the environment once.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::{CRASH_VARIABLE, CrashPoint, DEFECT_VARIABLE, Defect};

struct Live {
    crash: Option<(CrashPoint, AtomicU64)>,
    defect: Option<Defect>,
}

/// A point must cost nothing to pass and cannot be handed a configuration through every layer.
static LIVE: OnceLock<Live> = OnceLock::new();

fn live() -> &'static Live {
    LIVE.get_or_init(|| {
        let text = |name: &str| std::env::var(name).unwrap_or_default();
        Live {
            crash: read_crash(&text(CRASH_VARIABLE)),
            defect: Defect::named(&text(DEFECT_VARIABLE)),
        }
    })
}

fn read_crash(text: &str) -> Option<(CrashPoint, AtomicU64)> {
    let (name, nth) = text.split_once(':')?;
    Some((CrashPoint::named(name)?, AtomicU64::new(nth.parse().ok()?)))
}

/// Kills this process, with SIGKILL, when it comes by the live point for the n-th time.
pub fn crash(point: CrashPoint) {
    if let Some((live, left)) = &live().crash
        && *live == point
        && left.fetch_sub(1, Ordering::Relaxed) == 1
    {
        let _ = kill(Pid::this(), Signal::SIGKILL);
        // The signal ends every thread; this one must do nothing more until it does.
        std::thread::park();
    }
}

/// Whether this defect is live.
pub fn defect(defect: Defect) -> bool {
    live().defect == Some(defect)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crash_names_its_point_and_the_time() {
        let (point, left) = read_crash("scheduler-after-produce:12").unwrap();
        assert_eq!(point, CrashPoint::SchedulerAfterProduce);
        assert_eq!(left.into_inner(), 12);
        for wrong in ["", "scheduler-after-produce", "scheduler-after-produce:x", "nobody:1"] {
            assert!(read_crash(wrong).is_none(), "{wrong}");
        }
    }
}
