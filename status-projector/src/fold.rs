//! From records to rows: what one transaction writes.
//!
//! Pure. The records of a batch become one row per delivery, in the order of their keys (two
//! projectors that write the same deliveries then lock them in the same order), one row per
//! call, what is set aside, and how far each partition comes.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::Offset;
use kafka_loop::record::Record;

use crate::attempt_row::AttemptRow;
use crate::delivery_row::{DeliveryKey, DeliveryRow};
use crate::reading::{self, Source};

/// One partition of one topic.
pub type PartitionName = (Arc<str>, i32);

/// What a run of records comes to.
#[derive(Debug, Default)]
pub struct Rows {
    pub deliveries: BTreeMap<DeliveryKey, DeliveryRow>,
    pub attempts: Vec<AttemptRow>,
    pub rejects: Vec<Reject>,
    /// One past each partition's last record.
    pub ends: BTreeMap<PartitionName, i64>,
}

/// A record that is set aside, with its bytes as they were.
#[derive(Debug)]
pub struct Reject {
    pub topic: Arc<str>,
    pub partition: i32,
    pub offset: i64,
    pub reason: String,
    pub key: Option<Bytes>,
    pub value: Option<Bytes>,
}

impl Rows {
    /// Reads and collapses records, which are in the order of their offsets within each
    /// partition.
    pub fn of<'a>(
        records: impl IntoIterator<Item = &'a Record>,
        source: impl Fn(&Record) -> Source,
        now: Timestamp,
    ) -> Self {
        let mut rows = Self::default();
        for record in records {
            match reading::read(record, source(record), now) {
                Ok((delivery, attempt)) => {
                    rows.enter(delivery);
                    rows.attempts.extend(attempt);
                }
                Err(refusal) => rows.rejects.push(Reject::new(record, refusal.to_string())),
            }
            rows.ends.insert((Arc::clone(&record.topic), record.partition), record.offset + 1);
        }
        rows
    }

    /// What is left of one record when PostgreSQL refuses its rows.
    pub fn of_refused(record: &Record, reason: String) -> Self {
        let reject = Reject::new(record, reason);
        let ends = [((Arc::clone(&record.topic), record.partition), record.offset + 1)].into();
        Self { rejects: vec![reject], ends, ..Self::default() }
    }

    /// The UTC days of the rows.
    pub fn days(&self) -> impl Iterator<Item = Date> {
        // The keys are in the order of ids, so equal days come again and again.
        self.deliveries.keys().map(|key| Offset::UTC.to_datetime(key.accepted_at).date())
    }

    fn enter(&mut self, delivery: DeliveryRow) {
        match self.deliveries.entry(delivery.key) {
            Entry::Vacant(free) => drop(free.insert(delivery)),
            Entry::Occupied(mut known) => known.get_mut().merge(delivery),
        }
    }
}

impl Reject {
    fn new(record: &Record, reason: String) -> Self {
        Self {
            topic: Arc::clone(&record.topic),
            partition: record.partition,
            offset: record.offset,
            // It may repeat parts of the record.
            reason: reading::storable(reason),
            key: record.key.clone(),
            value: record.value.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use pipeline::outcome::State;
    use proptest::prelude::*;

    use super::*;
    use crate::test_story::{self, DELIVERIES, NOW, Story};

    fn source(record: &Record) -> Source {
        if &*record.topic == DELIVERIES { Source::Deliveries } else { Source::Outcomes }
    }

    fn rows<'a>(records: impl IntoIterator<Item = &'a Record>) -> Rows {
        Rows::of(records, source, NOW.parse().unwrap())
    }

    /// What the rules come to when a delivery's whole story is known at once: written down
    /// again, without looking at how rows are merged.
    fn naive(story: &Story) -> Vec<DeliveryRow> {
        let mut rows = Vec::new();
        for id in story.delivery_ids() {
            let told =
                |record: &&Record| reading::read(record, source(record), NOW.parse().unwrap());
            let of = |records: &[Record]| -> Vec<DeliveryRow> {
                let rows = records.iter().filter_map(|record| told(&record).ok());
                rows.map(|(row, _)| row).filter(|row| row.key.id == id).collect()
            };
            let (deliveries, outcomes) = (of(&story.deliveries), of(&story.outcomes));
            let Some(any) = deliveries.first().or(outcomes.first()) else { continue };
            let state = |row: &DeliveryRow| row.standing.state;
            let standing = outcomes
                .iter()
                .find(|row| state(row) == State::Delivered)
                .or_else(|| outcomes.iter().find(|row| state(row).is_terminal()))
                .or_else(|| {
                    let order = |row: &&DeliveryRow| (row.standing.release, row.standing.attempt);
                    // Of equals the first, where `max_by_key` would give the last.
                    outcomes.iter().rev().max_by_key(order)
                })
                .map_or(crate::delivery_row::Standing::untold(), |row| row.standing);
            let calls = |delivered_only: bool| {
                outcomes
                    .iter()
                    .filter(move |row| !delivered_only || state(row) == State::Delivered)
                    .rev()
                    .filter_map(|row| row.last_call.clone())
                    .max_by_key(|call| call.attempted_at)
            };
            rows.push(DeliveryRow {
                key: any.key,
                origin: any.origin.clone(),
                content: deliveries.first().and_then(|row| row.content.clone()),
                standing,
                attempts: outcomes.iter().map(|row| row.attempts).max().unwrap_or(0),
                last_call: calls(true).or_else(|| calls(false)),
            });
        }
        rows.sort_by_key(|row| row.key);
        rows
    }

    proptest! {
        #[test]
        fn any_interleaving_and_any_batches_give_equal_rows(
            story in test_story::any_story(),
            picks in prop::collection::vec(any::<bool>(), 0..80),
            cuts in prop::collection::vec(1_usize..12, 1..40),
        ) {
            let records = story.interleaved(picks);
            let mut stored: BTreeMap<DeliveryKey, DeliveryRow> = BTreeMap::new();
            let (mut rest, mut cuts) = (records.as_slice(), cuts.into_iter().cycle());
            let (mut attempts, mut ends) = (0, BTreeMap::new());
            while !rest.is_empty() {
                let (batch, later) = rest.split_at(cuts.next().unwrap_or(1).min(rest.len()));
                let batch = rows(batch);
                attempts += batch.attempts.len();
                ends.extend(batch.ends);
                for (key, row) in batch.deliveries {
                    match stored.entry(key) {
                        Entry::Vacant(free) => drop(free.insert(row)),
                        Entry::Occupied(mut known) => known.get_mut().merge(row),
                    }
                }
                rest = later;
            }
            let expected = naive(&story);
            prop_assert_eq!(stored.into_values().collect::<Vec<_>>(), expected);
            let whole = rows(&records);
            prop_assert_eq!(attempts, whole.attempts.len());
            prop_assert_eq!(ends, whole.ends);
        }
    }

    #[test]
    fn a_record_that_cannot_be_read_is_set_aside_and_its_partition_moves_on() {
        let mut poison = test_story::record(DELIVERIES, 3, b"not a delivery".to_vec());
        poison.key = Some(Bytes::from_static(b"k"));
        let rows = rows([&poison]);
        let [reject] = rows.rejects.as_slice() else { panic!("{rows:?}") };
        assert_eq!((reject.offset, reject.key.as_deref()), (3, Some(&b"k"[..])));
        assert_eq!(reject.value.as_deref(), Some(&b"not a delivery"[..]));
        assert!(rows.deliveries.is_empty());
        assert_eq!(rows.ends.values().copied().collect::<Vec<_>>(), [4]);
    }
}
