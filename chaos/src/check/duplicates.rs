//! I7: deliveries that a receiver took more than once are at most what consumers had in hand
//! when they lost it, and what they had finished within one commit interval.
//!
//! A call that its caller gave up on, though the receiver took it, is no duplicate of the
//! pipeline's: its outcome says that it failed, and it is tried again as any other failure.

use std::collections::HashSet;

use pipeline::ids::DeliveryId;
use pipeline::outcome::{Kind, Outcome};

use super::Violation;
use crate::evidence::Evidence;

/// Calls that receivers took too often.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Duplicates {
    pub calls: usize,
    pub deliveries: usize,
    /// Of these deliveries, those with a record that stands in `deliveries` twice: whoever wrote
    /// it was killed before it could finish, and the consumer no longer knew the first one.
    pub by_repeated_records: usize,
}

/// Counts them.
pub fn count(evidence: &Evidence) -> Duplicates {
    let calls = evidence.calls_by_message();
    let mut seen = HashSet::new();
    let repeated = evidence.deliveries.iter().map(|placed| &placed.value);
    let repeated: HashSet<DeliveryId> = repeated
        .filter(|delivery| !seen.insert((delivery.id, delivery.release)))
        .map(|delivery| delivery.id)
        .collect();
    let mut duplicates = Duplicates::default();
    for (id, outcomes) in evidence.outcomes_by_delivery() {
        let message = id.to_string();
        let Some(logged) = calls.get(message.as_str()) else { continue };
        let taken = logged.iter().filter(|call| call.answered.is_success()).count();
        let explained = outcomes.iter().filter(|placed| is_unheard(&placed.value)).count();
        let too_often = taken.saturating_sub(1).saturating_sub(explained);
        if too_often > 0 {
            duplicates.calls += too_often;
            duplicates.deliveries += 1;
            duplicates.by_repeated_records += usize::from(repeated.contains(&id));
        }
    }
    duplicates
}

/// Whether the caller gave the call up.
fn is_unheard(outcome: &Outcome) -> bool {
    let call = outcome.call.as_ref().filter(|_| outcome.kind == Kind::Attempt);
    call.is_some_and(|call| !call.succeeded && call.http_status.is_none())
}

pub(super) fn check(evidence: &Evidence) -> Vec<Violation> {
    let Duplicates { calls, deliveries, .. } = count(evidence);
    let bound = evidence.repeats.losses * evidence.repeats.each;
    if calls <= bound {
        return Vec::new();
    }
    vec![Violation::new(format!(
        "{deliveries} deliveries were taken {calls} times too often; {} losses of at most {} allow \
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
    fn more_repeats_than_the_faults_allow_are_found() {
        let mut evidence = test_evidence::good();
        let call = evidence.calls[0].clone();
        evidence.calls.push(call.clone());
        let counted = count(&evidence);
        assert_eq!((counted.calls, counted.deliveries, counted.by_repeated_records), (1, 1, 0));
        assert_eq!(check(&evidence).len(), 1);
        evidence.repeats = RepeatBound { losses: 1, each: 1 };
        assert_eq!(check(&evidence), []);
        evidence.calls.push(call);
        assert_eq!(check(&evidence).len(), 1);
    }
}
