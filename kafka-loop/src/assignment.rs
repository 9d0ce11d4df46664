//! The partitions that a loop holds: each with its queue, its ledger and its last commit.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use pipeline::commit_metadata;
use pipeline::tracker::Tracker;
use rdkafka::TopicPartitionList;
use rdkafka::consumer::base_consumer::PartitionQueue;
use rdkafka::error::KafkaResult;

use crate::PartitionKey;
use crate::commit::{self, Commit, Commits};
use crate::consumer_loop::ages::Ages;
use crate::rebalance::Callbacks;
use crate::ticket::{Ended, Ending};

/// One assigned partition.
pub(crate) struct Assigned {
    pub key: PartitionKey,
    pub topic: Arc<str>,
    pub partition: i32,
    pub queue: PartitionQueue<Callbacks>,
    pub tracker: Tracker,
    /// Before this instant the role is told what was done, and nothing is taken.
    pub recalled_by: Option<Instant>,
    /// Records that were given back untouched: unfinished for ever, and nobody works on them.
    pub forgotten: usize,
    /// Whether the role keeps the offset itself. Then the group's only shows the lag.
    pub own_offset: bool,
    pub commits: Commits,
    pub ages: Ages,
    /// Where the log ends, as a broker has said last; `None` until it has.
    pub end: Option<i64>,
    /// Shared with the partition's tickets: false once it is given up.
    pub current: Arc<AtomicBool>,
}

impl Assigned {
    fn commit(&self, with_completed: bool) -> Commit {
        let offset = self.tracker.frontier();
        let metadata = match with_completed && !self.own_offset {
            true => commit_metadata::encode(offset, self.tracker.completed()),
            false => String::new(),
        };
        Commit { offset, metadata }
    }
}

/// All assigned partitions, and what of them is under way.
#[derive(Default)]
pub(crate) struct Assignment {
    partitions: Vec<Assigned>,
    places: HashMap<PartitionKey, usize>,
    next_key: u64,
    /// Commits say no more than the frontier.
    plain: bool,
    pub unfinished: usize,
    pub unfinished_bytes: usize,
}

/// A ticket that ended in a way which the loop cannot go on from.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LedgerError {
    #[error("the task that held {topic}/{partition} offset {offset} has died")]
    Abandoned { topic: Arc<str>, partition: i32, offset: i64 },
    #[error("keep the ledger of {topic}/{partition}")]
    Tracker { topic: Arc<str>, partition: i32, source: pipeline::tracker::TrackerError },
}

impl Assignment {
    pub fn next_key(&mut self) -> PartitionKey {
        self.next_key += 1;
        PartitionKey(self.next_key)
    }

    pub fn add(&mut self, assigned: Assigned) {
        self.places.insert(assigned.key, self.partitions.len());
        self.partitions.push(assigned);
    }

    /// Takes the named partitions out; endings that come for them later count for nothing, and
    /// who still holds a ticket of theirs can see it.
    pub fn remove(&mut self, list: &TopicPartitionList) -> Vec<Assigned> {
        let revoked = |assigned: &Assigned| {
            list.find_partition(&assigned.topic, assigned.partition).is_some()
        };
        let (removed, kept): (Vec<_>, _) =
            std::mem::take(&mut self.partitions).into_iter().partition(revoked);
        give_up(&removed);
        self.partitions = kept;
        self.places = self.partitions.iter().enumerate().map(|(i, a)| (a.key, i)).collect();
        removed
    }

    pub fn len(&self) -> usize {
        self.partitions.len()
    }

    pub fn at(&mut self, index: usize) -> &mut Assigned {
        &mut self.partitions[index]
    }

    /// Unless it has been given up.
    pub fn of_key(&mut self, key: PartitionKey) -> Option<&mut Assigned> {
        self.places.get(&key).map(|&index| &mut self.partitions[index])
    }

    pub fn iter(&self) -> impl Iterator<Item = &Assigned> {
        self.partitions.iter()
    }

    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Assigned> {
        self.partitions.iter_mut()
    }

    /// The keys of the named partitions.
    pub fn keys_in(&self, list: &TopicPartitionList) -> Vec<PartitionKey> {
        let named = self
            .iter()
            .filter(|assigned| list.find_partition(&assigned.topic, assigned.partition).is_some());
        named.map(|assigned| assigned.key).collect()
    }

    /// From now on no ticket is current.
    pub fn give_up(&self) {
        give_up(&self.partitions);
    }

    /// From now on commits say no more than the frontier.
    pub fn commit_plainly(&mut self) {
        self.plain = true;
    }

    /// How many records of the given partitions somebody still works on.
    pub fn running_of(&self, keys: &[PartitionKey]) -> usize {
        keys.iter()
            .filter_map(|key| self.places.get(key))
            .map(|&index| &self.partitions[index])
            .map(|assigned| assigned.tracker.unfinished() - assigned.forgotten)
            .sum()
    }

    /// Enters what a ticket said.
    pub fn end(&mut self, ending: Ending) -> Result<(), LedgerError> {
        self.unfinished -= 1;
        self.unfinished_bytes -= ending.weight;
        let Some(&index) = self.places.get(&ending.partition) else {
            return Ok(());
        };
        let assigned = &mut self.partitions[index];
        match ending.ended {
            Ended::Forgotten => {
                assigned.forgotten += 1;
                Ok(())
            }
            Ended::Finished => {
                assigned.commits.note_change();
                assigned.tracker.finish(ending.offset).map_err(|source| {
                    let (topic, partition) = (assigned.topic.clone(), assigned.partition);
                    LedgerError::Tracker { topic, partition, source }
                })
            }
            Ended::Abandoned => Err(LedgerError::Abandoned {
                topic: assigned.topic.clone(),
                partition: assigned.partition,
                offset: ending.offset,
            }),
        }
    }

    /// What is to be committed now, as a list; `None` if there is nothing.
    pub fn start_commit(&mut self) -> KafkaResult<Option<TopicPartitionList>> {
        start_commit(&mut self.partitions, !self.plain)
    }

    /// What is to be committed of partitions that were taken out.
    pub fn start_final_commit(
        &self,
        removed: &mut [Assigned],
    ) -> KafkaResult<Option<TopicPartitionList>> {
        start_commit(removed, !self.plain)
    }

    /// Enters the answer to the commit of the last [`Self::start_commit`].
    pub fn commit_answered(&mut self, succeeded: bool) {
        for assigned in &mut self.partitions {
            assigned.commits.answered(succeeded);
        }
    }
}

fn give_up(partitions: &[Assigned]) {
    for assigned in partitions {
        assigned.current.store(false, Ordering::Release);
    }
}

fn start_commit(
    partitions: &mut [Assigned],
    with_completed: bool,
) -> KafkaResult<Option<TopicPartitionList>> {
    let mut list = TopicPartitionList::new();
    for assigned in partitions {
        let Some(now) = assigned.commits.due().then(|| assigned.commit(with_completed)) else {
            continue;
        };
        if let Some(started) = assigned.commits.start(now) {
            commit::add(&mut list, &assigned.topic, assigned.partition, started)?;
        }
    }
    Ok((list.count() > 0).then_some(list))
}
