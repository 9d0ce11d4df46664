//! I11: after the faults a process takes about what it took before them.

use super::Violation;
use crate::evidence::{Evidence, Footprint};

/// What a process that was started in the meantime, with other caches and pools, may have more.
const RESIDENT_KIB: u64 = 96 << 10;
const DESCRIPTORS: u64 = 80;
const THREADS: u64 = 12;

pub(super) fn check(evidence: &Evidence) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (_, process, before, after) in &evidence.footprints {
        for (what, is, most) in measures(before, after) {
            if is > most {
                let what = format!("{process} has {is} {what} at the end, of at most {most}");
                violations.push(Violation::new(what));
            }
        }
    }
    violations
}

/// Whether a process is back at its baseline.
pub fn is_back(before: &Footprint, after: &Footprint) -> bool {
    measures(before, after).iter().all(|(_, is, most)| is <= most)
}

fn measures(before: &Footprint, after: &Footprint) -> [(&'static str, u64, u64); 3] {
    [
        ("KiB of memory", after.resident_kib, before.resident_kib + RESIDENT_KIB),
        ("descriptors", after.descriptors, before.descriptors + DESCRIPTORS),
        ("threads", after.threads, before.threads + THREADS),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::Role;

    #[test]
    fn growth_beyond_the_margin_is_found_by_name() {
        let before = Footprint { resident_kib: 50_000, descriptors: 50, threads: 20 };
        let judge = |after| {
            let footprints = vec![(Role::Gateway, "ingest-gateway-0".to_owned(), before, after)];
            check(&Evidence { footprints, ..Evidence::default() })
        };
        assert_eq!(judge(before), []);
        assert!(judge(Footprint { resident_kib: 900_000, ..before })[0].what.contains("memory"));
        assert!(judge(Footprint { descriptors: 500, ..before })[0].what.contains("descriptors"));
        assert!(judge(Footprint { threads: 90, ..before })[0].what.contains("threads"));
    }
}
