//! What was done lately, read again: the records just below where a partition's work begins.
//!
//! A consumer of its own, in no group and on a thread of its own, reads them and hands them to
//! the loop, for its role to remember. The loop begins a partition's work when its recall is
//! over, and [`PATIENCE`] after the assignment whatever has become of it. So a recall can help
//! and do nothing else: where it fails, nothing is remembered, and where the log no longer has
//! what it asks for, it begins with what there is. The loop's own position is not touched, and
//! what is wrong with that is still found by the loop's own consumer.
//!
//! What repeats a record stands mostly a little above it. So the [`NEAREST`] records of each
//! partition come first; their size says how many more of those below fit into the partition's
//! share of [`MOST_BYTES`]. Offsets that have no record (transaction markers, compacted records)
//! count as read.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use anyhow::Context;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::{Message as _, Offset, TopicPartitionList};

use crate::client::{self, Calm};
use crate::record::Record;
use crate::{KafkaSettings, PartitionKey};

/// How long a partition's work waits for its recall at most, and how long that goes on.
pub(crate) const PATIENCE: Duration = Duration::from_secs(1);
/// Offsets of each partition that are read first.
const NEAREST: i64 = 64;
/// What the partitions of one assignment share, as [`Record::weight`] counts. It bounds time;
/// in memory there are only the records that wait for the loop, and what was fetched ahead.
const MOST_BYTES: usize = 64 << 20;
/// Records that wait for the loop.
const WAITING: usize = 16;
/// Fetched at once of one partition: what lies above the frontier is fetched in vain.
const FETCH_BYTES: &str = "262144";

/// What is to be recalled of one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Span {
    pub key: PartitionKey,
    pub topic: Arc<str>,
    pub partition: i32,
    /// All of them are done.
    pub offsets: Range<i64>,
}

/// What a recall tells the loop.
#[derive(Debug)]
pub(crate) enum Recalled {
    Record(PartitionKey, Record),
    /// There is no more of this partition.
    Over(PartitionKey),
}

/// Reads for one loop, which owns it.
pub(crate) struct Recall {
    kafka: KafkaSettings,
    sender: SyncSender<Recalled>,
    received: Receiver<Recalled>,
    owner: Thread,
}

impl Recall {
    /// `owner` is woken by whatever there is to hear.
    pub fn new(kafka: &KafkaSettings, owner: Thread) -> Self {
        let (sender, received) = sync_channel(WAITING);
        Self { kafka: kafka.clone(), sender, received, owner }
    }

    /// Begins to read on a thread of its own, which ends by itself after [`PATIENCE`], or when
    /// the recall is dropped.
    ///
    /// # Errors
    /// There is no thread to be had.
    pub fn start(&self, mut spans: Vec<Span>) -> std::io::Result<()> {
        spans.retain(Span::is_wanted);
        if spans.is_empty() {
            return Ok(());
        }
        spans.sort_by(|one, other| one.topic.cmp(&other.topic));
        let (kafka, deadline) = (self.kafka.clone(), Instant::now() + PATIENCE);
        let (sender, owner) = (self.sender.clone(), self.owner.clone());
        let share = MOST_BYTES / spans.len();
        let read = move || {
            for spans in spans.chunk_by(|one, other| one.topic == other.topic) {
                let hand = |recalled| {
                    let heard = sender.send(recalled).is_ok();
                    owner.unpark();
                    heard
                };
                if let Err(error) = read(&kafka, spans, share, deadline, hand) {
                    tracing::debug!(%error, "the work begins without what was done lately");
                }
            }
        };
        thread::Builder::new().name("recall".to_owned()).spawn(read).map(drop)
    }

    /// What has come since, as much as fits between two rounds of the loop.
    pub fn heard(&self) -> impl Iterator<Item = Recalled> {
        self.received.try_iter().take(WAITING)
    }
}

/// Reads the spans of one topic: of all of them what is nearest, then what else fits into each
/// one's share.
fn read(
    kafka: &KafkaSettings,
    spans: &[Span],
    share: usize,
    deadline: Instant,
    hand: impl Fn(Recalled) -> bool,
) -> anyhow::Result<()> {
    // Assigning needs a group's name, but nothing is ever committed under it.
    let consumer: BaseConsumer<Calm> = client::consumer(kafka, &kafka.topics.group("reader"))
        .set("enable.partition.eof", "true")
        .set("auto.offset.reset", "earliest")
        .set("fetch.message.max.bytes", FETCH_BYTES)
        .set("fetch.wait.max.ms", "10")
        .create_with_context(Calm)
        .context("create reader")?;
    let mut further = Vec::new();
    let near: Vec<Span> = spans.iter().map(|span| span.with(nearest(&span.offsets))).collect();
    pass(&consumer, &near, deadline, &hand, |index, size| {
        let span = &spans[index];
        let rest = span.with(self::further(&span.offsets, size, share));
        if rest.offsets.is_empty() {
            return hand(Recalled::Over(span.key));
        }
        further.push(rest);
        true
    })
    .context("read what is nearest")?;
    pass(&consumer, &further, deadline, &hand, |index, _| hand(Recalled::Over(further[index].key)))
        .context("read further down")
}

