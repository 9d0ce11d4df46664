//! I9: at the end nothing is left to read, and no commit was ever above the lowest offset whose
//! effects the broker did not have.
//!
//! Each commit stands in Kafka's own topic with the broker's time. What it covers of `deliveries`
//! must have its outcome in the log by then, and what the outcome says goes on must stand in a
//! tier or in `deliveries` again.

use std::collections::{BTreeMap, HashMap};

use pipeline::delivery::Delivery;
use pipeline::ids::DeliveryId;
use pipeline::outcome::{Outcome, State};

use super::Violation;
use crate::evidence::{Commit, Evidence, Placed};

/// Both times are the broker's, but a batch's time may be taken a moment before it is appended.
const SLACK_MILLIS: i64 = 50;

pub(super) fn check(evidence: &Evidence) -> Vec<Violation> {
    if evidence.unrest.is_some() {
        // Told by I1. What the log had when it was read, and what was committed a moment later,
        // say nothing about each other.
        return Vec::new();
    }
    let mut violations = lag(evidence);
    violations.extend(early(evidence));
    violations
}

fn lag(evidence: &Evidence) -> Vec<Violation> {
    let mut last: BTreeMap<(&str, &str, i32), i64> = BTreeMap::new();
    for commit in &evidence.commits {
        last.insert((&commit.group, &commit.topic, commit.partition), commit.offset);
    }
    let mut violations = Vec::new();
    for ((topic, partition), end) in &evidence.ends {
        let Some(group) = evidence.readers.get(topic) else { continue };
        let committed = last.get(&(group.as_str(), topic.as_str(), *partition)).copied();
        if *end > 0 && committed != Some(*end) {
            let what =
                format!("{topic}/{partition} ends at {end}, and {group} is at {committed:?}");
            violations.push(Violation::new(what));
        }
    }
    violations
}

/// When the effects of one (delivery, release) were in the log, as far as they are.
#[derive(Default)]
struct Effects<'a> {
    /// More than one if a crash repeated it.
    outcomes: Vec<(i64, &'a Outcome)>,
    /// What carries it on was written.
    next: Option<i64>,
    /// And may have been earlier, in a tier of which not all was read.
    next_unsure: bool,
}

impl Effects<'_> {
    /// When the last effect of the outcome that was first complete was there.
    fn complete_at(&self) -> Option<i64> {
        let of = |(outcome_at, outcome): &(i64, &Outcome)| {
            if outcome.late && !outcome.state.is_terminal() {
                // Whoever has the record now makes the call again.
                None
            } else if matches!(outcome.state, State::Retrying | State::Pending) {
                let next = self.next.map(|next_at| if self.next_unsure { 0 } else { next_at });
                next.map(|next_at| next_at.max(*outcome_at))
            } else {
                Some(*outcome_at)
            }
        };
        self.outcomes.iter().filter_map(of).min()
    }
}

fn early(evidence: &Evidence) -> Vec<Violation> {
    let effects = effects(evidence);
    let mut by_partition: BTreeMap<i32, Vec<&Placed<Delivery>>> = BTreeMap::new();
    for placed in &evidence.deliveries {
        by_partition.entry(placed.place.partition).or_default().push(placed);
    }
    let mut violations = Vec::new();
    for (partition, mut records) in by_partition {
        records.sort_by_key(|placed| placed.place.offset);
        let mut records = records.into_iter().peekable();
        for commit in commits_of(evidence, partition) {
            // Each record is judged by the first commit that covers it.
            while let Some(record) = records.next_if(|r| r.place.offset < commit.offset) {
                if let Err(why) = had_effect(&effects, &record.value, commit) {
                    let id = record.value.id;
                    let place = record.place.offset;
                    let what = format!(
                        "{}/{partition} offset {place} (delivery {id}, release {}) was committed {why}",
                        commit.topic, record.value.release
                    );
                    violations.push(Violation::of(id, what));
                }
            }
        }
    }
    violations
}

