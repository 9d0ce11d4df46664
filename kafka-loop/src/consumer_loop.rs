//! One thread owns one consumer.
//!
//! It polls librdkafka's main queue for rebalances, takes records from each partition's own
//! queue as far as the role wants them, and commits each partition's frontier with what is
//! finished above it: one commit at a time, on a thread of its own, the next
//! [`COMMIT_INTERVAL`] after its answer. A record's offset is finished when its [`Ticket`] says
//! so, in any order. What a commit says is finished is never handed to a role again, only told
//! ([`Role::remember`]).
//!
//! A partition is waited on by not polling its queue, never by `pause`, which would throw away
//! what is prefetched. Intake stops while [`LoopConfig::max_unfinished`] records or
//! [`LoopConfig::max_unfinished_bytes`] bytes are under way; the main queue is served always.

pub(crate) mod ages;
mod figures;
mod handover;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use pipeline::tracker::Taken;
use rdkafka::Message as _;
use rdkafka::consumer::Consumer;
use rdkafka::consumer::base_consumer::BaseConsumer;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use tokio_util::sync::CancellationToken;

use crate::assignment::Assignment;
use crate::committer::Committer;
use crate::consumer_loop::figures::Figures;
use crate::rebalance::{Callbacks, Change};
use crate::recall::Recall;
use crate::record::Record;
pub use crate::role::{LoopConfig, Role};
use crate::settings::BROKER_TIMEOUT;
use crate::ticket::{Ending, LoopHandle};
use crate::{KafkaSettings, PartitionKey, Ticket, client};

/// How long the last commit of revoked partitions or of a draining loop may take; what it does
/// not reach is repeated.
const FINAL_COMMIT: Duration = Duration::from_secs(1);
/// Between the answer to a commit and the next commit.
const COMMIT_INTERVAL: Duration = Duration::from_millis(100);
/// The longest time between two looks at the main queue.
const MAIN_QUEUE_INTERVAL: Duration = Duration::from_millis(50);
/// Records taken from one partition before the next one has its turn.
const TURN: usize = 64;

/// Runs a loop on a thread of its own until `shutdown` is cancelled, then drains it.
///
/// # Errors
/// Whatever the loop cannot go on from: a position that the log no longer has, a fatal client
/// error, a ticket that was dropped. What was under way is then read again by the next owner.
pub async fn run<R: Role + 'static>(
    kafka: &KafkaSettings,
    config: LoopConfig,
    role: R,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let kafka = kafka.clone();
    let (ended, when_ended) = tokio::sync::oneshot::channel();
    thread::Builder::new().name(config.name.to_owned()).spawn(move || {
        let result = ConsumerLoop::start(&kafka, config, role, shutdown).and_then(|l| l.drive());
        let _ = ended.send(result);
    })?;
    when_ended.await.context("the consumer loop's thread has died")?
}

struct ConsumerLoop<R> {
    config: LoopConfig,
    role: R,
    shutdown: CancellationToken,
    consumer: Arc<BaseConsumer<Callbacks>>,
    assignment: Assignment,
    handle: LoopHandle,
    endings: Receiver<Ending>,
    committer: Committer,
    recall: Recall,
    next_commit_at: Instant,
    topic_names: HashMap<String, Arc<str>>,
    first_partition: usize,
    figures: Figures,
}

impl<R: Role> ConsumerLoop<R> {
    fn start(
        kafka: &KafkaSettings,
        config: LoopConfig,
        role: R,
        shutdown: CancellationToken,
    ) -> anyhow::Result<Self> {
        let consumer: BaseConsumer<Callbacks> = client::consumer(kafka, &config.group)
            .set("statistics.interval.ms", figures::LOG_ENDS_EVERY_MS)
            .create_with_context(Callbacks::default())
            .context("create consumer")?;
        let names: Vec<&str> = config.topics.iter().map(String::as_str).collect();
        consumer.subscribe(&names).context("subscribe consumer")?;
        let consumer = Arc::new(consumer);
        let committer = Committer::start(Arc::clone(&consumer), thread::current())?;
        let (sender, endings) = channel();
        Ok(Self {
            figures: Figures::new(&config),
            topic_names: config.topics.iter().map(|t| (t.clone(), Arc::from(t.as_str()))).collect(),
            config,
            role,
            shutdown,
            consumer,
            assignment: Assignment::default(),
            handle: LoopHandle { endings: sender, thread: thread::current() },
            endings,
            committer,
            recall: Recall::new(kafka, thread::current()),
            next_commit_at: Instant::now(),
            first_partition: 0,
        })
    }

