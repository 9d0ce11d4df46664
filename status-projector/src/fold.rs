//! From records to rows: what one transaction writes.
//!
//! Pure, in two steps. [`Told`] is what the records of a batch say one by one, and how far each
//! partition comes. [`Rows`] are made of it, given which rows are there already: one row per
//! delivery, in the order of their keys (two projectors that write the same deliveries then lock
//! them in the same order), one row per call, and what is set aside.
//!
//! A delivery with a derived id may be told again with a later acceptance: a repeat. It makes no
//! row of its own while one is there that was accepted within [`REPEAT_SPAN`] of it, and what is
//! told of it, attempts too, goes to that row. Whatever comes first makes the row, and within a
//! batch the `deliveries` come before the `outcomes`. Both topics tell of the same acceptance
//! first, for the consumer delivers what comes first in `deliveries`: so it changes nothing how
//! the topics interleave, and two projectors that each read one of them agree.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use kafka_loop::record::Record;
use pipeline::delivery::REPEAT_SPAN;
use pipeline::ids::DeliveryId;

use crate::attempt_row::AttemptRow;
use crate::days::day_of;
use crate::delivery_row::{DeliveryKey, DeliveryRow};
use crate::reading::{self, Source};

/// One partition of one topic.
pub type PartitionName = (Arc<str>, i32);

/// What the records of a batch say.
#[derive(Debug, Default)]
pub struct Told {
    /// Those of `deliveries` first; within each topic in the order of the records.
    tellings: Vec<(DeliveryRow, Option<AttemptRow>)>,
    rejects: Vec<Reject>,
    /// How many records told of deliveries whose day is not kept any more.
    of_dropped_days: u64,
    /// One past each partition's last record.
    pub ends: BTreeMap<PartitionName, i64>,
}

/// What a batch comes to.
#[derive(Debug, Default)]
pub struct Rows {
    pub deliveries: BTreeMap<DeliveryKey, DeliveryRow>,
    pub attempts: Vec<AttemptRow>,
    pub rejects: Vec<Reject>,
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

/// Which rows the ones of a batch may have to go to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Derived {
    pub ids: BTreeSet<DeliveryId>,
    /// The span of acceptances that is near enough to any of the batch.
    pub earliest: Timestamp,
    pub latest: Timestamp,
}

impl Told {
    /// Reads records, which are in the order of their offsets within each partition.
    ///
    /// What is told of a delivery that was accepted before the day `first_kept` is only counted:
    /// its day was dropped, or is about to be, and would otherwise be made again for one row.
    pub fn by<'a>(
        records: impl IntoIterator<Item = &'a Record>,
        source: impl Fn(&Record) -> Source,
        now: Timestamp,
        first_kept: Date,
    ) -> Self {
        let mut told = Self::default();
        let mut by_outcomes = Vec::new();
        for record in records {
            let source = source(record);
            match (reading::read(record, source, now), source) {
                (Ok((delivery, _)), _) if day_of(delivery.key.accepted_at) < first_kept => {
                    told.of_dropped_days += 1;
                }
                (Ok(telling), Source::Deliveries) => told.tellings.push(telling),
                (Ok(telling), Source::Outcomes) => by_outcomes.push(telling),
                (Err(refusal), _) => told.rejects.push(Reject::new(record, refusal.to_string())),
            }
            told.ends.insert((Arc::clone(&record.topic), record.partition), record.offset + 1);
        }
        told.tellings.append(&mut by_outcomes);
        told
    }

    /// What is left of one record when PostgreSQL refuses its rows.
    pub fn of_refused(record: &Record, reason: String) -> Self {
        let reject = Reject::new(record, reason);
        let ends = [((Arc::clone(&record.topic), record.partition), record.offset + 1)].into();
        Self { rejects: vec![reject], ends, ..Self::default() }
    }

    /// How many records are set aside, and how many are counted and nothing else.
    pub fn left_out(&self) -> (u64, u64) {
        (self.rejects.len() as u64, self.of_dropped_days)
    }

    /// The UTC days of the deliveries; a row that is there already may be of another.
    pub fn days(&self) -> impl Iterator<Item = Date> {
        let times = self.tellings.iter().map(|(delivery, _)| delivery.key.accepted_at);
        times.map(day_of)
    }

    /// What to ask for before the rows are made; `None` if no id is derived.
    pub fn derived(&self) -> Option<Derived> {
        let keys = self.tellings.iter().map(|(delivery, _)| delivery.key);
        let mut keys = keys.filter(|key| key.id.is_derived());
        let of = |DeliveryKey { id, accepted_at }| {
            let (earliest, latest) = near(accepted_at);
            Derived { ids: [id].into(), earliest, latest }
        };
        let first = of(keys.next()?);
        Some(keys.fold(first, |mut derived, key| {
            let (earliest, latest) = near(key.accepted_at);
            derived.ids.insert(key.id);
            derived.earliest = derived.earliest.min(earliest);
            derived.latest = derived.latest.max(latest);
            derived
        }))
    }

    /// Collapses what was told, given the rows that [`Told::derived`] asks for.
    pub fn into_rows(self, mut known: BTreeSet<DeliveryKey>) -> Rows {
        let mut rows = Rows { rejects: self.rejects, ..Rows::default() };
        for (mut delivery, attempt) in self.tellings {
            if delivery.key.id.is_derived() {
                delivery.key = row_of(delivery.key, &known);
                known.insert(delivery.key);
            }
            let accepted_at = delivery.key.accepted_at;
            rows.attempts.extend(attempt.map(|attempt| AttemptRow { accepted_at, ..attempt }));
            rows.enter(delivery);
        }
        rows
    }
}

