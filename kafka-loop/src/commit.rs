//! What a group has committed of a partition, and what it is to commit next.

use std::panic::{AssertUnwindSafe, catch_unwind};

use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::KafkaResult;
use rdkafka::topic_partition_list::TopicPartitionListElem;
use rdkafka::{Offset, TopicPartitionList};

use crate::settings::BROKER_TIMEOUT;

/// A group's offset in one partition, with the text beside it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Commit {
    pub offset: i64,
    pub metadata: String,
}

/// The commits of `consumer`'s group in the partitions of `list`, in its order; `None` where
/// there is none. Blocks, five seconds at most.
///
/// # Errors
/// A broker that does not answer, or not for every partition: no answer must not be taken for
/// no commit.
pub(crate) fn committed<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    list: &TopicPartitionList,
) -> KafkaResult<Vec<Option<Commit>>> {
    let answer = consumer.committed_offsets(list.clone(), BROKER_TIMEOUT)?;
    let asked = list.elements();
    let read = asked.iter().map(|asked| {
        let Some(told) = answer.find_partition(asked.topic(), asked.partition()) else {
            return Ok(None);
        };
        told.error()?;
        let Offset::Offset(offset) = told.offset() else { return Ok(None) };
        Ok(Some(Commit { offset, metadata: metadata(&told) }))
    });
    read.collect()
}

/// rust-rdkafka 0.39 panics where the bytes are not UTF-8. Kafka replaces such bytes itself when
/// other tools commit them; not every broker that speaks its protocol does.
fn metadata(told: &TopicPartitionListElem<'_>) -> String {
    catch_unwind(AssertUnwindSafe(|| told.metadata().to_owned())).unwrap_or_default()
}

/// Adds a commit to a fresh list: setting the metadata of an element twice would leak.
pub(crate) fn add(
    list: &mut TopicPartitionList,
    topic: &str,
    partition: i32,
    commit: &Commit,
) -> KafkaResult<()> {
    let mut element = list.add_partition(topic, partition);
    element.set_offset(Offset::Offset(commit.offset))?;
    if !commit.metadata.is_empty() {
        element.set_metadata(&commit.metadata);
    }
    Ok(())
}

/// How far one partition's commits have come.
#[derive(Debug)]
pub(crate) struct Commits {
    known: Commit,
    under_way: Option<Commit>,
    /// Whether the ledger may say more than `known` and `under_way` do.
    changed: bool,
}

impl Commits {
    /// `known` is what the group's commit is when the partition is assigned.
    pub fn new(known: Commit) -> Self {
        Self { known, under_way: None, changed: false }
    }

    /// What the group's commit is known to be.
    pub fn committed(&self) -> i64 {
        self.known.offset
    }

    /// The ledger has changed.
    pub fn note_change(&mut self) {
        self.changed = true;
    }

    /// Whether there may be something to commit.
    pub fn due(&self) -> bool {
        self.changed
    }

    /// Starts the commit of what the ledger says now; `None` if that is committed.
    pub fn start(&mut self, now: Commit) -> Option<&Commit> {
        self.changed = false;
        self.under_way = Some(now).filter(|commit| *commit != self.known);
        self.under_way.as_ref()
    }

    /// The commit under way was answered; one that failed is made again.
    pub fn answered(&mut self, succeeded: bool) {
        if let Some(commit) = self.under_way.take() {
            if succeeded {
                self.known = commit;
            } else {
                self.changed = true;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commit(offset: i64, metadata: &str) -> Commit {
        Commit { offset, metadata: metadata.to_owned() }
    }

    #[test]
    fn a_commit_is_made_after_a_change_and_only_if_it_says_something_new() {
        let mut commits = Commits::new(commit(5, ""));
        assert!(!commits.due());
        commits.note_change();
        assert!(commits.due());
        assert_eq!(commits.start(commit(5, "")), None, "it is committed");
        assert!(!commits.due());
        assert_eq!(commits.start(commit(5, "above")), Some(&commit(5, "above")));
        commits.answered(true);
        assert_eq!(commits.start(commit(5, "above")), None);
    }

    #[test]
    fn a_commit_that_failed_is_made_again() {
        let mut commits = Commits::new(commit(0, ""));
        assert!(commits.start(commit(1, "")).is_some());
        commits.answered(false);
        assert!(commits.due());
        assert_eq!(commits.start(commit(1, "")), Some(&commit(1, "")));
        commits.answered(true);
        commits.answered(false);
        assert!(!commits.due(), "no commit was under way");
    }
}
