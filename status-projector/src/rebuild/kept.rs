//! What the log does not tell whole, and is therefore kept. Pure, but for the SQL.
//!
//! The janitor trims each partition of the log on its own, so of an old delivery some records may
//! be gone and others not. A record is appended after its delivery was accepted: what was accepted
//! after the first record of a partition was appended is told whole by it, and whatever was
//! accepted before may not be. Of the latter the live row is copied first, and what the log tells
//! is folded onto it, by the rules by which the live projector merges rows; a record that the row
//! had seen before changes nothing. The attempts that are copied are those whose outcome is below
//! the beginning of its partition, and no others: each attempt knows its outcome's place.
//!
//! All records of a delivery are keyed by its subscription, so it is the partitions of that key
//! that count.

use std::collections::BTreeMap;
use std::ops::Range;

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use crate::fold::PartitionName;

/// A gateway's clock may be ahead of the broker's by that much.
const SKEW: SignedDuration = SignedDuration::from_mins(5);

/// What is kept of the projection that was there.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Kept {
    /// The latest time before which deliveries may not be told whole; `None` if the log has been
    /// trimmed nowhere.
    pub before: Option<Timestamp>,
    pub deliveries: i64,
    pub attempts: i64,
    pub rejects: i64,
}

/// From when on each partition of the log tells deliveries whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cuts {
    /// One for each partition that was trimmed.
    of_partitions: BTreeMap<PartitionName, Timestamp>,
    /// How many partitions each topic has.
    counts: BTreeMap<String, i32>,
}

impl Cuts {
    /// `heads` are the times of the first records. Of a partition that is empty and was trimmed
    /// nothing is known, so nothing that was accepted until `now` is told whole by it.
    pub fn new(
        log: &BTreeMap<PartitionName, Range<i64>>,
        heads: &BTreeMap<PartitionName, Timestamp>,
        now: Timestamp,
    ) -> Self {
        let trimmed = log.iter().filter(|(_, bounds)| bounds.start > 0);
        let cut = |(name, _): (&PartitionName, &Range<i64>)| {
            let head = heads.get(name).copied().unwrap_or(now);
            (name.clone(), head.checked_add(SKEW).unwrap_or(Timestamp::MAX))
        };
        let of_partitions = trimmed.map(cut).collect();
        let mut counts = BTreeMap::new();
        for (topic, _) in log.keys() {
            *counts.entry(topic.to_string()).or_default() += 1;
        }
        Self { of_partitions, counts }
    }

    /// That of a subscription's deliveries; `None` if all of them are told whole.
    pub fn of(&self, subscription: Uuid) -> Option<Timestamp> {
        let key = subscription.to_string();
        let cut = |(topic, partition): &PartitionName, at: &Timestamp| {
            let count = self.counts.get(&**topic).copied().unwrap_or(1);
            (partition_of(key.as_bytes(), count) == *partition).then_some(*at)
        };
        self.of_partitions.iter().filter_map(|(name, at)| cut(name, at)).max()
    }

    /// That of deliveries whose subscription is not known; `None` if nothing was trimmed.
    pub fn latest(&self) -> Option<Timestamp> {
        self.of_partitions.values().max().copied()
    }
}

/// The partition of a key: as Kafka's own clients choose it, and so librdkafka with
/// `partitioner=murmur2_random`.
fn partition_of(key: &[u8], count: i32) -> i32 {
    (murmur2(key) & 0x7fff_ffff) as i32 % count
}

/// Austin Appleby's MurmurHash2 with Kafka's seed.
fn murmur2(data: &[u8]) -> u32 {
    const SEED: u32 = 0x9747_b28c;
    const M: u32 = 0x5bd1_e995;
    let mut hash = SEED ^ data.len() as u32;
    let (words, rest) = data.as_chunks::<4>();
    for word in words {
        let mut k = u32::from_le_bytes(*word).wrapping_mul(M);
        k = (k ^ (k >> 24)).wrapping_mul(M);
        hash = hash.wrapping_mul(M) ^ k;
    }
    if !rest.is_empty() {
        for (at, byte) in rest.iter().enumerate() {
            hash ^= u32::from(*byte) << (8 * at);
        }
        hash = hash.wrapping_mul(M);
    }
    hash = (hash ^ (hash >> 13)).wrapping_mul(M);
    hash ^ (hash >> 15)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn a_key_has_the_hash_that_kafka_gives_it() {
        // From the tests of Apache Kafka's Java client, `UtilsTest`.
        for (key, hash) in [
            ("21", -973_932_308_i32),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            ("abc", 479_470_107),
        ] {
            assert_eq!(murmur2(key.as_bytes()) as i32, hash, "{key}");
        }
    }

    #[test]
    fn what_was_accepted_before_the_first_record_of_its_partitions_is_not_told_whole() {
        let name = |topic: &str, partition| -> PartitionName { (Arc::from(topic), partition) };
        let at = |text: &str| -> Timestamp { text.parse().unwrap() };
        let subscription = Uuid::from_u128(7);
        let mine = partition_of(subscription.to_string().as_bytes(), 2);
        let mut log: BTreeMap<PartitionName, Range<i64>> = [0, 1]
            .into_iter()
            .flat_map(|partition| [name("d", partition), name("o", partition)])
            .map(|name| (name, 0..9))
            .collect();
        let (early, late, now) =
            (at("2026-11-20T00:00:00Z"), at("2026-11-21T00:00:00Z"), at("2026-11-24T00:00:00Z"));
        let heads: BTreeMap<_, _> = log
            .keys()
            .map(|name| (name.clone(), if &*name.0 == "d" { early } else { late }))
            .collect();
        let cuts = |log: &_| Cuts::new(log, &heads, now);
        assert_eq!((cuts(&log).of(subscription), cuts(&log).latest()), (None, None));

        log.insert(name("d", mine), 3..9);
        assert_eq!(cuts(&log).of(subscription), Some(early + SKEW));
        log.insert(name("o", mine), 3..9);
        assert_eq!(cuts(&log).of(subscription), Some(late + SKEW));
        log.insert(name("o", mine), 9..9);
        let empty = Cuts::new(&log, &BTreeMap::new(), now);
        assert_eq!(empty.of(subscription), Some(now + SKEW));

        let elsewhere = BTreeMap::from([(name("d", 1 - mine), 3..9), (name("d", mine), 0..9)]);
        assert_eq!(Cuts::new(&elsewhere, &heads, now).of(subscription), None);
        assert_eq!(Cuts::new(&elsewhere, &heads, now).latest(), Some(early + SKEW));
    }
}
