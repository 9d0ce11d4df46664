//! Writes records, and tells when the broker has them.
//!
//! A record is written when all in-sync replicas have it (acks=all, idempotent). What becomes
//! of it is told once, to whoever awaits it.

mod figures;

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use figures::Figures;
use metrics::Page;
use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Header, Message as _, OwnedHeaders};
use rdkafka::producer::{BaseRecord, Producer as _, ProducerContext, ThreadedProducer};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::{KafkaSettings, client};

/// Between two tries to write a record that must be written.
const TRY_AGAIN: Duration = Duration::from_millis(20);

/// A record to write.
#[derive(Debug, Clone, Copy)]
pub struct Message<'a> {
    pub topic: &'a str,
    pub key: &'a [u8],
    pub value: &'a [u8],
    pub headers: &'a [(&'a str, &'a [u8])],
}

/// Where a record was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    pub partition: i32,
    pub offset: i64,
}

/// Why a record is not known to be written.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ProduceError {
    /// It was not sent at all: as many bytes as may wait are waiting.
    #[error("the produce queue is full")]
    QueueFull,
    /// It was not written: the broker does not know the topic, as happens for a moment after it
    /// was started.
    #[error("the broker does not know the topic")]
    NoTopic(#[source] KafkaError),
    /// It was not acknowledged in time. The broker may have it all the same.
    #[error("the broker did not acknowledge the record")]
    Unacknowledged(#[source] KafkaError),
    /// The broker or the client will never take it.
    #[error("the record was refused")]
    Refused(#[source] KafkaError),
}

/// Writes records. Clones share one client; the last one to go flushes nothing: call
/// [`Producer::flush`] first.
#[derive(Clone)]
pub struct Producer {
    inner: Arc<ThreadedProducer<Acknowledgements>>,
}

impl fmt::Debug for Producer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Producer")
    }
}

/// Who is told what became of a record.
type Answer = oneshot::Sender<Result<Written, ProduceError>>;

/// A record that was sent, as librdkafka gives it back with the answer.
struct Waiting {
    answer: Answer,
    sent_at: Instant,
}

struct Acknowledgements {
    failed: CancellationToken,
    figures: Figures,
}

impl ClientContext for Acknowledgements {
    fn error(&self, error: KafkaError, reason: &str) {
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::Fatal) {
            tracing::error!(%error, reason, "the producer cannot go on");
            self.failed.cancel();
        } else {
            client::note(&error, reason);
        }
    }

    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        client::log(level, facility, message);
    }
}

impl ProducerContext for Acknowledgements {
    type DeliveryOpaque = Box<Waiting>;

    fn delivery(&self, result: &DeliveryResult<'_>, waiting: Box<Waiting>) {
        let (answer, message) = match result {
            Ok(message) => {
                let place = Written { partition: message.partition(), offset: message.offset() };
                (Ok(place), message)
            }
            Err((error, message)) => (Err(classify(error.clone())), message),
        };
        self.figures.left(message.key_len() + message.payload_len());
        match &answer {
            Ok(_) => self.figures.seconds.observe(waiting.sent_at.elapsed().as_secs_f64()),
            Err(error) => self.figures.failed(error),
        }
        // Nobody waits any more when the request was cancelled.
        let _ = waiting.answer.send(answer);
    }
}

fn classify(error: KafkaError) -> ProduceError {
    match error.rdkafka_error_code() {
        Some(RDKafkaErrorCode::QueueFull) => ProduceError::QueueFull,
        Some(
            RDKafkaErrorCode::MessageSizeTooLarge
            | RDKafkaErrorCode::InvalidMessage
            | RDKafkaErrorCode::InvalidRecord
            | RDKafkaErrorCode::TopicAuthorizationFailed,
        ) => ProduceError::Refused(error),
        Some(
            RDKafkaErrorCode::UnknownTopic
            | RDKafkaErrorCode::UnknownPartition
            | RDKafkaErrorCode::UnknownTopicOrPartition,
        ) => ProduceError::NoTopic(error),
        _ => ProduceError::Unacknowledged(error),
    }
}

type ToSend<'a> = BaseRecord<'a, [u8], [u8], Box<Waiting>>;

