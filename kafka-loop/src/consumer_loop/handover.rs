//! How a loop takes partitions and gives them up.
//!
//! A revoked partition's running records have [`REVOKE_GRACE`] to end, and its last commit
//! [`FINAL_COMMIT`]; until then librdkafka has every partition paused. One that was lost, as
//! after a process was stopped for longer than its session, belongs to somebody else by then:
//! nothing is waited for and nothing committed. A commit that reaches the broker late, with a
//! frontier that is behind the new owner's, causes repeats and no loss.
//!
//! A role that wants it is told what was done just below where the work begins, before that.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use pipeline::commit_metadata;
use pipeline::tracker::Tracker;
use rdkafka::consumer::Consumer;
use rdkafka::error::KafkaResult;
use rdkafka::{Offset, TopicPartitionList};

use super::ages::Ages;
use super::{ConsumerLoop, FINAL_COMMIT, MAIN_QUEUE_INTERVAL};
use crate::assignment::Assigned;
use crate::commit::{self, Commit, Commits};
use crate::recall::{self, Recalled, Span};
use crate::role::Role;
use crate::settings::BROKER_TIMEOUT;

/// How long a revoked partition's running records may go on before it is handed over.
const REVOKE_GRACE: Duration = Duration::from_secs(1);

impl<R: Role> ConsumerLoop<R> {
    /// Takes partitions: each from where its role or its group is. Answers nothing if a shutdown
    /// comes first.
    pub(super) fn assign(&mut self, list: &TopicPartitionList) -> anyhow::Result<()> {
        let partitions: Vec<(String, i32)> =
            list.elements().iter().map(|e| (e.topic().to_owned(), e.partition())).collect();
        let own = self.role.start_at(&partitions, &self.shutdown)?;
        let ask = || commit::committed(&self.consumer, list);
        let Some(committed) = self.until_answered("where the group is", ask)? else {
            return Ok(());
        };
        let mut starts = TopicPartitionList::new();
        let mut spans = Vec::new();
        for (((topic, partition), own), committed) in partitions.iter().zip(own).zip(committed) {
            let known = match (own, committed) {
                (Some(own), _) => Commit { offset: own, ..Commit::default() },
                (None, Some(committed)) => committed,
                (None, None) => match self.first_start(topic, *partition)? {
                    Some(start) => Commit { offset: start, ..Commit::default() },
                    None => return Ok(()),
                },
            };
            starts.add_partition_offset(topic, *partition, Offset::Offset(known.offset))?;
            let mut queue = self
                .consumer
                .split_partition_queue(topic, *partition)
                .with_context(|| format!("split the queue of {topic}/{partition}"))?;
            let thread = self.handle.thread.clone();
            queue.set_nonempty_callback(move || thread.unpark());
            let completed = commit_metadata::decode(known.offset, &known.metadata);
            let key = self.assignment.next_key();
            let topic =
                self.topic_names.get(topic).cloned().unwrap_or_else(|| topic.as_str().into());
            let span = Span { key, topic, partition: *partition, offsets: self.recalled(&known) };
            self.assignment.add(Assigned {
                key,
                topic: Arc::clone(&span.topic),
                partition: *partition,
                queue,
                tracker: Tracker::resume(known.offset, completed),
                recalled_by: span.is_wanted().then(|| Instant::now() + recall::PATIENCE),
                forgotten: 0,
                own_offset: own.is_some(),
                commits: Commits::new(known),
                ages: Ages::default(),
                end: None,
                current: Arc::new(AtomicBool::new(true)),
            });
            spans.push(span);
        }
        self.consumer.incremental_assign(&starts).context("take the assigned partitions")?;
        self.recall.start(spans).context("start a thread to read what was done")?;
        self.figures.assigned.inc();
        tracing::info!(group = self.config.group, partitions = partitions.len(), "assigned");
        Ok(())
    }

    /// The offsets that the role is to be told of.
    fn recalled(&self, known: &Commit) -> Range<i64> {
        known.offset.saturating_sub(self.config.recall.into()).max(0)..known.offset
    }

