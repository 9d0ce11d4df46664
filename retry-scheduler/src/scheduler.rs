//! The head of each tier's partition, held until its time, then sent on.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use fault_point::CrashPoint;
use jiff::Timestamp;
use kafka_loop::consumer_loop::Role;
use kafka_loop::producer::{Message, Producer};
use kafka_loop::record::Record;
use kafka_loop::{PartitionKey, Ticket};
use pipeline::cascade::Hop;
use pipeline::delivery::Delivery;
use pipeline::tier::Tier;
use pipeline::topics::Topics;
use tokio::runtime::Handle;

use crate::figures::{Figures, QueueFigures};
use crate::hold::{after_tier, remaining};
use crate::pace::Pace;

/// A topic's place in the cascade.
#[derive(Debug, Clone, Copy)]
struct Place {
    tier: Tier,
    spill: bool,
}

/// Where a record goes next.
struct Destination {
    topic: String,
    /// Into `deliveries`, and not into another tier.
    is_release: bool,
    due_at: Option<Timestamp>,
    figures: QueueFigures,
}

/// A partition's head, waiting.
struct Held {
    record: Record,
    ticket: Ticket,
    until: Instant,
}

pub(crate) struct Scheduler {
    topics: Topics,
    deliveries: String,
    places: HashMap<String, Place>,
    release_rate: usize,
    producer: Producer,
    figures: Figures,
    runtime: Handle,
    heads: HashMap<PartitionKey, Held>,
    paces: HashMap<PartitionKey, Pace>,
}

impl Scheduler {
    pub fn new(
        topics: Topics,
        release_rate: usize,
        producer: Producer,
        figures: Figures,
        runtime: Handle,
    ) -> Self {
        let mut places = HashMap::new();
        for tier in topics.tiers().iter() {
            places.insert(topics.retries(tier), Place { tier, spill: false });
        }
        for tier in topics.spill_tiers().iter() {
            places.insert(topics.spills(tier), Place { tier, spill: true });
        }
        Self {
            deliveries: topics.deliveries(),
            topics,
            places,
            release_rate,
            producer,
            figures,
            runtime,
            heads: HashMap::new(),
            paces: HashMap::new(),
        }
    }

    /// Sends a record on whose time in its tier is over. How many are on their way is bounded by
    /// the loop.
    fn send_on(&mut self, record: Record, ticket: Ticket, now: Instant) {
        self.pace(ticket.partition(), now).released(now);
        let Destination { topic, is_release, due_at, figures } = self.destination(&record);
        let producer = self.producer.clone();
        self.runtime.spawn(async move {
            let key = record.key.as_deref().unwrap_or_default();
            let value = record.value.as_deref().unwrap_or_default();
            let message = Message { topic: &topic, key, value, headers: &[] };
            fault_point::crash(CrashPoint::SchedulerBeforeProduce);
            match producer.write(message).await {
                Ok(_) => {
                    fault_point::crash(CrashPoint::SchedulerAfterProduce);
                    match is_release {
                        true => figures.released(due_at, Timestamp::now()),
                        false => figures.sent_to_next_tier(),
                    }
                    ticket.finish();
                }
                Err(error) => tracing::error!(
                    from = %record.topic, offset = record.offset, to = topic,
                    error = format!("{:#}", anyhow::Error::new(error)), "a release was not written"
                ),
            }
        });
    }

    /// Where a record goes, always with its bytes as they are. What cannot be read goes to
    /// `deliveries`, where the consumer dead-letters it.
    fn destination(&self, record: &Record) -> Destination {
        let value = record.value.clone().unwrap_or_default();
        let place = self.places.get(&*record.topic);
        let figures = self.figures.of(place.is_some_and(|place| place.spill)).clone();
        let (Some(place), Ok(delivery)) = (place, Delivery::decode(value)) else {
            let topic = self.deliveries.clone();
            return Destination { topic, is_release: true, due_at: None, figures };
        };
        let tiers = if place.spill { self.topics.spill_tiers() } else { self.topics.tiers() };
        let hop = after_tier(&delivery, tiers, Timestamp::now());
        let topic = match hop {
            Hop::Hold(tier) if place.spill => self.topics.spills(tier),
            Hop::Hold(tier) => self.topics.retries(tier),
            Hop::Release => self.deliveries.clone(),
        };
        let due_at = delivery.wait.map(|wait| wait.due_at);
        Destination { topic, is_release: matches!(hop, Hop::Release), due_at, figures }
    }

    fn pace(&mut self, key: PartitionKey, now: Instant) -> &mut Pace {
        let rate = self.release_rate;
        self.paces.entry(key).or_insert_with(|| Pace::new(rate, now))
    }
}

impl Role for Scheduler {
    fn wants(&mut self, partition: PartitionKey, now: Instant) -> bool {
        !self.heads.contains_key(&partition) && self.pace(partition, now).next_at() <= now
    }

    fn take(&mut self, record: Record, ticket: Ticket) {
        let now = Instant::now();
        let hold = self.places.get(&*record.topic).map_or(Duration::ZERO, |place| {
            remaining(place.tier, record.appended_at_millis, Timestamp::now())
        });
        if hold.is_zero() {
            self.send_on(record, ticket, now);
        } else {
            let until = now + hold;
            self.heads.insert(ticket.partition(), Held { record, ticket, until });
        }
    }

    fn turn(&mut self, now: Instant) -> anyhow::Result<Option<Instant>> {
        let due: Vec<PartitionKey> =
            self.heads.iter().filter(|(_, held)| held.until <= now).map(|(key, _)| *key).collect();
        for key in due {
            if let Some(held) = self.heads.remove(&key) {
                self.send_on(held.record, held.ticket, now);
            }
        }
        Ok(self.heads.values().map(|held| held.until).min())
    }

    fn forget(&mut self, partitions: &[PartitionKey]) {
        for key in partitions {
            self.paces.remove(key);
            if let Some(held) = self.heads.remove(key) {
                held.ticket.forget();
            }
        }
    }
}
