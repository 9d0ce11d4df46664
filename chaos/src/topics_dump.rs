//! The log's side of the evidence: everything that stands in the topics.

use std::collections::BTreeMap;

use kafka_loop::log_end::LogEnds;
use kafka_loop::record::Record;
use kafka_loop::{KafkaSettings, topic_reader};
use pipeline::delivery::Delivery;
use pipeline::outcome::Outcome;

use crate::evidence::{Commit, DeadLetter, Evidence, Place, Placed};
use crate::group_commits;

/// The roles that commit to a group, and what they read.
const CONSUMER: &str = "delivery-consumer";
const SCHEDULER: &str = "retry-scheduler";
const FRONT_DOOR: &str = "front-door";

/// Fills in what the topics say. Blocks.
///
/// # Errors
/// The broker is away, or a record of ours is not readable.
pub fn fill(evidence: &mut Evidence, kafka: &KafkaSettings) -> anyhow::Result<()> {
    let topics = &kafka.topics;
    evidence.deliveries = deliveries_in(kafka, &topics.deliveries())?;
    evidence.outcomes = decoded(kafka, &topics.outcomes(), |record| {
        Ok(Outcome::decode(record.value.as_deref().unwrap_or_default())?)
    })?;
    topic_reader::read_to_end(kafka, &topics.dead_letters(), |record| {
        evidence.dead_letters.push(dead_letter(&record));
    })?;
    evidence.commits = commits(kafka)?;
    evidence.ends = ends(kafka)?;
    evidence.readers = readers(kafka);
    evidence.deliveries_topic = topics.deliveries();
    Ok(())
}

/// Every delivery that stands in a topic. Blocks.
///
/// # Errors
/// The broker is away, or a record is no delivery.
pub fn deliveries_in(kafka: &KafkaSettings, topic: &str) -> anyhow::Result<Vec<Placed<Delivery>>> {
    decoded(kafka, topic, |record| Ok(Delivery::decode(record.value.clone().unwrap_or_default())?))
}

fn decoded<T>(
    kafka: &KafkaSettings,
    topic: &str,
    decode: impl Fn(&Record) -> anyhow::Result<T>,
) -> anyhow::Result<Vec<Placed<T>>> {
    let mut records = Vec::new();
    topic_reader::read_to_end(kafka, topic, |record| records.push(record))?;
    let placed = |record: &Record| {
        let place = Place { partition: record.partition, offset: record.offset };
        let appended_at_millis = record.appended_at_millis;
        decode(record).map(|value| Placed { place, appended_at_millis, value })
    };
    records.iter().map(placed).collect()
}

fn dead_letter(record: &Record) -> DeadLetter {
    let value = record.value.clone().unwrap_or_default();
    let reason = record.header("hooklog-reason").map(|bytes| bytes.to_vec()).unwrap_or_default();
    DeadLetter {
        delivery: Delivery::decode(value.clone()).ok().map(|delivery| delivery.id),
        reason: String::from_utf8_lossy(&reason).into_owned(),
        value,
    }
}

/// The topics of all tiers.
pub fn waiting_topics(kafka: &KafkaSettings) -> Vec<String> {
    let topics = &kafka.topics;
    let retries = topics.tiers().iter().map(|tier| topics.retries(tier));
    retries.chain(topics.spill_tiers().iter().map(|tier| topics.spills(tier))).collect()
}

/// Every commit so far. Blocks.
///
/// # Errors
/// The broker is away.
pub fn commits(kafka: &KafkaSettings) -> anyhow::Result<Vec<Commit>> {
    let mut commits = Vec::new();
    topic_reader::read_to_end(kafka, group_commits::TOPIC, |record| {
        let (key, value) = (record.key.unwrap_or_default(), record.value.unwrap_or_default());
        commits.extend(group_commits::read(&key, &value, record.appended_at_millis));
    })?;
    Ok(commits)
}

/// Where each partition that a group reads ends. Blocks.
///
/// # Errors
/// The broker is away.
pub fn ends(kafka: &KafkaSettings) -> anyhow::Result<BTreeMap<(String, i32), i64>> {
    let specs = kafka.topics.specs(kafka.partitions, kafka.max_body);
    let mut ends = BTreeMap::new();
    for topic in readers(kafka).into_keys() {
        let spec = specs.iter().find(|spec| spec.name == topic);
        let partitions = spec.map_or(kafka.partitions, |spec| spec.partitions);
        let of_topic = LogEnds::new(&KafkaSettings { partitions, ..kafka.clone() })?.of(&topic)?;
        let numbered = (0..).zip(of_topic);
        ends.extend(numbered.map(|(partition, end)| ((topic.clone(), partition), end)));
    }
    Ok(ends)
}

/// Which group reads which topic.
pub fn readers(kafka: &KafkaSettings) -> BTreeMap<String, String> {
    let topics = &kafka.topics;
    let waiting = waiting_topics(kafka).into_iter().map(|topic| (topic, topics.group(SCHEDULER)));
    let own = [
        (topics.deliveries(), topics.group(CONSUMER)),
        (topics.events(), topics.group(FRONT_DOOR)),
    ];
    own.into_iter().chain(waiting).collect()
}
