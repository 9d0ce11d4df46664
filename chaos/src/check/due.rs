//! I8: no attempt is made before its time, beyond the tolerance of the tiers, and no time is
//! sooner than the policy has it.
//!
//! This is about retries. What is put aside without an attempt has a time at which its lane
//! expects to have room; if it is back before that, its lane is asked again.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use pipeline::cascade::tolerance;
use pipeline::ids::DeliveryId;
use pipeline::outcome::{Kind, Outcome};

use super::Violation;
use crate::evidence::Evidence;

pub(super) fn check(evidence: &Evidence) -> Vec<Violation> {
    let starts = earliest_starts(evidence);
    let put_aside = put_aside(evidence);
    let mut violations = Vec::new();
    for outcome in evidence.outcomes.iter().map(|placed| &placed.value) {
        let (id, number) = (outcome.delivery_id, outcome.attempt);
        let earliest = starts.get(&(id, outcome.release));
        if let (Some(began_at), Some(earliest)) = (began_at(outcome), earliest)
            && began_at < *earliest
            && !put_aside.contains(&(id, outcome.release))
        {
            let early = earliest.duration_since(began_at);
            let what = format!("attempt {number} of {id} was made {early:#} too early");
            violations.push(Violation::of(id, what));
        }
        if let Some((delay, planned)) = delays(outcome, evidence)
            && delay < planned
        {
            let what =
                format!("after attempt {number} of {id} {delay:?} are waited, not {planned:?}");
            violations.push(Violation::of(id, what));
        }
    }
    violations
}

/// For each release the due time of its record less the tolerance. A crash may have written two
/// records of one release with different times: the earlier counts.
fn earliest_starts(evidence: &Evidence) -> HashMap<(DeliveryId, u32), Timestamp> {
    let mut starts: HashMap<(DeliveryId, u32), Timestamp> = HashMap::new();
    for delivery in evidence.deliveries.iter().chain(&evidence.waiting).map(|p| &p.value) {
        let Some(wait) = delivery.wait else { continue };
        let tolerance = SignedDuration::try_from(tolerance(wait.delay)).unwrap_or_default();
        let Ok(start) = wait.due_at.checked_sub(tolerance) else { continue };
        let known = starts.entry((delivery.id, delivery.release)).or_insert(start);
        *known = start.min(*known);
    }
    starts
}

/// The releases of what was put aside.
fn put_aside(evidence: &Evidence) -> HashSet<(DeliveryId, u32)> {
    let spills = evidence.outcomes.iter().map(|placed| &placed.value);
    let spills = spills.filter(|outcome| outcome.kind == Kind::Spill);
    spills.map(|outcome| (outcome.delivery_id, outcome.release + 1)).collect()
}

fn began_at(outcome: &Outcome) -> Option<Timestamp> {
    let call = outcome.call.as_ref()?;
    outcome.occurred_at.checked_sub(SignedDuration::from_micros(call.latency_micros as i64)).ok()
}

/// What is waited after a failed attempt, and what its subscription's schedule says.
fn delays(outcome: &Outcome, evidence: &Evidence) -> Option<(Duration, Duration)> {
    if outcome.kind != Kind::Attempt {
        return None;
    }
    let due_at = outcome.next_attempt_at?;
    let delay = Duration::try_from(due_at.duration_since(outcome.occurred_at)).unwrap_or_default();
    let member = &evidence.subscription(outcome.subscription_id)?.member;
    let planned = member.delays.get(outcome.attempt.checked_sub(1)? as usize)?;
    Some((delay, *planned))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::test_evidence;

    #[test]
    fn an_early_attempt_is_found() {
        let mut early = test_evidence::exhausted();
        let first = early.outcomes[0].value.occurred_at;
        early.outcomes[1].value.occurred_at = first;
        let violations = check(&early);
        assert_eq!(violations.len(), 1, "{violations:?}");
        assert!(violations[0].what.contains("too early"));
    }

    #[test]
    fn what_was_put_aside_may_come_back_early() {
        let mut early = test_evidence::exhausted();
        let first = &mut early.outcomes[0].value;
        first.kind = Kind::Spill;
        let at = first.occurred_at;
        early.outcomes[1].value.occurred_at = at;
        assert_eq!(check(&early), []);
    }

    #[test]
    fn a_wait_shorter_than_the_policy_is_found() {
        let mut hasty = test_evidence::exhausted();
        let first = &mut hasty.outcomes[0].value;
        first.next_attempt_at = Some(first.occurred_at);
        assert!(check(&hasty)[0].what.contains("are waited"));
    }
}
