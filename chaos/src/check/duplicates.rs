//! I7: a call is made twice only for what was not committed. So
//!
//! - no call of a delivery arrives after each of its records was committed as finished, whatever
//!   was killed: whoever reads the partition next begins above it, or is told. Only a consumer
//!   that was frozen, or was cut off from Kafka, makes a few, until it hears that it has lost
//!   the record; and
//! - calls that a receiver took more than once are no more than consumers had in hand when they
//!   lost it, and had finished since their last commit.
//!
//! A call that its caller gave up on, though the receiver took it, is no duplicate of the
//! pipeline's: its outcome says that it failed, and it is tried again as any other failure.

use std::collections::{BTreeMap, HashMap, HashSet};

use pipeline::ids::DeliveryId;
use pipeline::outcome::{Kind, Outcome};

use super::Violation;
use super::commits::commits_of;
use crate::evidence::{Evidence, Place, RepeatBound};

/// A commit's time is the broker's, and may be taken a moment before the call's.
const SLACK_MILLIS: i64 = 50;

/// Calls that receivers took too often.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Duplicates {
    pub calls: usize,
    pub deliveries: usize,
    /// Of these deliveries, those with a record that stands in `deliveries` twice.
    pub by_repeated_records: usize,
    /// And accepted at the same time: whoever wrote it was killed before it could finish, and the
    /// consumer no longer knew the first one. The others were submitted twice.
    pub of_the_pipeline: usize,
    /// Calls that came after all records of their delivery were committed as finished.
    pub belated: usize,
}

/// Counts them.
pub fn count(evidence: &Evidence) -> Duplicates {
    let calls = evidence.calls_by_message();
    let (mut releases, mut acceptances) = (HashSet::new(), HashSet::new());
    let (mut repeated, mut written_again) = (HashSet::new(), HashSet::new());
    for delivery in evidence.deliveries.iter().map(|placed| &placed.value) {
        let (id, release) = (delivery.id, delivery.release);
        if !releases.insert((id, release)) {
            repeated.insert(id);
        }
        if !acceptances.insert((id, release, delivery.accepted_at)) {
            written_again.insert(id);
        }
    }
    let mut duplicates = Duplicates { belated: belated(evidence).len(), ..Duplicates::default() };
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
            duplicates.of_the_pipeline += usize::from(written_again.contains(&id));
        }
    }
    duplicates
}

/// Whether the caller gave the call up.
fn is_unheard(outcome: &Outcome) -> bool {
    let call = outcome.call.as_ref().filter(|_| outcome.kind == Kind::Attempt);
    call.is_some_and(|call| !call.succeeded && call.http_status.is_none())
}

/// The deliveries of calls that came when each of their records was committed as finished.
fn belated(evidence: &Evidence) -> Vec<DeliveryId> {
    let finished = finished_at(evidence);
    let mut records: HashMap<String, (DeliveryId, i64)> = HashMap::new();
    for placed in &evidence.deliveries {
        let id = placed.value.id;
        let at = finished.get(&placed.place).copied().unwrap_or(i64::MAX);
        let (_, latest) = records.entry(id.to_string()).or_insert((id, at));
        *latest = at.max(*latest);
    }
    let came_late = |call: &crate::evidence::Call| {
        let (id, finished_at) = records.get(&call.message_id)?;
        let came_at = call.received_at.as_millisecond();
        (came_at > finished_at.saturating_add(SLACK_MILLIS)).then_some(*id)
    };
    evidence.calls.iter().filter_map(came_late).collect()
}

/// When each record of `deliveries` was first committed as finished, in milliseconds since the
/// Unix epoch, as far as it was.
fn finished_at(evidence: &Evidence) -> HashMap<Place, i64> {
    let mut open: BTreeMap<i32, BTreeMap<i64, Place>> = BTreeMap::new();
    for Place { partition, offset } in evidence.deliveries.iter().map(|placed| placed.place) {
        open.entry(partition).or_default().insert(offset, Place { partition, offset });
    }
    let mut finished = HashMap::new();
    for (partition, mut open) in open {
        for commit in commits_of(evidence, partition) {
            for range in std::iter::once(0..commit.offset).chain(commit.finished.clone()) {
                let covered: Vec<i64> = open.range(range).map(|(offset, _)| *offset).collect();
                let places = covered.iter().filter_map(|offset| open.remove(offset));
                finished.extend(places.map(|place| (place, commit.committed_at_millis)));
            }
        }
    }
    finished
}

pub(super) fn check(evidence: &Evidence) -> Vec<Violation> {
    let RepeatBound { lost: most, belated: most_belated } = evidence.repeats;
    let mut violations = Vec::new();
    let Duplicates { calls, deliveries, .. } = count(evidence);
    if calls > most {
        violations.push(Violation::new(format!(
            "{deliveries} deliveries were taken {calls} times too often; the faults allow {most}"
        )));
    }
    let belated = belated(evidence);
    if belated.len() > most_belated {
        let what = |id| format!("{id} was called after it was committed as finished");
        violations.extend(belated.into_iter().map(|id| Violation::of(id, what(id))));
    }
    violations
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::test_evidence;

    #[test]
    fn more_repeats_than_the_faults_allow_are_found() {
        let mut evidence = test_evidence::good();
        let call = evidence.calls[0].clone();
        evidence.calls.push(call.clone());
        let counted = count(&evidence);
        let once = Duplicates { calls: 1, deliveries: 1, ..Duplicates::default() };
        assert_eq!(counted, once);
        assert_eq!(check(&evidence).len(), 1);
        evidence.repeats = RepeatBound { lost: 1, belated: 0 };
        assert_eq!(check(&evidence), []);
        evidence.calls.push(call);
        assert_eq!(check(&evidence).len(), 1);
    }

    #[test]
    fn a_call_after_the_commit_of_all_its_records_is_found() {
        let mut evidence = test_evidence::good();
        evidence.commits[0].committed_at_millis = evidence.calls[0].received_at.as_millisecond();
        evidence.repeats = RepeatBound { lost: 9, belated: 0 };
        let mut late = evidence.calls[0].clone();
        late.received_at += jiff::SignedDuration::from_secs(1);
        evidence.calls.push(late);
        let [violation] = check(&evidence).try_into().unwrap();
        assert_eq!(violation.delivery, Some(test_evidence::id(1)));
        evidence.repeats.belated = 1;
        assert_eq!(check(&evidence), []);

        // A retry has a record of its own, of which nothing is committed.
        evidence.repeats.belated = 0;
        let mut again = evidence.deliveries[0].clone();
        again.place.offset += 1;
        evidence.deliveries.push(again);
        assert_eq!(check(&evidence), []);
        // Finished above the frontier is finished as well.
        evidence.commits[0].finished.push(1..2);
        assert_eq!(check(&evidence).len(), 1);
    }
}
