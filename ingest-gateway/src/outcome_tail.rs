//! Outcomes as they happen, for readers that are there now.
//!
//! One reader of the topic for the whole process, started with the first of them and stopped
//! with the last. Each gets what is written from when it came on. Whoever is slower than the
//! topic by more than [`KEPT`] records misses some, is told how many, and goes on; nobody waits
//! for it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use anyhow::Context;
use kafka_loop::KafkaSettings;
use kafka_loop::record::Record;
use kafka_loop::topic_tail::TopicTail;
use pipeline::outcome::Outcome;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::broadcast::{self, Receiver, Sender};
use tokio_util::sync::CancellationToken;

use crate::refusal::Refusal;

/// Readers at once.
pub(crate) const MOST_READERS: usize = 64;
/// Records that are kept for readers that are slower than the topic; an outcome has about 1 KB,
/// and 30 KB at most.
const KEPT: usize = 1_024;

/// An outcome, and the record that it stands in.
#[derive(Debug)]
pub(crate) struct ToldOutcome {
    pub partition: i32,
    pub offset: i64,
    pub outcome: Outcome,
    /// As it stands in the record, on one line.
    pub json: String,
}

/// What a reader gets.
#[derive(Debug)]
pub(crate) enum Next {
    Outcome(Arc<ToldOutcome>),
    /// So many were missed.
    Gap(u64),
    /// The process ends, or cannot read the topic any more.
    End,
}

/// Gives readers their places.
pub(crate) struct OutcomeTail {
    kafka: KafkaSettings,
    /// Held while the topic's reader is being started.
    starting: tokio::sync::Mutex<()>,
    state: Arc<Mutex<State>>,
    /// Ends all of them.
    pub shutdown: CancellationToken,
}

#[derive(Default)]
struct State {
    readers: usize,
    running: Option<Running>,
}

struct Running {
    sender: Sender<Arc<ToldOutcome>>,
    stop: CancellationToken,
}

/// A reader's place; dropping it gives it back.
pub(crate) struct OutcomeReader {
    receiver: Receiver<Arc<ToldOutcome>>,
    shutdown: CancellationToken,
    state: Arc<Mutex<State>>,
}

impl OutcomeTail {
    pub(crate) fn new(kafka: KafkaSettings) -> Self {
        Self {
            kafka,
            starting: tokio::sync::Mutex::default(),
            state: Arc::default(),
            shutdown: CancellationToken::new(),
        }
    }

    /// A place from now on.
    ///
    /// # Errors
    /// All places are taken, or the broker does not say where the topic ends.
    pub(crate) async fn subscribe(&self) -> Result<OutcomeReader, Refusal> {
        let _turn = self.starting.lock().await;
        if let Some(reader) = self.join()? {
            return Ok(reader);
        }
        let (kafka, topic) = (self.kafka.clone(), self.kafka.topics.outcomes());
        let started = tokio::task::spawn_blocking(move || TopicTail::at_end(&kafka, &topic)).await;
        let reader = started
            .context("the start of the tail has died")
            .flatten()
            .and_then(|tail| self.start(tail));
        reader.map_err(|error| {
            tracing::warn!(error = format!("{error:#}"), "outcomes cannot be followed");
            Refusal::BROKER_AWAY
        })
    }

    /// A place beside others.
    fn join(&self) -> Result<Option<OutcomeReader>, Refusal> {
        let mut state = locked(&self.state);
        if state.readers >= MOST_READERS {
            return Err(Refusal::TOO_MANY_READERS);
        }
        let Some(running) = &state.running else { return Ok(None) };
        let receiver = running.sender.subscribe();
        state.readers += 1;
        Ok(Some(self.reader(receiver)))
    }

    fn start(&self, tail: TopicTail) -> anyhow::Result<OutcomeReader> {
        let (sender, receiver) = broadcast::channel(KEPT);
        let stop = self.shutdown.child_token();
        let running = Running { sender: sender.clone(), stop: stop.clone() };
        {
            let mut state = locked(&self.state);
            state.readers += 1;
            state.running = Some(running);
        }
        let reader = self.reader(receiver);
        let state = Arc::clone(&self.state);
        thread::Builder::new()
            .name("outcome-tail".to_owned())
            .spawn(move || {
                // Nobody listening is not an error: the last reader stops this.
                let followed = tail.follow(&stop, |record| {
                    told(&record).into_iter().for_each(|told| _ = sender.send(Arc::new(told)));
                });
                if let Err(error) = followed
                    && !stop.is_cancelled()
                {
                    tracing::warn!(error = format!("{error:#}"), "outcomes are not followed");
                    // With the last sender goes what its readers wait for.
                    locked(&state).running = None;
                }
            })
            .context("start the tail's thread")?;
        Ok(reader)
    }