    /// Tells the role what has been recalled; true if there was something.
    pub(super) fn hear_recalled(&mut self) -> bool {
        let mut heard = false;
        for recalled in self.recall.heard() {
            heard = true;
            match recalled {
                Recalled::Record(key, record) => {
                    if self.assignment.of_key(key).is_some() {
                        self.role.remember(key, &record);
                    }
                }
                Recalled::Over(key) => {
                    if let Some(assigned) = self.assignment.of_key(key) {
                        assigned.recalled_by = None;
                    }
                }
            }
        }
        heard
    }

    /// Asks a broker until it answers; `None` if a shutdown came first. The main queue is served
    /// meanwhile, so that a long outage does not exceed `max.poll.interval.ms`; it brings no
    /// change of the assignment before this one is answered.
    fn until_answered<T>(
        &self,
        what: &str,
        ask: impl Fn() -> KafkaResult<T>,
    ) -> anyhow::Result<Option<T>> {
        while !self.shutdown.is_cancelled() {
            match ask() {
                Ok(answer) => return Ok(Some(answer)),
                Err(error) => {
                    tracing::debug!(%error, what, "the broker did not answer; asking again");
                    thread::park_timeout(MAIN_QUEUE_INTERVAL);
                }
            }
            self.poll_main_queue()?;
        }
        Ok(None)
    }

    /// Where a partition begins that the group has never committed: at 0, and only if the log
    /// still begins there. Anything else would skip accepted work. `None` if a shutdown came
    /// before the broker's answer.
    fn first_start(&self, topic: &str, partition: i32) -> anyhow::Result<Option<i64>> {
        let ask = || self.consumer.fetch_watermarks(topic, partition, BROKER_TIMEOUT);
        match self.until_answered("where a partition begins", ask)? {
            None => Ok(None),
            Some((0, _)) => Ok(Some(0)),
            Some((low, _)) => bail!(
                "group {} has no offset in {topic}/{partition}, and the log begins at {low}: \
                 records may have been lost; set the group's offset by hand to go on",
                self.config.group
            ),
        }
    }

    /// Gives partitions up.
    pub(super) fn revoke(&mut self, list: &TopicPartitionList) -> anyhow::Result<()> {
        let keys = self.assignment.keys_in(list);
        self.role.forget(&keys);
        let lost = self.consumer.assignment_lost();
        if lost {
            drop(self.assignment.remove(list));
        } else {
            let deadline = Instant::now() + REVOKE_GRACE;
            self.wait_for_endings(deadline, |loop_| loop_.assignment.running_of(&keys) > 0)?;
            let commit_by = Instant::now() + FINAL_COMMIT;
            // An older commit must not land after the final one.
            self.hear_commit(FINAL_COMMIT)?;
            let mut removed = self.assignment.remove(list);
            self.commit_finally(&mut removed, commit_by)?;
        }
        self.consumer.incremental_unassign(list).context("give the revoked partitions up")?;
        self.figures.revoked.inc();
        tracing::info!(group = self.config.group, partitions = keys.len(), lost, "revoked");
        Ok(())
    }

    /// Whoever gets the partitions repeats what this does not reach.
    fn commit_finally(
        &mut self,
        removed: &mut [Assigned],
        deadline: Instant,
    ) -> anyhow::Result<()> {
        let Some(offsets) = self.assignment.start_final_commit(removed)? else { return Ok(()) };
        let mut answer = None;
        if !self.committer.is_busy() {
            self.committer.commit(offsets)?;
            answer = self.committer.answer(deadline.duration_since(Instant::now()))?;
        }
        if !matches!(answer, Some(Ok(()))) {
            self.figures.commit_failures.inc();
        }
        match answer {
            Some(Ok(())) => {}
            Some(Err(error)) => {
                tracing::warn!(%error, "the final commit of revoked partitions failed");
            }
            None => tracing::warn!("the final commit of revoked partitions was not answered"),
        }
        Ok(())
    }
}
