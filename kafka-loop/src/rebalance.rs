//! The consumer's callbacks. They record what happened; the loop serves it.
//!
//! From the moment a rebalance event is raised until the loop calls `incremental_assign` or
//! `incremental_unassign`, librdkafka has all partitions of this member paused.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{ClientContext, Statistics, TopicPartitionList};

use crate::client;

/// A change of the assignment that the loop has not served yet.
#[derive(Debug)]
pub(crate) enum Change {
    Assigned(TopicPartitionList),
    Revoked(TopicPartitionList),
}

/// Where the partitions of a topic end.
pub(crate) type Ends = HashMap<String, HashMap<i32, i64>>;

/// What the callbacks leave for the loop.
#[derive(Debug, Default)]
pub(crate) struct Callbacks {
    changes: Mutex<VecDeque<Change>>,
    ends: Mutex<Option<Ends>>,
    closing: AtomicBool,
}

impl Callbacks {
    pub(crate) fn next_change(&self) -> Option<Change> {
        lock(&self.changes).pop_front()
    }

    /// The ends that were told since this was last asked.
    pub(crate) fn take_ends(&self) -> Option<Ends> {
        lock(&self.ends).take()
    }

    /// From now on nobody serves changes: revocations are carried out in the callback, so that
    /// closing the consumer ends.
    pub(crate) fn close(&self) {
        self.closing.store(true, Ordering::Release);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl ClientContext for Callbacks {
    fn error(&self, error: KafkaError, reason: &str) {
        client::note(&error, reason);
    }

    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        client::log(level, facility, message);
    }

    fn stats(&self, statistics: Statistics) {
        let known = |(partition, told): (i32, rdkafka::statistics::Partition)| {
            (told.hi_offset >= 0).then_some((partition, told.hi_offset))
        };
        let topics = statistics.topics.into_iter();
        let ends = topics
            .map(|(name, topic)| (name, topic.partitions.into_iter().filter_map(known).collect()));
        *lock(&self.ends) = Some(ends.collect());
    }
}

impl ConsumerContext for Callbacks {
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Self>,
        err: RDKafkaRespErr,
        partitions: &mut TopicPartitionList,
    ) {
        let assigned = err == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
        if self.closing.load(Ordering::Acquire) {
            let served = if assigned {
                consumer.incremental_assign(partitions)
            } else {
                consumer.incremental_unassign(partitions)
            };
            if let Err(error) = served {
                tracing::debug!(%error, "a rebalance while closing was not served");
            }
            return;
        }
        let copy = partitions.clone();
        let change = if assigned { Change::Assigned(copy) } else { Change::Revoked(copy) };
        lock(&self.changes).push_back(change);
    }
}