    fn reader(&self, receiver: Receiver<Arc<ToldOutcome>>) -> OutcomeReader {
        let (shutdown, state) = (self.shutdown.clone(), Arc::clone(&self.state));
        OutcomeReader { receiver, shutdown, state }
    }
}

impl OutcomeReader {
    /// What comes next; dropping the future loses nothing.
    pub(crate) async fn next(&mut self) -> Next {
        tokio::select! {
            biased;
            () = self.shutdown.cancelled() => Next::End,
            received = self.receiver.recv() => match received {
                Ok(told) => Next::Outcome(told),
                Err(RecvError::Lagged(missed)) => Next::Gap(missed),
                Err(RecvError::Closed) => Next::End,
            },
        }
    }
}

impl Drop for OutcomeReader {
    fn drop(&mut self) {
        let mut state = locked(&self.state);
        state.readers -= 1;
        if state.readers == 0
            && let Some(running) = state.running.take()
        {
            running.stop.cancel();
        }
    }
}

fn locked(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn told(record: &Record) -> Option<ToldOutcome> {
    let value = record.value.as_deref().unwrap_or_default();
    let outcome = Outcome::decode(value).inspect_err(|error| {
        tracing::debug!(%error, offset = record.offset, "an outcome is not readable");
    });
    let mut json = String::from_utf8(value.to_vec()).ok()?;
    if json.contains(['\r', '\n']) {
        let parsed: serde_json::Value = serde_json::from_str(&json).ok()?;
        json = parsed.to_string();
    }
    let (partition, offset) = (record.partition, record.offset);
    Some(ToldOutcome { partition, offset, outcome: outcome.ok()?, json })
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn record(value: &[u8]) -> Record {
        Record {
            topic: "outcomes".into(),
            partition: 1,
            offset: 7,
            appended_at_millis: 0,
            key: None,
            value: Some(Bytes::copy_from_slice(value)),
            headers: Vec::new(),
        }
    }

    #[test]
    fn an_outcome_is_told_on_one_line_with_the_fields_of_later_versions() {
        let fixture = include_bytes!("../../pipeline/tests/fixtures/outcome-v1.json");
        let mut value: serde_json::Value = serde_json::from_slice(fixture).unwrap();
        value["new"] = 1.into();
        let told = told(&record(&serde_json::to_vec_pretty(&value).unwrap())).unwrap();
        assert!(!told.json.contains('\n'));
        assert_eq!(serde_json::from_str::<serde_json::Value>(&told.json).unwrap(), value);
        assert_eq!((told.partition, told.offset), (1, 7));
    }

    #[tokio::test]
    async fn a_reader_that_is_too_slow_is_told_how_many_it_missed_and_goes_on() {
        let fixture = include_bytes!("../../pipeline/tests/fixtures/outcome-v1.json");
        let (sender, receiver) = broadcast::channel(2);
        let state: Arc<Mutex<State>> = Arc::default();
        locked(&state).readers = 1;
        let shutdown = CancellationToken::new();
        let mut reader =
            OutcomeReader { receiver, shutdown: shutdown.clone(), state: Arc::clone(&state) };
        for _ in 0..5 {
            sender.send(Arc::new(told(&record(fixture)).unwrap())).unwrap();
        }
        assert!(matches!(reader.next().await, Next::Gap(3)));
        assert!(matches!(reader.next().await, Next::Outcome(_)));
        shutdown.cancel();
        assert!(matches!(reader.next().await, Next::End));
        drop(reader);
        assert_eq!(locked(&state).readers, 0);
    }

    #[test]
    fn what_is_no_outcome_is_not_told() {
        for value in [&b""[..], b"{}", b"\xff"] {
            assert!(told(&record(value)).is_none());
        }
    }
}