    fn drive(mut self) -> anyhow::Result<()> {
        while !self.shutdown.is_cancelled() {
            self.serve_main_queue()?;
            let heard = self.hear_recalled();
            let took = self.take_records()?;
            self.enter_endings()?;
            let wanted = self.role.turn(Instant::now())?;
            self.commit_if_due()?;
            self.figures.look_if_due(&mut self.assignment, self.consumer.context());
            if !took && !heard {
                self.wait(wanted);
            }
        }
        self.drain()
    }

    /// Sleeps until something happens: a record arrives, a ticket ends, or the time has come.
    fn wait(&self, wanted: Option<Instant>) {
        let wanted = wanted.map_or(MAIN_QUEUE_INTERVAL, |at| at.duration_since(Instant::now()));
        thread::park_timeout(wanted.min(MAIN_QUEUE_INTERVAL));
    }

    fn serve_main_queue(&mut self) -> anyhow::Result<()> {
        self.poll_main_queue()?;
        while let Some(change) = self.consumer.context().next_change() {
            match change {
                Change::Assigned(list) => self.assign(&list)?,
                Change::Revoked(list) => self.revoke(&list)?,
            }
        }
        Ok(())
    }

    /// Each partition has a queue of its own from before its first fetch, so no record comes
    /// this way; what comes is events and errors.
    fn poll_main_queue(&self) -> anyhow::Result<()> {
        while let Some(polled) = self.consumer.poll(Duration::ZERO) {
            match polled {
                Ok(message) => bail!("a record of {} came past its queue", message.topic()),
                Err(error) => judge(error)?,
            }
        }
        Ok(())
    }

    /// Enters endings while `waiting` holds and the deadline has not come.
    fn wait_for_endings(
        &mut self,
        deadline: Instant,
        waiting: impl Fn(&Self) -> bool,
    ) -> anyhow::Result<()> {
        self.enter_endings()?;
        while waiting(self) {
            let Some(left) = deadline.checked_duration_since(Instant::now()) else { break };
            if let Ok(ending) = self.endings.recv_timeout(left) {
                self.assignment.end(ending)?;
            }
        }
        Ok(())
    }

    /// One round over the partitions; true if a record was taken.
    fn take_records(&mut self) -> anyhow::Result<bool> {
        let count = self.assignment.len();
        let mut took = false;
        self.first_partition = self.first_partition.wrapping_add(1);
        for step in 0..count {
            let index = (self.first_partition + step) % count;
            for _ in 0..TURN {
                if !self.has_room() || !self.take_one(index)? {
                    break;
                }
                took = true;
            }
        }
        Ok(took)
    }

    fn has_room(&self) -> bool {
        self.assignment.unfinished < self.config.max_unfinished
            && self.assignment.unfinished_bytes < self.config.max_unfinished_bytes
    }

    fn take_one(&mut self, index: usize) -> anyhow::Result<bool> {
        let assigned = self.assignment.at(index);
        let key = assigned.key;
        let now = Instant::now();
        if assigned.recalled_by.is_some_and(|by| now < by) || !self.role.wants(key, now) {
            return Ok(false);
        }
        let message = match assigned.queue.poll(Duration::ZERO) {
            None => return Ok(false),
            Some(Err(error)) => return self.judge_at(index, error).map(|()| false),
            Some(Ok(message)) => message,
        };
        let taken = assigned.tracker.take(message.offset());
        assigned.commits.note_change();
        let place = (&*assigned.topic, assigned.partition, message.offset());
        match taken.with_context(|| format!("take {place:?}"))? {
            Taken::Unfinished => {}
            Taken::FinishedBefore => {
                let (topic, partition, offset) = place;
                tracing::debug!(topic, partition, offset, "an earlier owner has finished it");
                let record = Record::copied(Arc::clone(&assigned.topic), &message);
                self.role.remember(key, &record);
                return Ok(true);
            }
        }
        let record = Record::copied(Arc::clone(&assigned.topic), &message);
        drop(message);
        assigned.ages.note(record.offset, record.appended_at_millis);
        let weight = record.weight();
        let current = Arc::clone(&assigned.current);
        self.assignment.unfinished += 1;
        self.assignment.unfinished_bytes += weight;
        let ticket = Ticket::new(key, record.offset, weight, current, self.handle.clone());
        self.role.take(record, ticket);
        Ok(true)
    }

