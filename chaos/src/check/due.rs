//! I8: no attempt is made before its time, beyond the tolerance of the tiers.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use pipeline::cascade::tolerance;
use pipeline::outcome::{Kind, Outcome};

use super::Violation;
use crate::evidence::Evidence;

pub(super) fn check(evidence: &Evidence) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (id, outcomes) in evidence.outcomes_by_delivery() {
        for call in outcomes.iter().map(|placed| &placed.value) {
            let Some(began_at) = began_at(call) else { continue };
            // A repeat of a crashed attempt may have set another time: the earliest counts.
            let before = outcomes.iter().map(|placed| &placed.value).filter(|before| {
                before.kind == Kind::Attempt && before.attempt + 1 == call.attempt
            });
            let Some(earliest) = before.filter_map(earliest_start).min() else { continue };
            if began_at < earliest {
                let early = earliest.duration_since(began_at);
                let number = call.attempt;
                let what = format!("attempt {number} of {id} was made {early:#} too early");
                violations.push(Violation::of(id, what));
            }
        }
    }
    violations
}

fn began_at(outcome: &Outcome) -> Option<Timestamp> {
    let call = outcome.call.as_ref()?;
    outcome.occurred_at.checked_sub(SignedDuration::from_micros(call.latency_micros as i64)).ok()
}

/// The due time less the tolerance.
fn earliest_start(outcome: &Outcome) -> Option<Timestamp> {
    let due_at = outcome.next_attempt_at?;
    let delay = Duration::try_from(due_at.duration_since(outcome.occurred_at)).unwrap_or_default();
    due_at.checked_sub(SignedDuration::try_from(tolerance(delay)).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::test_evidence;

    #[test]
    fn a_good_run_has_no_violation() {
        assert_eq!(check(&test_evidence::exhausted()), []);
    }

    #[test]
    fn an_early_attempt_is_found() {
        let mut early = test_evidence::exhausted();
        let first = early.outcomes[0].value.occurred_at;
        early.outcomes[1].value.occurred_at = first;
        let violations = check(&early);
        assert_eq!(violations.len(), 1, "{violations:?}");
        assert!(violations[0].what.contains("too early"));
    }
}