/// The commits of one partition of `deliveries` by its reader.
pub(super) fn commits_of(evidence: &Evidence, partition: i32) -> impl Iterator<Item = &Commit> {
    let reader = evidence.readers.get(&evidence.deliveries_topic);
    evidence.commits.iter().filter(move |commit| {
        Some(&commit.group) == reader
            && commit.topic == evidence.deliveries_topic
            && commit.partition == partition
    })
}

type Release = (DeliveryId, u32);

fn effects(evidence: &Evidence) -> HashMap<Release, Effects<'_>> {
    let mut effects: HashMap<Release, Effects<'_>> = HashMap::new();
    for placed in &evidence.outcomes {
        let outcome = &placed.value;
        let of = effects.entry((outcome.delivery_id, outcome.release)).or_default();
        of.outcomes.push((placed.appended_at_millis, outcome));
    }
    let of_tiers = evidence.waiting.iter().map(|placed| (placed, false));
    let released = evidence.deliveries.iter().map(|placed| (placed, evidence.waiting_has_gaps));
    for (placed, unsure) in of_tiers.chain(released) {
        let Some(before) = placed.value.release.checked_sub(1) else { continue };
        let of = effects.entry((placed.value.id, before)).or_default();
        let at = placed.appended_at_millis;
        // The tiers come first: what is known from them is sure.
        of.next_unsure = unsure && (of.next.is_none() || of.next_unsure);
        of.next = Some(of.next.map_or(at, |known| known.min(at)));
    }
    effects
}

fn had_effect(
    effects: &HashMap<Release, Effects<'_>>,
    delivery: &Delivery,
    commit: &Commit,
) -> Result<(), String> {
    // What repeats a lower release of a record that was taken in says nothing of its own.
    let Some(of) = effects.get(&(delivery.id, delivery.release)) else {
        return Err("without an outcome".to_owned());
    };
    match of.complete_at() {
        _ if of.outcomes.is_empty() => Err("without an outcome".to_owned()),
        None => Err("without the record that carries it on".to_owned()),
        Some(at) if at > commit.committed_at_millis + SLACK_MILLIS => {
            Err(format!("{} ms before its effects", at - commit.committed_at_millis))
        }
        Some(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::test_evidence;

    #[test]
    fn lag_is_found() {
        let mut behind = test_evidence::good();
        behind.commits.pop();
        assert!(check(&behind)[0].what.contains("ends at"));
    }

    #[test]
    fn a_commit_before_the_outcome_or_without_one_is_found() {
        let mut early = test_evidence::good();
        early.commits[0].committed_at_millis = 0;
        early.outcomes[0].appended_at_millis = 1_000;
        assert!(check(&early)[0].what.contains("before its effects"));
        early.outcomes.clear();
        assert!(check(&early)[0].what.contains("without an outcome"));
    }

    #[test]
    fn a_late_call_that_failed_is_no_effect() {
        let mut late = test_evidence::exhausted();
        late.outcomes[0].value.late = true;
        assert!(check(&late)[0].what.contains("without the record"));
    }

    #[test]
    fn what_a_tier_no_longer_has_is_not_held_against_anybody() {
        let mut trimmed = test_evidence::exhausted();
        trimmed.waiting.clear();
        assert!(check(&trimmed)[0].what.contains("before its effects"));
        trimmed.waiting_has_gaps = true;
        assert_eq!(check(&trimmed), []);
    }

    #[test]
    fn a_commit_before_the_retry_or_without_one_is_found() {
        let mut early = test_evidence::exhausted();
        for placed in early.waiting.iter_mut().chain(&mut early.deliveries) {
            if placed.value.release > 0 {
                placed.appended_at_millis += 1_000_000;
            }
        }
        assert!(check(&early)[0].what.contains("before its effects"));
        early.waiting.clear();
        early.deliveries.retain(|placed| placed.value.release == 0);
        assert!(check(&early)[0].what.contains("without the record"));
    }
}
