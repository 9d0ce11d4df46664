//! What of the work topics nobody needs any more. Pure.
//!
//! Kafka keeps work for ever, since its own retention would delete accepted work that an outage
//! has delayed. So records are deleted here, and only below every position of hooklog's own
//! readers. Where a reader's position is not known, nothing is deleted.
//!
//! A position counts only as far as two rounds in a row have seen it: a member that has lost its
//! partitions can, for a moment, set a group's offset back by a commit that comes late.

use std::ops::Range;

use pipeline::tier::Tier;
use pipeline::topics::Topics;

/// The groups of the roles that read work. One that is misnamed here has no offset: then
/// nothing is deleted.
const FRONT_DOOR: &str = "front-door";
const DELIVERY_CONSUMER: &str = "delivery-consumer";
const RETRY_SCHEDULER: &str = "retry-scheduler";

/// Somebody whose position in a work topic holds the janitor back.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reader {
    /// The group's committed offset in Kafka.
    Group(String),
    /// The projection's offset in PostgreSQL.
    Projection,
}

/// A topic that the janitor trims.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WorkTopic {
    pub name: String,
    pub readers: Vec<Reader>,
    /// Whether records stay for a while after everybody has read them.
    pub retained: bool,
}

/// Every work topic with those who read it.
pub(crate) fn work_topics(topics: &Topics) -> Vec<WorkTopic> {
    let group = |role: &str| Reader::Group(topics.group(role));
    let retained = |name: String, readers: Vec<Reader>| WorkTopic { name, readers, retained: true };
    let waiting =
        |name: String| WorkTopic { name, readers: vec![group(RETRY_SCHEDULER)], retained: false };
    let retries = topics.tiers().iter().map(|tier: Tier| waiting(topics.retries(tier)));
    let spills = topics.spill_tiers().iter().map(|tier: Tier| waiting(topics.spills(tier)));
    [
        retained(topics.events(), vec![group(FRONT_DOOR)]),
        retained(topics.deliveries(), vec![group(DELIVERY_CONSUMER), Reader::Projection]),
        retained(topics.outcomes(), vec![Reader::Projection]),
    ]
    .into_iter()
    .chain(retries)
    .chain(spills)
    .collect()
}

/// A reader's position: the offset of the record that it needs next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Position {
    /// What the round before saw.
    pub before: Option<i64>,
    pub now: Option<i64>,
}

/// What else holds records back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Retention {
    /// Nothing.
    None,
    /// Records stay from `young_from` on, but at most `at_most` of them if that is said.
    Young { young_from: i64, at_most: Option<i64> },
}

/// What a round knows of one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Known {
    /// From the first record to after the last.
    pub log: Range<i64>,
    pub positions: Vec<Position>,
    pub retention: Retention,
}

/// The offset below which records are to be deleted; `None` if there are none to delete.
pub(crate) fn trim_to(known: &Known) -> Option<i64> {
    // `None` is the least of all: one unknown position makes the whole unknown.
    let settled = known.positions.iter().map(|position| position.before.min(position.now));
    let read = settled.min().flatten()?;
    let retained_from = match known.retention {
        Retention::None => known.log.end,
        Retention::Young { young_from, at_most } => {
            young_from.max(at_most.map_or(i64::MIN, |most| known.log.end.saturating_sub(most)))
        }
    };
    let to = read.min(retained_from).min(known.log.end);
    (to > known.log.start).then_some(to)
}

