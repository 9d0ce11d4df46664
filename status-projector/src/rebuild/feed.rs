//! The log for a rebuild: where it begins and ends, and its records, read ahead on a thread.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, bail};
use jiff::Timestamp;
use kafka_loop::KafkaSettings;
use kafka_loop::log_reader::{LogReader, Place};
use kafka_loop::record::Record;
use tokio::sync::mpsc::{Receiver, channel};
use tokio::task::spawn_blocking;

use crate::fold::PartitionName;
use crate::gatherer::BATCH_BYTES;

/// Batches that are read ahead.
const AHEAD: usize = 1;
/// How long a batch is gathered.
const LINGER: Duration = Duration::from_millis(200);
/// The longest silence of the broker while records are missing.
const SILENCE: Duration = Duration::from_secs(30);

pub(super) struct Feed {
    kafka: KafkaSettings,
    topics: [String; 2],
    /// Asks, and never reads.
    reader: Arc<Mutex<LogReader>>,
    batches: Option<Receiver<anyhow::Result<Vec<Record>>>>,
}

impl Feed {
    pub async fn open(kafka: &KafkaSettings, topics: [String; 2]) -> anyhow::Result<Self> {
        let reader = Arc::new(Mutex::new(LogReader::new(kafka)?));
        Ok(Self { kafka: kafka.clone(), topics, reader, batches: None })
    }

    /// The offsets that each partition has now.
    pub async fn bounds(&self) -> anyhow::Result<BTreeMap<PartitionName, Range<i64>>> {
        let (reader, topics) = (Arc::clone(&self.reader), self.topics.clone());
        let ask = move || -> anyhow::Result<_> {
            let reader = reader.lock().unwrap_or_else(PoisonError::into_inner);
            let mut all = BTreeMap::new();
            for topic in topics {
                let bounds = reader.bounds(&topic)?;
                let name: Arc<str> = topic.into();
                all.extend(
                    (0..).zip(bounds).map(|(partition, it)| ((Arc::clone(&name), partition), it)),
                );
            }
            Ok(all)
        };
        spawn_blocking(ask).await.context("ask for the bounds of the log")?
    }

    /// When the first record was appended, of each partition that has one.
    pub async fn heads(
        &self,
        log: &BTreeMap<PartitionName, Range<i64>>,
    ) -> anyhow::Result<BTreeMap<PartitionName, Timestamp>> {
        let places: Vec<Place> = log
            .iter()
            .filter(|(_, bounds)| !bounds.is_empty())
            .map(|((topic, partition), bounds)| (Arc::clone(topic), *partition, bounds.start))
            .collect();
        let mut reader = LogReader::new(&self.kafka)?;
        let read = move || -> anyhow::Result<_> {
            let mut heads = BTreeMap::new();
            // One after the other: of many at once the first would crowd out the last.
            for place in places {
                reader.start(std::slice::from_ref(&place))?;
                let first = reader.read(1, usize::MAX, SILENCE)?;
                let (topic, partition, _) = place;
                let first = first.first().with_context(|| {
                    format!("the broker does not give the first record of {topic}/{partition}")
                })?;
                let at = Timestamp::from_millisecond(first.appended_at_millis)?;
                heads.insert((topic, partition), at);
            }
            Ok(heads)
        };
        spawn_blocking(read).await.context("read the beginning of the log")?
    }

    /// Reads on from these offsets, until this is dropped.
    pub fn start(
        &mut self,
        positions: &BTreeMap<PartitionName, i64>,
        batch_records: usize,
    ) -> anyhow::Result<()> {
        let place = |((topic, partition), at): (&PartitionName, &i64)| -> Place {
            (Arc::clone(topic), *partition, *at)
        };
        let mut reader = LogReader::new(&self.kafka)?;
        reader.start(&positions.iter().map(place).collect::<Vec<_>>())?;
        let (sender, batches) = channel(AHEAD);
        self.batches = Some(batches);
        spawn_blocking(move || {
            while !sender.is_closed() {
                let read = reader.read(batch_records, BATCH_BYTES, LINGER);
                let is_empty = read.as_ref().is_ok_and(Vec::is_empty);
                let failed = read.is_err();
                if !is_empty && sender.blocking_send(read).is_err() || failed {
                    return;
                }
            }
        });
        Ok(())
    }

    /// The next records. Those that were given out are not given again.
    pub async fn next(&mut self) -> anyhow::Result<Vec<Record>> {
        let Some(batches) = &mut self.batches else { bail!("reading was not started") };
        match tokio::time::timeout(SILENCE, batches.recv()).await {
            Ok(Some(batch)) => batch,
            Ok(None) => bail!("the reader has ended"),
            Err(_) => bail!("the broker is silent about records that are in the log"),
        }
    }
}
