//! I7: deliveries that a receiver took more than once are at most what consumers had in hand
//! when they lost it, and what they had finished within one commit interval.
//!
//! A call that its caller gave up on, though the receiver took it, is no duplicate of the
//! pipeline's: its outcome says that it failed, and it is tried again as any other failure.

use pipeline::outcome::Kind;

use super::Violation;
use crate::evidence::{Evidence, Placed};

/// How many times too often receivers took a delivery, and how many deliveries that are.
pub fn count(evidence: &Evidence) -> (usize, usize) {
    let calls = evidence.calls_by_message();
    let (mut extra, mut deliveries) = (0, 0);
    for (id, outcomes) in evidence.outcomes_by_delivery() {
        let message = id.to_string();
        let Some(logged) = calls.get(message.as_str()) else { continue };
        let taken = logged.iter().filter(|call| call.answered.is_success()).count();
        let unheard = |placed: &&&Placed<pipeline::outcome::Outcome>| {
            let outcome = &placed.value;
            outcome.kind == Kind::Attempt
                && outcome
                    .call
                    .as_ref()
                    .is_some_and(|call| !call.succeeded && call.http_status.is_none())
        };
        let explained = outcomes.iter().filter(unheard).count();
        let too_often = taken.saturating_sub(1).saturating_sub(explained);
        extra += too_often;
        deliveries += usize::from(too_often > 0);
    }
    (extra, deliveries)
}

pub(super) fn check(evidence: &Evidence) -> Vec<Violation> {
    let (extra, deliveries) = count(evidence);
    let bound = evidence.repeats.losses * evidence.repeats.each;
    if extra <= bound {
        return Vec::new();
    }
    vec![Violation::new(format!(
        "{deliveries} deliveries were taken {extra} times too often; {} losses of at most {} allow \
         {bound}",
        evidence.repeats.losses, evidence.repeats.each
    ))]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::test_evidence;
    use crate::evidence::RepeatBound;

    #[test]
    fn a_good_run_has_no_violation() {
        assert_eq!(check(&test_evidence::good()), []);
    }

    #[test]
    fn more_repeats_than_the_faults_allow_are_found() {
        let mut evidence = test_evidence::good();
        let call = evidence.calls[0].clone();
        evidence.calls.push(call.clone());
        assert_eq!(count(&evidence), (1, 1));
        assert_eq!(check(&evidence).len(), 1);
        evidence.repeats = RepeatBound { losses: 1, each: 1 };
        assert_eq!(check(&evidence), []);
        evidence.calls.push(call);
        assert_eq!(check(&evidence).len(), 1);
    }
}