/// Hands out the records of the spans, and tells `ended` which span is done, by its place, and
/// what it had. Returns when all are, at the deadline, or when nobody listens.
fn pass(
    consumer: &BaseConsumer<Calm>,
    spans: &[Span],
    deadline: Instant,
    hand: impl Fn(Recalled) -> bool,
    mut ended: impl FnMut(usize, Size) -> bool,
) -> KafkaResult<()> {
    if spans.is_empty() {
        return Ok(());
    }
    let mut places = TopicPartitionList::new();
    for Span { topic, partition, offsets, .. } in spans {
        places.add_partition_offset(topic, *partition, Offset::Offset(offsets.start))?;
    }
    // The pass before has paused what it was done with.
    consumer.resume(&places)?;
    consumer.assign(&places)?;
    let mut open: HashMap<i32, (usize, Size)> =
        spans.iter().enumerate().map(|(i, span)| (span.partition, (i, Size::default()))).collect();
    while !open.is_empty()
        && let Some(patience) = deadline.checked_duration_since(Instant::now())
    {
        let (partition, is_last) = match consumer.poll(patience) {
            None => break,
            Some(Err(KafkaError::PartitionEOF(partition))) => (partition, true),
            Some(Err(error)) => {
                tracing::debug!(%error, "the recall goes on by itself");
                continue;
            }
            Some(Ok(message)) => {
                let partition = message.partition();
                let Some((index, size)) = open.get_mut(&partition) else { continue };
                let Span { key, topic, offsets, .. } = &spans[*index];
                if message.offset() < offsets.end {
                    let record = Record::copied(Arc::clone(topic), &message);
                    size.records += 1;
                    size.bytes += record.weight();
                    if !hand(Recalled::Record(*key, record)) {
                        break;
                    }
                }
                (partition, message.offset() + 1 >= offsets.end)
            }
        };
        if !is_last {
            continue;
        }
        let Some((index, size)) = open.remove(&partition) else { continue };
        if !ended(index, size) {
            break;
        }
        pause(consumer, &spans[index])?;
    }
    Ok(())
}

/// Whatever else there is of the span's partition is not read.
fn pause(consumer: &BaseConsumer<Calm>, span: &Span) -> KafkaResult<()> {
    let mut place = TopicPartitionList::new();
    place.add_partition(&span.topic, span.partition);
    consumer.pause(&place)
}

impl Span {
    /// Whether there is anything to recall.
    pub fn is_wanted(&self) -> bool {
        !self.offsets.is_empty()
    }

    fn with(&self, offsets: Range<i64>) -> Self {
        Self { offsets, ..self.clone() }
    }
}

/// What was read of a span.
#[derive(Debug, Clone, Copy, Default)]
struct Size {
    records: usize,
    bytes: usize,
}

/// Of these offsets, those to begin with.
fn nearest(offsets: &Range<i64>) -> Range<i64> {
    offsets.start.max(offsets.end - NEAREST)..offsets.end
}

/// Of these offsets, those below the nearest ones that fit into the share as well, if they are
/// like the nearest ones.
fn further(offsets: &Range<i64>, size: Size, share: usize) -> Range<i64> {
    let end = nearest(offsets).start;
    let left = share.saturating_sub(size.bytes);
    let fit = match size.records {
        0 => i64::MAX,
        records => (left * records / size.bytes.max(1)) as i64,
    };
    offsets.start.max(end.saturating_sub(fit))..end
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_nearest_comes_first_and_then_what_fits() {
        let offsets = 1_000..5_000;
        assert_eq!(nearest(&offsets), 4_936..5_000);
        let small = Size { records: 64, bytes: 64 * 1_000 };
        assert_eq!(further(&offsets, small, 64_000_000), 1_000..4_936);
        assert_eq!(further(&offsets, small, 1_064_000), 3_936..4_936);
        assert!(further(&offsets, small, 64_000).is_empty());
        let large = Size { records: 64, bytes: 64_000_000 };
        assert!(further(&offsets, large, 1_000_000).is_empty());
        let gaps = Size::default();
        assert_eq!(further(&offsets, gaps, 1_000_000), 1_000..4_936, "nothing says how large");
    }

    #[test]
    fn a_span_that_is_near_as_a_whole_has_nothing_further() {
        let offsets = 7..9;
        assert_eq!(nearest(&offsets), offsets);
        assert!(further(&offsets, Size { records: 2, bytes: 2 }, 1_000).is_empty());
    }
}
