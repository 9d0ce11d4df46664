//! What the system says of this process. Linux tells it in `/proc` (proc(5)); elsewhere nothing is
//! shown.

use std::fs;

use crate::page::{Gauge, Page};
use crate::registry::{PROCESS_MAX_FILES, PROCESS_OPEN_FILES, PROCESS_RESIDENT, PROCESS_THREADS};

pub(crate) struct OwnProcess {
    resident: Gauge,
    threads: Gauge,
    open_files: Gauge,
    max_files: Gauge,
}

impl OwnProcess {
    /// `None` if the system does not tell.
    pub(crate) fn new(page: &Page) -> Option<Self> {
        fs::metadata("/proc/self/status").ok()?;
        Some(Self {
            resident: page.gauge(&PROCESS_RESIDENT, &[]),
            threads: page.gauge(&PROCESS_THREADS, &[]),
            open_files: page.gauge(&PROCESS_OPEN_FILES, &[]),
            max_files: page.gauge(&PROCESS_MAX_FILES, &[]),
        })
    }

    /// Asks the system. What it does not tell stays as it was.
    pub(crate) fn look(&self) {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        set(&self.resident, number_after(&status, "VmRSS:").map(|kib| kib << 10));
        set(&self.threads, number_after(&status, "Threads:"));
        let open = fs::read_dir("/proc/self/fd").ok();
        set(&self.open_files, open.and_then(|files| files.count().try_into().ok()));
        let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
        set(&self.max_files, number_after(&limits, "Max open files"));
    }
}

fn set(gauge: &Gauge, value: Option<i64>) {
    if let Some(value) = value {
        gauge.set(value);
    }
}

/// The first number of the line that begins with `head`.
fn number_after(text: &str, head: &str) -> Option<i64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(head))?;
    rest.split_whitespace().next()?.parse().ok()
}