    /// Judges an error that a partition's queue has brought.
    fn judge_at(&mut self, index: usize, error: KafkaError) -> anyhow::Result<()> {
        if !is_position_gone(&error) {
            return judge(error);
        }
        let assigned = self.assignment.at(index);
        let (topic, partition) = (Arc::clone(&assigned.topic), assigned.partition);
        let position = assigned.tracker.next();
        let begins = match self.consumer.fetch_watermarks(&topic, partition, BROKER_TIMEOUT) {
            Ok((low, high)) => format!("the log goes from {low} to {high}"),
            Err(_) => "where the log begins is not known".to_owned(),
        };
        judge(error).with_context(|| {
            format!(
                "group {} is at offset {position} of {topic}/{partition}, and {begins}: records \
                 may have been lost; set the group's offset by hand to go on",
                self.config.group
            )
        })
    }

    fn enter_endings(&mut self) -> anyhow::Result<()> {
        while let Ok(ending) = self.endings.try_recv() {
            self.assignment.end(ending)?;
        }
        Ok(())
    }

    fn commit_if_due(&mut self) -> anyhow::Result<()> {
        self.hear_commit(Duration::ZERO)?;
        if self.committer.is_busy() || Instant::now() < self.next_commit_at {
            return Ok(());
        }
        if let Some(offsets) = self.assignment.start_commit()? {
            self.committer.commit(offsets)?;
        }
        Ok(())
    }

    /// Enters the answer to the commit under way, if it comes within `patience`.
    fn hear_commit(&mut self, patience: Duration) -> anyhow::Result<()> {
        if let Some(answer) = self.committer.answer(patience)? {
            if let Err(error) = &answer {
                self.figures.commit_failures.inc();
                tracing::debug!(%error, "a commit was refused; the next one repeats it");
                if error.rdkafka_error_code() == Some(RDKafkaErrorCode::OffsetMetadataTooLarge) {
                    tracing::warn!(
                        "the brokers' offset.metadata.max.bytes is below its default of 4096: \
                         from now on a crash repeats whatever is finished behind a slow record"
                    );
                    self.assignment.commit_plainly();
                }
            }
            self.assignment.commit_answered(answer.is_ok());
            self.next_commit_at = Instant::now() + COMMIT_INTERVAL;
        }
        Ok(())
    }

    /// Stops intake, gives running records their time, commits what is finished, and leaves
    /// the group, so that nobody waits for the session to time out.
    fn drain(mut self) -> anyhow::Result<()> {
        let keys: Vec<PartitionKey> = self.assignment.iter().map(|a| a.key).collect();
        self.role.forget(&keys);
        let deadline = Instant::now() + self.config.drain_timeout;
        while self.assignment.unfinished > 0 && Instant::now() < deadline {
            let step = (Instant::now() + MAIN_QUEUE_INTERVAL).min(deadline);
            self.wait_for_endings(step, |loop_| loop_.assignment.unfinished > 0)?;
            self.serve_main_queue()?;
            self.role.turn(Instant::now())?;
        }
        self.assignment.give_up();
        self.hear_commit(FINAL_COMMIT)?;
        if !self.committer.is_busy()
            && let Some(offsets) = self.assignment.start_commit()?
        {
            self.committer.commit(offsets)?;
            self.hear_commit(FINAL_COMMIT)?;
        }
        tracing::info!(
            group = self.config.group,
            unfinished = self.assignment.unfinished,
            "drained"
        );
        self.consumer.context().close();
        Ok(())
    }
}

/// Tells errors that librdkafka recovers from by itself from those that nothing recovers from.
fn judge(error: KafkaError) -> anyhow::Result<()> {
    match error.rdkafka_error_code() {
        _ if is_position_gone(&error) => Err(error).context("nothing is skipped"),
        Some(RDKafkaErrorCode::Fatal) => Err(error).context("the consumer cannot go on"),
        _ if matches!(error, KafkaError::MessageConsumptionFatal(_)) => {
            Err(error).context("the consumer cannot go on")
        }
        _ => {
            tracing::debug!(%error, "the consumer reports an error and goes on by itself");
            Ok(())
        }
    }
}

/// Whether the log does not have the position to read from.
fn is_position_gone(error: &KafkaError) -> bool {
    use RDKafkaErrorCode::{AutoOffsetReset, OffsetOutOfRange};
    matches!(error.rdkafka_error_code(), Some(AutoOffsetReset | OffsetOutOfRange))
}

impl<R> Drop for ConsumerLoop<R> {
    fn drop(&mut self) {
        // Also when the loop ends by an error or a panic: closing must not wait for a loop
        // that no longer serves changes.
        self.assignment.give_up();
        self.consumer.context().close();
    }
}
