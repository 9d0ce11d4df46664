//! I4: dead-lettered means that the policy was used up, or that the failure is permanent. No
//! delivery of a run is old enough to expire.

use std::collections::HashSet;

use pipeline::ids::DeliveryId;
use pipeline::outcome::{Kind, Outcome, Reason, State};

use super::Violation;
use crate::evidence::{Evidence, Placed, Subscribed, end_state};

pub(super) fn check(evidence: &Evidence) -> Vec<Violation> {
    let buried: HashSet<DeliveryId> =
        evidence.dead_letters.iter().filter_map(|letter| letter.delivery).collect();
    let mut violations = Vec::new();
    for (id, outcomes) in evidence.outcomes_by_delivery() {
        let dead = |placed: &&&Placed<Outcome>| placed.value.state == State::DeadLettered;
        for placed in outcomes.iter().filter(dead) {
            let outcome = &placed.value;
            let Some(subscribed) = evidence.subscription(outcome.subscription_id) else { continue };
            if let Err(why) = is_justified(outcome, &outcomes, subscribed) {
                violations.push(Violation::of(id, format!("delivery {id} is dead-lettered {why}")));
            }
        }
        if end_state(&outcomes) == Some(State::DeadLettered) && !buried.contains(&id) {
            let what = format!("delivery {id} is dead-lettered and not in dead-letters");
            violations.push(Violation::of(id, what));
        }
    }
    violations
}

fn is_justified(
    outcome: &Outcome,
    all: &[&Placed<Outcome>],
    subscribed: &Subscribed,
) -> Result<(), String> {
    let attempts = subscribed.member.attempts();
    let status = outcome.call.as_ref().and_then(|call| call.http_status);
    match outcome.reason {
        Some(Reason::Permanent) if status == Some(410) => Ok(()),
        Some(Reason::Permanent) if status == Some(404) && subscribed.member.gives_up_on_404 => {
            Ok(())
        }
        Some(Reason::Permanent) => Err(format!("as permanent after {status:?}")),
        Some(Reason::Exhausted) if outcome.attempt != attempts => {
            Err(format!("as exhausted after attempt {} of {attempts}", outcome.attempt))
        }
        Some(Reason::Exhausted) => {
            let failed = |number| {
                all.iter().map(|placed| &placed.value).any(|other| {
                    other.kind == Kind::Attempt
                        && other.attempt == number
                        && other.state != State::Delivered
                })
            };
            match (1..=attempts).find(|number| !failed(*number)) {
                Some(number) => Err(format!("as exhausted without an attempt {number}")),
                None => Ok(()),
            }
        }
        reason => Err(format!("for {reason:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::test_evidence;

    #[test]
    fn giving_up_early_or_without_an_attempt_is_found() {
        let mut early = test_evidence::exhausted();
        early.subscriptions[0].member.delays.push(std::time::Duration::from_secs(1));
        assert!(check(&early)[0].what.contains("of 3"));
        let mut skipped = test_evidence::exhausted();
        skipped.outcomes.remove(0);
        assert!(check(&skipped)[0].what.contains("without an attempt 1"));
    }

    #[test]
    fn an_unjust_reason_and_a_missing_letter_are_found() {
        let mut unjust = test_evidence::exhausted();
        for placed in &mut unjust.outcomes {
            placed.value.reason = placed.value.reason.map(|_| Reason::Permanent);
        }
        assert!(check(&unjust)[0].what.contains("as permanent"));
        let mut missing = test_evidence::exhausted();
        missing.dead_letters.clear();
        assert!(check(&missing)[0].what.contains("not in dead-letters"));
    }
}