/// A record without a value yet.
fn record<'a>(topic: &'a str, key: &'a [u8], answer: Answer) -> ToSend<'a> {
    let waiting = Waiting { answer, sent_at: Instant::now() };
    BaseRecord::with_opaque_to(topic, Box::new(waiting)).key(key)
}

impl Producer {
    /// Creates a client. `timeout` is how long a record may wait for its acknowledgement;
    /// `None` is without end, for effects that must happen.
    ///
    /// # Errors
    /// Settings that librdkafka refuses.
    pub fn new(kafka: &KafkaSettings, timeout: Option<Duration>) -> anyhow::Result<Self> {
        Self::shown(kafka, timeout, &Page::default(), "unnamed")
    }

    /// The same, and shows its figures under `name`.
    ///
    /// # Errors
    /// As [`Producer::new`].
    pub fn shown(
        kafka: &KafkaSettings,
        timeout: Option<Duration>,
        page: &Page,
        name: &str,
    ) -> anyhow::Result<Self> {
        let figures = Figures::new(page, name);
        let context = Acknowledgements { failed: CancellationToken::new(), figures };
        let inner = client::producer(kafka, timeout)
            .create_with_context(context)
            .context("create producer")?;
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Sends a record and returns what is told once the broker has answered.
    ///
    /// # Errors
    /// [`ProduceError::QueueFull`] at once; dropping the returned future does not take the
    /// record back.
    pub fn send(
        &self,
        message: Message<'_>,
    ) -> Result<impl Future<Output = Result<Written, ProduceError>> + use<>, ProduceError> {
        let (tell, told) = oneshot::channel();
        let mut record = record(message.topic, message.key, tell).payload(message.value);
        if !message.headers.is_empty() {
            let room = OwnedHeaders::new_with_capacity(message.headers.len());
            record = record.headers(message.headers.iter().fold(room, |headers, (key, value)| {
                headers.insert(Header { key, value: Some(*value) })
            }));
        }
        self.post(record, told)
    }

    /// Sends a null, which ends its key in a compacted topic.
    ///
    /// # Errors
    /// As [`Producer::send`].
    pub fn send_null(
        &self,
        topic: &str,
        key: &[u8],
    ) -> Result<impl Future<Output = Result<Written, ProduceError>> + use<>, ProduceError> {
        let (tell, told) = oneshot::channel();
        self.post(record(topic, key, tell), told)
    }

    fn post(
        &self,
        record: ToSend<'_>,
        told: oneshot::Receiver<Result<Written, ProduceError>>,
    ) -> Result<impl Future<Output = Result<Written, ProduceError>> + use<>, ProduceError> {
        let figures = &self.inner.context().figures;
        let bytes = record.key.map_or(0, <[u8]>::len) + record.payload.map_or(0, <[u8]>::len);
        // Before it is sent: the answer may come at once.
        figures.entered(bytes);
        self.inner.send(record).map_err(|(error, _)| {
            figures.left(bytes);
            let error = classify(error);
            figures.failed(&error);
            error
        })?;
        Ok(async move {
            let gone = |_| ProduceError::Unacknowledged(KafkaError::Canceled);
            told.await.map_err(gone).flatten()
        })
    }

    /// Writes a record that must be written: waits for room and for its topic, then for the
    /// acknowledgement.
    ///
    /// # Errors
    /// [`ProduceError::Refused`], a client that cannot go on, or the client's timeout.
    pub async fn write(&self, message: Message<'_>) -> Result<Written, ProduceError> {
        loop {
            let written = match self.send(message) {
                Ok(written) => written.await,
                Err(error) => Err(error),
            };
            match written {
                Err(ProduceError::QueueFull | ProduceError::NoTopic(_)) => {
                    tokio::time::sleep(TRY_AGAIN).await;
                }
                written => return written,
            }
        }
    }

    /// Ends when the client has met an error that it cannot go on from.
    pub fn failed(&self) -> CancellationToken {
        self.inner.context().failed.clone()
    }

    /// Waits until everything sent is answered, at most for `timeout`. Blocks.
    ///
    /// # Errors
    /// What was not answered in time.
    pub fn flush(&self, timeout: Duration) -> Result<(), KafkaError> {
        self.inner.flush(timeout)
    }
}
