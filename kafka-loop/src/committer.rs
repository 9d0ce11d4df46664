//! Commits on a thread of its own, so that the loop never waits for the group's coordinator.
//!
//! librdkafka's asynchronous commit would do, but rust-rdkafka 0.39 never hears its answer: the
//! client raises the commit event only where a C callback is set, and the wrapper sets none. A
//! frontier whose commit failed unheard would be repeated after the next crash.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread::{self, JoinHandle, Thread};
use std::time::Duration;

use rdkafka::TopicPartitionList;
use rdkafka::consumer::base_consumer::BaseConsumer;
use rdkafka::consumer::{CommitMode, Consumer};
use rdkafka::error::KafkaResult;

use crate::rebalance::Callbacks;

/// One commit at a time.
pub(crate) struct Committer {
    /// `None` only while it is dropped.
    requests: Option<SyncSender<TopicPartitionList>>,
    thread: Option<JoinHandle<()>>,
    answers: Receiver<KafkaResult<()>>,
    under_way: bool,
}

impl Committer {
    /// Starts the thread; it ends when the committer is dropped and its last commit is answered.
    /// `owner` is woken by each answer.
    pub fn start(consumer: Arc<BaseConsumer<Callbacks>>, owner: Thread) -> std::io::Result<Self> {
        let (requests, work) = sync_channel::<TopicPartitionList>(1);
        let (answer, answers) = sync_channel(1);
        let thread = thread::Builder::new().name("commit".to_owned()).spawn(move || {
            for offsets in work {
                if answer.send(consumer.commit(&offsets, CommitMode::Sync)).is_err() {
                    break;
                }
                owner.unpark();
            }
        })?;
        Ok(Self { requests: Some(requests), thread: Some(thread), answers, under_way: false })
    }

    /// Whether a commit is waiting for its answer.
    pub fn is_busy(&self) -> bool {
        self.under_way
    }

    /// Starts a commit.
    ///
    /// # Errors
    /// The thread has died.
    pub fn commit(&mut self, offsets: TopicPartitionList) -> anyhow::Result<()> {
        let requests = self.requests.as_ref().ok_or_else(died)?;
        requests.send(offsets).map_err(|_| died())?;
        self.under_way = true;
        Ok(())
    }

    /// The answer to the commit under way, if there is one by now, or within `patience`.
    ///
    /// # Errors
    /// The thread has died.
    pub fn answer(&mut self, patience: Duration) -> anyhow::Result<Option<KafkaResult<()>>> {
        if !self.under_way {
            return Ok(None);
        }
        let answer = match self.answers.try_recv() {
            Ok(answer) => Some(answer),
            Err(TryRecvError::Empty) => self.answers.recv_timeout(patience).ok(),
            Err(TryRecvError::Disconnected) => return Err(died()),
        };
        self.under_way = answer.is_none();
        Ok(answer)
    }
}

impl Drop for Committer {
    fn drop(&mut self) {
        self.requests = None;
        // An idle thread ends at once and lets go of the consumer, so that whoever drops the
        // consumer next closes it. One that still waits for its coordinator is left behind.
        if let Some(thread) = self.thread.take().filter(|_| !self.under_way) {
            let _ = thread.join();
        }
    }
}

fn died() -> anyhow::Error {
    anyhow::anyhow!("the thread that commits has died")
}