/// The row that what is told of `key` goes to: the first of the known ones that are near
/// enough, or else its own.
fn row_of(key: DeliveryKey, known: &BTreeSet<DeliveryKey>) -> DeliveryKey {
    let at = |accepted_at| DeliveryKey { accepted_at, ..key };
    let (earliest, latest) = near(key.accepted_at);
    known.range(at(earliest)..=at(latest)).next().copied().unwrap_or(key)
}

/// The first and the last acceptance that a repeat can have.
fn near(accepted_at: Timestamp) -> (Timestamp, Timestamp) {
    let by = |span: SignedDuration, end| accepted_at.checked_add(span).unwrap_or(end);
    (by(-REPEAT_SPAN, Timestamp::MIN), by(REPEAT_SPAN, Timestamp::MAX))
}

impl Rows {
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
    use pipeline::delivery::Delivery;
    use pipeline::outcome::State;
    use proptest::prelude::*;

    use super::*;
    use crate::test_story::{self, DELIVERIES, NOW, Story};

    fn source(record: &Record) -> Source {
        if &*record.topic == DELIVERIES { Source::Deliveries } else { Source::Outcomes }
    }

    fn told<'a>(records: impl IntoIterator<Item = &'a Record>) -> Told {
        Told::by(records, source, NOW.parse().unwrap(), Date::MIN)
    }

    /// Of the rows that are there, those that PostgreSQL finds for what was told.
    fn known<T>(told: &Told, stored: &BTreeMap<DeliveryKey, T>) -> BTreeSet<DeliveryKey> {
        let Some(derived) = told.derived() else { return BTreeSet::new() };
        let is_asked_for = |key: &&DeliveryKey| {
            derived.ids.contains(&key.id)
                && (derived.earliest..=derived.latest).contains(&key.accepted_at)
        };
        stored.keys().filter(is_asked_for).copied().collect()
    }

    fn repeats_in<'a>(records: impl IntoIterator<Item = &'a Delivery>) -> Vec<Record> {
        let records = records.into_iter().map(|delivery| delivery.encode().to_vec());
        (0..)
            .zip(records)
            .map(|(offset, value)| test_story::record(DELIVERIES, offset, value))
            .collect()
    }

    /// Whether it tells of what was accepted again too late to be a repeat.
    fn is_again(row: &DeliveryRow) -> bool {
        let ids = (0..).map(test_story::delivery);
        let first = ids.into_iter().find(|first| first.id == row.key.id).unwrap();
        row.key.accepted_at == test_story::repeated(&first, 2).accepted_at
    }

    /// What the rules come to when a delivery's whole story is known at once: written down
    /// again, without looking at how rows are merged.
    fn naive(story: &Story) -> Vec<DeliveryRow> {
        let mut rows = Vec::new();
        let ids = story.delivery_ids();
        for (id, again) in ids.flat_map(|id| [(id, false), (id, true)]) {
            let told =
                |record: &&Record| reading::read(record, source(record), NOW.parse().unwrap());
            let of = |records: &[Record]| -> Vec<DeliveryRow> {
                let rows = records.iter().filter_map(|record| told(&record).ok());
                rows.map(|(row, _)| row)
                    .filter(|row| row.key.id == id && is_again(row) == again)
                    .collect()
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
            let (mut attempts, mut ends) = (Vec::new(), BTreeMap::new());
            while !rest.is_empty() {
                let (batch, later) = rest.split_at(cuts.next().unwrap_or(1).min(rest.len()));
                let batch = told(batch);
                ends.extend(batch.ends.clone());
                let known = known(&batch, &stored);
                let batch = batch.into_rows(known);
                attempts.extend(batch.attempts);
                for (key, row) in batch.deliveries {
                    match stored.entry(key) {
                        Entry::Vacant(free) => drop(free.insert(row)),
                        Entry::Occupied(mut known) => known.get_mut().merge(row),
                    }
                }
                rest = later;
            }
            let expected = naive(&story);
            let attempts_of = |key: DeliveryKey| {
                let of = |attempt: &&AttemptRow| {
                    (attempt.delivery_id, attempt.accepted_at) == (key.id, key.accepted_at)
                };
                attempts.iter().filter(of).map(|attempt| attempt.attempt).max().unwrap_or(0)
            };
            for row in &expected {
                prop_assert_eq!(attempts_of(row.key), row.attempts, "attempts go with their row");
            }
            prop_assert_eq!(stored.into_values().collect::<Vec<_>>(), expected);
            let whole = told(&records);
            prop_assert_eq!(&ends, &whole.ends);
            prop_assert_eq!(attempts.len(), whole.into_rows(BTreeSet::new()).attempts.len());
        }
    }

    #[test]
    fn within_a_batch_the_first_deliveries_record_says_when_it_was_accepted() {
        let first = test_story::delivery(0);
        let repeat = test_story::repeated(&first, 1);
        let outcome = test_story::delivered(&repeat).encode();
        let mut records = vec![test_story::record(test_story::OUTCOMES, 0, outcome)];
        records.extend(repeats_in([&first, &repeat]));
        let rows = told(&records).into_rows(BTreeSet::new());
        let key = DeliveryKey { id: first.id, accepted_at: first.accepted_at };
        assert_eq!(rows.deliveries.keys().collect::<Vec<_>>(), [&key]);
        assert_eq!(rows.deliveries[&key].standing.state, State::Delivered);
        assert_eq!(rows.attempts[0].accepted_at, first.accepted_at);
    }

    #[test]
    fn the_row_that_is_there_keeps_its_acceptance_also_if_it_is_the_later_one() {
        let first = test_story::delivery(0);
        let repeat = test_story::repeated(&first, 1);
        let key = DeliveryKey { id: first.id, accepted_at: repeat.accepted_at };
        let rows = told(&repeats_in([&first])).into_rows([key].into());
        assert_eq!(rows.deliveries.keys().collect::<Vec<_>>(), [&key]);
    }

    #[test]
    fn the_span_counts_to_the_microsecond_and_only_for_derived_ids() {
        let first = test_story::delivery(0);
        let count = |first: &Delivery, wait: SignedDuration| {
            let later = Delivery { accepted_at: first.accepted_at + wait, ..first.clone() };
            told(&repeats_in([first, &later])).into_rows(BTreeSet::new()).deliveries.len()
        };
        let micro = SignedDuration::from_micros(1);
        assert_eq!((count(&first, REPEAT_SPAN), count(&first, -REPEAT_SPAN)), (1, 1));
        assert_eq!(
            (count(&first, REPEAT_SPAN + micro), count(&first, -REPEAT_SPAN - micro)),
            (2, 2)
        );
        assert_eq!(count(&test_story::delivery(1), micro), 2);
        assert_eq!(told(&repeats_in([&test_story::delivery(1)])).derived(), None);
    }

    #[test]
    fn what_is_told_of_a_day_that_is_not_kept_is_counted_and_its_partition_moves_on() {
        let [kept, old] = [0, 3].map(test_story::delivery);
        let first_kept = day_of(kept.accepted_at);
        assert!(day_of(old.accepted_at) < first_kept);
        let records = [
            test_story::record(DELIVERIES, 0, kept.encode().to_vec()),
            test_story::record(DELIVERIES, 1, old.encode().to_vec()),
            test_story::record("outcomes", 0, test_story::failed(&old).encode()),
        ];
        let told = Told::by(&records, source, NOW.parse().unwrap(), first_kept);
        assert_eq!(told.left_out(), (0, 2));
        assert_eq!(told.ends.values().copied().collect::<Vec<_>>(), [2, 1]);
        assert_eq!(told.days().collect::<Vec<_>>(), [first_kept]);
        let rows = told.into_rows(BTreeSet::new());
        assert_eq!((rows.deliveries.len(), rows.attempts.len(), rows.rejects.len()), (1, 0, 0));
    }

    #[test]
    fn a_record_that_cannot_be_read_is_set_aside_and_its_partition_moves_on() {
        let mut poison = test_story::record(DELIVERIES, 3, b"not a delivery".to_vec());
        poison.key = Some(Bytes::from_static(b"k"));
        let told = told([&poison]);
        assert_eq!(told.ends.values().copied().collect::<Vec<_>>(), [4]);
        let rows = told.into_rows(BTreeSet::new());
        let [reject] = rows.rejects.as_slice() else { panic!("{rows:?}") };
        assert_eq!((reject.offset, reject.key.as_deref()), (3, Some(&b"k"[..])));
        assert_eq!(reject.value.as_deref(), Some(&b"not a delivery"[..]));
        assert!(rows.deliveries.is_empty());
    }
}
