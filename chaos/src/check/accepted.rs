//! I1: every event that was accepted has exactly one end for each subscription that it is for,
//! and so has whatever else became a delivery.

use std::collections::{BTreeSet, HashMap, HashSet};

use pipeline::ids::{DeliveryId, SubscriptionId};
use pipeline::outcome::State;

use super::Violation;
use crate::evidence::{Evidence, Marker, Sent, Told, end_state};

pub(super) fn check(evidence: &Evidence) -> Vec<Violation> {
    let mut violations = Vec::new();
    violations.extend(evidence.unrest.as_deref().map(Violation::new));
    let made = made(evidence);
    let known: HashSet<DeliveryId> = evidence.deliveries.iter().map(|d| d.value.id).collect();
    for sent in &evidence.sent {
        judge_sent(sent, &made, &known, &mut violations);
    }
    judge_ends(evidence, &known, &mut violations);
    judge_poison(evidence, &mut violations);
    violations
}

/// The deliveries that an event became, for each subscription.
type Made = HashMap<(Marker, SubscriptionId), BTreeSet<DeliveryId>>;

fn made(evidence: &Evidence) -> Made {
    let mut made = Made::new();
    for placed in &evidence.deliveries {
        let delivery = &placed.value;
        if let Some(marker) = Marker::in_body(&delivery.body) {
            made.entry((marker, delivery.subscription_id)).or_default().insert(delivery.id);
        }
    }
    made
}

fn judge_sent(
    sent: &Sent,
    made: &Made,
    known: &HashSet<DeliveryId>,
    violations: &mut Vec<Violation>,
) {
    let way = sent.way;
    let marker = sent.marker.0;
    if let Told::Accepted(ids) = &sent.told {
        for (id, subscription) in ids {
            if !known.contains(id) {
                let what = format!(
                    "event {marker} ({way}) was accepted for {subscription} as {id}, and there is no such delivery"
                );
                violations.push(Violation::of(*id, what));
            }
        }
        for subscription in &sent.must {
            if !made.contains_key(&(sent.marker, *subscription)) {
                let what = format!(
                    "event {marker} ({way}) was accepted and has no delivery for {subscription}"
                );
                violations.push(Violation::new(what));
            }
        }
    }
    let most = if sent.derived { 1 } else { sent.tries };
    for subscription in sent.must.union(&sent.may) {
        let count = made.get(&(sent.marker, *subscription)).map_or(0, BTreeSet::len);
        if count > most {
            let what = format!(
                "event {marker} ({way}) of {} tries became {count} deliveries for {subscription}",
                sent.tries
            );
            violations.push(Violation::new(what));
        }
    }
}

fn judge_ends(evidence: &Evidence, known: &HashSet<DeliveryId>, violations: &mut Vec<Violation>) {
    let outcomes = evidence.outcomes_by_delivery();
    let mut rows: HashMap<DeliveryId, Vec<&str>> = HashMap::new();
    for row in &evidence.rows {
        rows.entry(row.id).or_default().push(&row.state);
    }
    for id in known {
        let told = outcomes.get(id).map(Vec::as_slice).unwrap_or_default();
        let Some(end) = end_state(told) else {
            let what = format!("delivery {id} has no end after {} outcomes", told.len());
            violations.push(Violation::of(*id, what));
            continue;
        };
        let shown = rows.get(id).map(Vec::as_slice).unwrap_or_default();
        if shown != [end.as_str()] {
            let what = format!("delivery {id} ended {}, and its rows say {shown:?}", end.as_str());
            violations.push(Violation::of(*id, what));
        }
        let deleted = told
            .first()
            .and_then(|first| evidence.subscription(first.value.subscription_id))
            .is_some_and(|subscribed| subscribed.deleted);
        if end == State::Cancelled && !deleted {
            let what = format!("delivery {id} is cancelled, and nobody deleted its subscription");
            violations.push(Violation::of(*id, what));
        }
    }
}

/// Bytes that are no event are acknowledged as well: they end as dead letters.
fn judge_poison(evidence: &Evidence, violations: &mut Vec<Violation>) {
    let buried: HashSet<&[u8]> = evidence
        .dead_letters
        .iter()
        .filter(|letter| letter.reason == "poison")
        .map(|letter| &letter.value[..])
        .collect();
    for bytes in &evidence.poison {
        if !buried.contains(&bytes[..]) {
            let what = "bytes that are no event were acknowledged and are not in dead-letters";
            violations.push(Violation::new(what));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::test_evidence::{self, id};

    #[test]
    fn an_accepted_event_without_a_delivery_is_found() {
        let mut lost = test_evidence::good();
        lost.deliveries.clear();
        lost.outcomes.clear();
        lost.rows.clear();
        let violations = check(&lost);
        assert!(violations.iter().any(|v| v.what.contains("has no delivery")), "{violations:?}");
        assert!(violations.iter().any(|v| v.what.contains("no such")), "{violations:?}");
    }

    #[test]
    fn a_delivery_without_an_end_is_found() {
        let mut lost = test_evidence::good();
        lost.outcomes.pop();
        let violations = check(&lost);
        assert_eq!(violations.len(), 1, "{violations:?}");
        assert!(violations[0].what.contains("has no end"), "{violations:?}");
    }

    #[test]
    fn a_row_that_says_something_else_or_is_there_twice_is_found() {
        let mut wrong = test_evidence::good();
        wrong.rows[0].state = "retrying".to_owned();
        assert!(check(&wrong)[0].what.contains("rows say"));
        let mut twice = test_evidence::good();
        let row = twice.rows[0].clone();
        twice.rows.push(row);
        assert!(check(&twice)[0].what.contains("rows say"));
    }

    #[test]
    fn one_event_that_became_two_deliveries_is_found() {
        let mut forked = test_evidence::good();
        let mut again = forked.deliveries[0].clone();
        again.value.id = id(99);
        forked.deliveries.push(again);
        let violations = check(&forked);
        assert!(violations.iter().any(|v| v.what.contains("became 2")), "{violations:?}");
    }

    #[test]
    fn poison_that_is_not_buried_is_found() {
        let mut evidence = test_evidence::good();
        evidence.poison.push(bytes::Bytes::from_static(b"poison"));
        assert_eq!(check(&evidence).len(), 1);
    }
}
