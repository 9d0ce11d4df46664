//! The partitions that a loop holds: each with its queue, its ledger and its last commit.

use std::collections::HashMap;
use std::sync::Arc;

use pipeline::tracker::Tracker;
use rdkafka::consumer::base_consumer::PartitionQueue;
use rdkafka::error::KafkaResult;
use rdkafka::{Offset, TopicPartitionList};

use crate::PartitionKey;
use crate::rebalance::Callbacks;
use crate::ticket::{Ended, Ending};

/// One assigned partition.
pub(crate) struct Assigned {
    pub key: PartitionKey,
    pub topic: Arc<str>,
    pub partition: i32,
    pub queue: PartitionQueue<Callbacks>,
    pub tracker: Tracker,
    /// Records that were given back untouched: unfinished for ever, and nobody works on them.
    pub forgotten: usize,
    /// What the group's offset is known to be.
    pub committed: i64,
    /// What the commit under way would make it.
    pub committing: i64,
}

/// All assigned partitions, and what of them is under way.
#[derive(Default)]
pub(crate) struct Assignment {
    partitions: Vec<Assigned>,
    places: HashMap<PartitionKey, usize>,
    next_key: u64,
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

    /// Takes the named partitions out; endings that come for them later count for nothing.
    pub fn remove(&mut self, list: &TopicPartitionList) -> Vec<Assigned> {
        let revoked = |assigned: &Assigned| {
            list.find_partition(&assigned.topic, assigned.partition).is_some()
        };
        let (removed, kept) = std::mem::take(&mut self.partitions).into_iter().partition(revoked);
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

    pub fn iter(&self) -> impl Iterator<Item = &Assigned> {
        self.partitions.iter()
    }

    /// The keys of the named partitions.
    pub fn keys_in(&self, list: &TopicPartitionList) -> Vec<PartitionKey> {
        let named = self
            .iter()
            .filter(|assigned| list.find_partition(&assigned.topic, assigned.partition).is_some());
        named.map(|assigned| assigned.key).collect()
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
            Ended::Finished => assigned.tracker.finish(ending.offset).map_err(|source| {
                let (topic, partition) = (assigned.topic.clone(), assigned.partition);
                LedgerError::Tracker { topic, partition, source }
            }),
            Ended::Abandoned => Err(LedgerError::Abandoned {
                topic: assigned.topic.clone(),
                partition: assigned.partition,
                offset: ending.offset,
            }),
        }
    }

    /// The frontiers that are ahead of the group's offsets, as a list to commit; `None` if
    /// there is nothing to commit.
    pub fn start_commit(&mut self) -> KafkaResult<Option<TopicPartitionList>> {
        frontiers(self.partitions.iter_mut())
    }

    /// Enters the answer to the commit of the last [`Self::start_commit`].
    pub fn commit_answered(&mut self, succeeded: bool) {
        for assigned in &mut self.partitions {
            if succeeded {
                assigned.committed = assigned.committed.max(assigned.committing);
            }
            assigned.committing = assigned.committed;
        }
    }
}

/// The frontiers of `partitions` that are not committed yet, noted as being committed.
pub(crate) fn frontiers<'a>(
    partitions: impl Iterator<Item = &'a mut Assigned>,
) -> KafkaResult<Option<TopicPartitionList>> {
    let mut list = TopicPartitionList::new();
    for assigned in partitions {
        let frontier = assigned.tracker.frontier();
        if frontier > assigned.committed {
            list.add_partition_offset(
                &assigned.topic,
                assigned.partition,
                Offset::Offset(frontier),
            )?;
            assigned.committing = frontier;
        }
    }
    Ok((list.count() > 0).then_some(list))
}
