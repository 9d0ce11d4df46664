//! I6: the tables are the fold of the log: equal to those that a new projection makes of it, and
//! in states and counts equal to a fold that is written down here again.

use std::collections::{BTreeSet, HashMap};

use pipeline::ids::DeliveryId;
use pipeline::outcome::Kind;

use super::Violation;
use crate::evidence::{Evidence, Row, end_state};

pub(super) fn check(evidence: &Evidence) -> Vec<Violation> {
    let mut violations = Vec::new();
    if evidence.unrest.is_some() {
        // Told by I1. The log and the tables were read one after the other.
        return violations;
    }
    match &evidence.tables {
        Some((stand, rebuilt)) => {
            let keys: BTreeSet<&String> = stand.keys().chain(rebuilt.keys()).collect();
            let differing = keys.into_iter().filter(|key| stand.get(*key) != rebuilt.get(*key));
            violations.extend(differing.map(|key| {
                let delivery = key.split('/').nth(1).and_then(|id| id.parse().ok());
                let what = format!(
                    "row {key} is {:?}, and rebuilt from the log {:?}",
                    stand.get(key),
                    rebuilt.get(key)
                );
                Violation { what, delivery }
            }));
        }
        None => violations.push(Violation::new("the tables could not be rebuilt")),
    }
    let rows: HashMap<DeliveryId, &Row> = evidence.rows.iter().map(|row| (row.id, row)).collect();
    let outcomes = evidence.outcomes_by_delivery();
    for (id, told) in &outcomes {
        let Some(row) = rows.get(id) else {
            violations.push(Violation::of(*id, format!("delivery {id} has outcomes and no row")));
            continue;
        };
        let calls = told.iter().filter(|placed| placed.value.kind == Kind::Attempt);
        let count = calls.clone().count() as i64;
        let highest = calls.map(|placed| placed.value.attempt as i32).max().unwrap_or(0);
        let state = end_state(told).map_or(row.state.as_str(), |state| state.as_str());
        if (row.state.as_str(), row.attempts, row.calls) != (state, highest, count) {
            let what = format!(
                "delivery {id} is {state} after {count} calls up to attempt {highest}, and its \
                 rows say {} after {} calls up to attempt {}",
                row.state, row.calls, row.attempts
            );
            violations.push(Violation::of(*id, what));
        }
    }
    for row in &evidence.rows {
        if !evidence.deliveries.is_empty() && !outcomes.contains_key(&row.id) && row.calls > 0 {
            let what = format!("delivery {} has calls in the tables and none in the log", row.id);
            violations.push(Violation::of(row.id, what));
        }
    }
    violations
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::test_evidence;

    #[test]
    fn a_missing_row_a_missing_call_and_another_state_are_found() {
        let mut missing = test_evidence::good();
        missing.rows.clear();
        assert!(check(&missing)[0].what.contains("no row"));
        let mut fewer = test_evidence::exhausted();
        fewer.rows[0].calls -= 1;
        assert!(check(&fewer)[0].what.contains("after 1 calls"));
        let mut other = test_evidence::good();
        other.rows[0].state = "pending".to_owned();
        assert!(check(&other)[0].what.contains("say pending"));
    }

    #[test]
    fn tables_that_a_rebuild_makes_otherwise_are_found() {
        let mut evidence = test_evidence::good();
        let row = |digest: &str| [("deliveries/1".to_owned(), digest.to_owned())].into();
        evidence.tables = Some((row("a"), row("b")));
        assert!(check(&evidence)[0].what.contains("rebuilt"));
        evidence.tables = Some((row("a"), row("a")));
        assert_eq!(check(&evidence), []);
        evidence.tables = None;
        assert!(check(&evidence)[0].what.contains("could not"));
    }
}