/// The lowest position that is below the start of the log: what lay between is gone, unread.
pub(crate) fn overtaken(known: &Known) -> Option<i64> {
    let now = known.positions.iter().filter_map(|position| position.now);
    now.min().filter(|position| *position < known.log.start)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::time::Duration;

    use pipeline::tier::Tiers;
    use pipeline::topics::Kept;
    use proptest::prelude::*;

    use super::*;

    fn at(offset: i64) -> Position {
        Position { before: Some(offset), now: Some(offset) }
    }

    #[test]
    fn every_work_topic_has_readers_and_no_other_topic_is_trimmed() {
        let topics = Topics::new("t.", Tiers::new([Duration::from_secs(1)]).unwrap());
        let trimmed = work_topics(&topics);
        assert!(trimmed.iter().all(|topic| !topic.readers.is_empty()));
        let trimmed: BTreeSet<String> = trimmed.into_iter().map(|topic| topic.name).collect();
        let work = topics.specs(1, 1).into_iter().filter(|spec| spec.kept == Kept::Work);
        assert_eq!(trimmed, work.map(|spec| spec.name).collect());
    }

    #[test]
    fn a_topic_is_trimmed_to_the_lowest_position_that_two_rounds_have_seen() {
        let known =
            |positions: Vec<Position>| Known { log: 3..100, positions, retention: Retention::None };
        assert_eq!(trim_to(&known(vec![at(50), at(40)])), Some(40));
        assert_eq!(trim_to(&known(vec![at(3)])), None, "there is nothing to delete");
        assert_eq!(trim_to(&known(vec![])), None, "nobody is known to read it");
        let missing = Position { before: Some(50), now: None };
        assert_eq!(trim_to(&known(vec![at(50), missing])), None);
        let first_seen = Position { before: None, now: Some(50) };
        assert_eq!(trim_to(&known(vec![first_seen])), None);
        let set_back = Position { before: Some(50), now: Some(20) };
        assert_eq!(trim_to(&known(vec![set_back])), Some(20));
        let ahead = Position { before: Some(20), now: Some(50) };
        assert_eq!(trim_to(&known(vec![ahead])), Some(20));
    }

    #[test]
    fn what_was_read_stays_while_it_is_young_unless_there_is_too_much_of_it() {
        let known = |young_from, at_most, position| Known {
            log: 0..100,
            positions: vec![at(position)],
            retention: Retention::Young { young_from, at_most },
        };
        assert_eq!(trim_to(&known(30, None, 80)), Some(30));
        assert_eq!(trim_to(&known(0, None, 80)), None);
        assert_eq!(trim_to(&known(0, Some(40), 80)), Some(60));
        assert_eq!(trim_to(&known(0, Some(10), 80)), Some(80), "no limit goes past a reader");
        assert_eq!(trim_to(&known(70, Some(40), 80)), Some(70));
    }

    #[test]
    fn a_position_below_the_start_of_the_log_is_noticed_and_nothing_is_deleted() {
        let mut known =
            Known { log: 10..100, positions: vec![at(50), at(9)], retention: Retention::None };
        assert_eq!((trim_to(&known), overtaken(&known)), (None, Some(9)));
        known.positions[1] = at(10);
        assert_eq!(overtaken(&known), None);
    }

    fn offset() -> impl Strategy<Value = i64> {
        prop_oneof![-2_i64..200, any::<i64>()]
    }

    proptest! {
        #[test]
        fn nothing_at_or_above_a_position_is_ever_deleted(
            start in 0_i64..100,
            length in 0_i64..100,
            positions in prop::collection::vec(
                (prop::option::of(offset()), prop::option::of(offset())), 0..4),
            young in prop::option::of((offset(), prop::option::of(0..i64::MAX))),
        ) {
            let positions: Vec<_> =
                positions.into_iter().map(|(before, now)| Position { before, now }).collect();
            let retention = match young {
                None => Retention::None,
                Some((young_from, at_most)) => Retention::Young { young_from, at_most },
            };
            let known = Known { log: start..start + length, positions, retention };
            if let Some(to) = trim_to(&known) {
                prop_assert!(start < to && to <= start + length);
                prop_assert!(!known.positions.is_empty());
                for position in &known.positions {
                    prop_assert!(position.now.is_some_and(|now| to <= now));
                    prop_assert!(position.before.is_some_and(|before| to <= before));
                }
                if let Some((young_from, None)) = young {
                    prop_assert!(to <= young_from);
                }
            }
        }
    }
}
