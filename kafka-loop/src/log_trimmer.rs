//! Where logs begin and end, where groups are in them, and the deletion of what lies below an
//! offset.
//!
//! Sizes in bytes are not told: librdkafka 2.12 has no request for them (DescribeLogDirs).

use std::collections::HashMap;
use std::ops::Range;
use std::time::Duration;

use anyhow::Context;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{Offset, TopicPartitionList};

use crate::client::{self, Calm};
use crate::settings::BROKER_TIMEOUT;
use crate::{KafkaSettings, commit};

/// Asks about logs and groups, and trims logs. It is a member of no group.
pub struct LogTrimmer {
    admin: AdminClient<Calm>,
    /// One for each group, since a client can ask for one group only.
    groups: HashMap<String, BaseConsumer<Calm>>,
}

/// What is to be deleted of a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trim {
    pub topic: String,
    pub partition: i32,
    /// The least offset that stays.
    pub below: i64,
}

impl LogTrimmer {
    /// Creates clients that can ask about `groups`.
    ///
    /// # Errors
    /// Settings that librdkafka refuses.
    pub fn new(
        kafka: &KafkaSettings,
        groups: impl IntoIterator<Item = String>,
    ) -> anyhow::Result<Self> {
        let admin = client::base(kafka).create_with_context(Calm).context("create log trimmer")?;
        let create = |group: String| {
            let consumer = client::consumer(kafka, &group)
                .create_with_context(Calm)
                .with_context(|| format!("create client for group {group}"))?;
            Ok((group, consumer))
        };
        let groups = groups.into_iter().map(create).collect::<anyhow::Result<_>>()?;
        Ok(Self { admin, groups })
    }

    /// How many partitions each topic has. Blocks, five seconds at most.
    ///
    /// # Errors
    /// A broker that does not answer.
    pub fn partition_counts(&self) -> anyhow::Result<HashMap<String, i32>> {
        for group in self.groups.values() {
            // Nobody else hears what these clients tell.
            while group.poll(Duration::ZERO).is_some() {}
        }
        let metadata = self.admin.inner().fetch_metadata(None, BROKER_TIMEOUT);
        let metadata = metadata.context("ask which topics there are")?;
        let count = |topic: &rdkafka::metadata::MetadataTopic| {
            (topic.name().to_owned(), topic.partitions().len() as i32)
        };
        Ok(metadata.topics().iter().map(count).collect())
    }

    /// The offsets that a partition has: from its first record to after its last. Blocks, five
    /// seconds at most.
    ///
    /// # Errors
    /// A broker that does not answer.
    pub fn bounds(&self, topic: &str, partition: i32) -> anyhow::Result<Range<i64>> {
        let bounds = self.admin.inner().fetch_watermarks(topic, partition, BROKER_TIMEOUT);
        let (low, high) =
            bounds.with_context(|| format!("ask for the bounds of {topic}/{partition}"))?;
        Ok(low..high)
    }

    /// A group's offset in each partition of a topic, from partition 0 on; `None` where it has
    /// none. Blocks, five seconds at most.
    ///
    /// # Errors
    /// A broker that does not answer for every partition.
    pub fn committed(
        &self,
        group: &str,
        topic: &str,
        partitions: i32,
    ) -> anyhow::Result<Vec<Option<i64>>> {
        let consumer = self.groups.get(group).with_context(|| format!("no client for {group}"))?;
        let mut list = TopicPartitionList::new();
        list.add_partition_range(topic, 0, partitions - 1);
        let commits = commit::committed(consumer, &list)
            .with_context(|| format!("ask where {group} is in {topic}"))?;
        Ok(commits.into_iter().map(|commit| commit.map(|commit| commit.offset)).collect())
    }

    /// The least offset of each partition whose record was appended at `millis` (since the Unix
    /// epoch) or later; `None` where there is no such record. Blocks, five seconds at most.
    ///
    /// # Errors
    /// A broker that does not answer for every partition.
    pub fn first_since(
        &self,
        topic: &str,
        partitions: i32,
        millis: i64,
    ) -> anyhow::Result<Vec<Option<i64>>> {
        let context = || format!("ask for the offsets of a time in {topic}");
        let consumer = self.groups.values().next().with_context(context)?;
        let mut list = TopicPartitionList::new();
        list.add_partition_range(topic, 0, partitions - 1);
        list.set_all_offsets(Offset::Offset(millis)).with_context(context)?;
        let answer = consumer.offsets_for_times(list, BROKER_TIMEOUT).with_context(context)?;
        let read = (0..partitions).map(|partition| {
            let told = answer.find_partition(topic, partition).with_context(context)?;
            told.error().with_context(context)?;
            match told.offset() {
                Offset::Offset(offset) => Ok(Some(offset)),
                _ => Ok(None),
            }
        });
        read.collect()
    }

    /// Deletes records, and returns what was deleted; what the broker refused is left out, and
    /// said in the log. Kafka frees whole segments only, and never the one that is written.
    ///
    /// # Errors
    /// A broker that does not answer within five seconds; it may still do it.
    pub async fn delete(&self, trims: Vec<Trim>) -> anyhow::Result<Vec<Trim>> {
        if trims.is_empty() {
            return Ok(trims);
        }
        let mut list = TopicPartitionList::new();
        for trim in &trims {
            let below = Offset::Offset(trim.below);
            list.add_partition_offset(&trim.topic, trim.partition, below)?;
        }
        let options = AdminOptions::new()
            .operation_timeout(Some(BROKER_TIMEOUT))
            .request_timeout(Some(BROKER_TIMEOUT));
        let answer = self.admin.delete_records(&list, &options).await.context("delete records")?;
        let deleted = |trim: &Trim| {
            let told = answer.find_partition(&trim.topic, trim.partition);
            let error = told.map(|told| told.error());
            if let Some(Err(error)) = &error {
                let Trim { topic, partition, .. } = trim;
                tracing::warn!(%error, topic, partition, "the broker deleted no records");
            }
            matches!(error, Some(Ok(())))
        };
        Ok(trims.into_iter().filter(deleted).collect())
    }
}
