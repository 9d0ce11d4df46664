//! What a process takes, as Linux tells it (proc(5)).

use std::fs;

use crate::evidence::Footprint;

/// The process's memory, descriptors and threads; `None` if it has ended or this is not Linux.
pub fn of(pid: i32) -> Option<Footprint> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    Some(Footprint {
        resident_kib: field(&status, "VmRSS:")?,
        threads: field(&status, "Threads:")?,
        descriptors: fs::read_dir(format!("/proc/{pid}/fd")).ok()?.count() as u64,
    })
}

fn field(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_by_name() {
        let status = "Name:\tx\nVmRSS:\t   51200 kB\nThreads:\t17\n";
        assert_eq!(field(status, "VmRSS:"), Some(51_200));
        assert_eq!(field(status, "Threads:"), Some(17));
        assert_eq!(field(status, "VmSwap:"), None);
    }
}
