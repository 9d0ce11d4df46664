//! The invariants of SECURITY.md 4, each as a pure function from the evidence to its violations.
//!
//! I5 is for ordered subscriptions, which do not exist yet; I10 and I12 are not about faults and
//! are tested where secrets and sockets are.

mod accepted;
mod commits;
mod dead_letters;
mod delivered;
mod due;
mod duplicates;
mod footprint;
mod processes;
mod seen;
mod tables;
#[cfg(test)]
mod test_evidence;

use pipeline::ids::DeliveryId;

use crate::evidence::Evidence;

pub use self::duplicates::{Duplicates, count as count_duplicates};
pub use self::footprint::is_back;

/// Something that must not be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    pub what: String,
    /// Whose story tells more.
    pub delivery: Option<DeliveryId>,
}

impl Violation {
    fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), delivery: None }
    }

    fn of(delivery: DeliveryId, what: impl Into<String>) -> Self {
        Self { what: what.into(), delivery: Some(delivery) }
    }
}

/// One invariant and what was found against it.
#[derive(Debug, Clone)]
pub struct Verdict {
    pub name: &'static str,
    pub rule: &'static str,
    pub violations: Vec<Violation>,
}

type Check = fn(&Evidence) -> Vec<Violation>;

const CHECKS: [(&str, &str, Check); 11] = [
    ("I1", "what was accepted has exactly one end for each subscription", accepted::check),
    ("I2", "delivered means a 2xx for these bytes under a valid signature", delivered::check),
    ("I3", "receivers saw what was accepted or unknown, and nothing refused", seen::check),
    ("I4", "dead-lettered means used up, permanent or expired", dead_letters::check),
    ("I6", "the tables are the fold of the log", tables::check),
    ("I7", "duplicates are within what faults had in hand", duplicates::check),
    ("I8", "no attempt before its time", due::check),
    ("I9", "no lag, and no commit above an unfinished offset", commits::check),
    ("I11", "memory, descriptors and threads return to the baseline", footprint::check),
    ("restart", "no role needs a restart that no fault gave it", processes::own_ends),
    ("SIGTERM", "a role ends within 15 s", processes::late_ends),
];

/// Asks every check.
pub fn all(evidence: &Evidence) -> Vec<Verdict> {
    let judge = |(name, rule, check): &(&'static str, &'static str, Check)| Verdict {
        name,
        rule,
        violations: check(evidence),
    };
    CHECKS.iter().map(judge).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_runs_have_no_violation() {
        for (evidence, run) in
            [(test_evidence::good(), "good"), (test_evidence::exhausted(), "exhausted")]
        {
            for Verdict { name, violations, .. } in all(&evidence) {
                assert_eq!(violations, [], "{name} in {run}");
            }
        }
    }
}
