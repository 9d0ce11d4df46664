//! The names of topics and consumer groups, and what each topic must be like.
//!
//! Every name occurs here and nowhere else.

use crate::tier::{Tier, Tiers};

/// What a Kafka record adds to its body at most, per topic, in bytes.
const EVENT_OVERHEAD: usize = 32 << 10;
const INTERNAL_OVERHEAD: usize = 64 << 10;
const DEAD_LETTER_OVERHEAD: usize = 128 << 10;

/// Partitions of a tier's topic: enough, since only a partition's head matters.
const TIER_PARTITIONS: i32 = 2;

/// The topics of one installation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topics {
    prefix: String,
    tiers: Tiers,
    spill_tiers: Tiers,
}

/// How long a topic keeps its records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// Until the janitor trims what nobody needs any more: Kafka itself deletes nothing.
    Work,
    /// Thirty days.
    ThirtyDays,
    /// The latest record of each key.
    Compacted,
}

/// What a topic must be like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicSpec {
    pub name: String,
    pub partitions: i32,
    pub kept: Kept,
    /// `max.message.bytes`.
    pub max_message_bytes: usize,
}

impl Topics {
    /// Names all topics with `prefix`.
    pub fn new(prefix: impl Into<String>, tiers: Tiers) -> Self {
        Self { prefix: prefix.into(), tiers, spill_tiers: Tiers::spills() }
    }

    pub fn events(&self) -> String {
        self.named("events")
    }

    pub fn deliveries(&self) -> String {
        self.named("deliveries")
    }

    pub fn outcomes(&self) -> String {
        self.named("outcomes")
    }

    pub fn dead_letters(&self) -> String {
        self.named("dead-letters")
    }

    pub fn subscriptions(&self) -> String {
        self.named("subscriptions")
    }

    pub fn retries(&self, tier: Tier) -> String {
        self.named(&format!("retries.{tier}"))
    }

    pub fn spills(&self, tier: Tier) -> String {
        self.named(&format!("spills.{tier}"))
    }

    pub fn tiers(&self) -> &Tiers {
        &self.tiers
    }

    pub fn spill_tiers(&self) -> &Tiers {
        &self.spill_tiers
    }

    /// The consumer group of a role.
    pub fn group(&self, role: &str) -> String {
        self.named(role)
    }

    /// Every topic, with what it must be like when bodies have at most `max_body` bytes.
    pub fn specs(&self, partitions: i32, max_body: usize) -> Vec<TopicSpec> {
        let spec = |name, partitions, kept, overhead| TopicSpec {
            name,
            partitions,
            kept,
            max_message_bytes: max_body + overhead,
        };
        let mut specs = vec![
            spec(self.events(), partitions, Kept::Work, EVENT_OVERHEAD),
            spec(self.deliveries(), partitions, Kept::Work, INTERNAL_OVERHEAD),
            spec(self.outcomes(), partitions, Kept::Work, INTERNAL_OVERHEAD),
            spec(self.dead_letters(), partitions, Kept::ThirtyDays, DEAD_LETTER_OVERHEAD),
            spec(self.subscriptions(), 1, Kept::Compacted, INTERNAL_OVERHEAD),
        ];
        let retries = self.tiers.iter().map(|tier| self.retries(tier));
        let spills = self.spill_tiers.iter().map(|tier| self.spills(tier));
        let waiting = retries.chain(spills);
        specs
            .extend(waiting.map(|name| spec(name, TIER_PARTITIONS, Kept::Work, INTERNAL_OVERHEAD)));
        specs
    }

    fn named(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn every_topic_is_named_once_under_the_prefix() {
        let tiers = Tiers::new([Duration::from_secs(1), Duration::from_secs(60)]).unwrap();
        let specs = Topics::new("hooklog.", tiers).specs(8, 1 << 18);
        let names: Vec<&str> = specs.iter().map(|spec| spec.name.as_str()).collect();
        insta::assert_json_snapshot!(names);
    }
}
