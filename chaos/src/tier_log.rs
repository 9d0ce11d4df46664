//! What has ever stood in the tiers: the janitor deletes what was released, so they are read
//! again and again while a run goes on.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kafka_loop::KafkaSettings;
use pipeline::delivery::Delivery;

use crate::evidence::Placed;
use crate::topics_dump;

/// Shorter than the time that the janitor leaves a record after its release.
const LOOK: Duration = Duration::from_secs(6);

type Records = BTreeMap<(String, i32, i64), Placed<Delivery>>;

/// The records of all tiers, by topic, partition and offset.
#[derive(Debug, Clone, Default)]
pub struct TierLog(Arc<Mutex<Records>>);

impl TierLog {
    /// Reads the tiers until it is aborted. While Kafka is away nothing is deleted either.
    pub async fn follow(self, kafka: KafkaSettings) {
        loop {
            tokio::time::sleep(LOOK).await;
            let (log, kafka) = (self.clone(), kafka.clone());
            // What could not be read now is read the next time.
            let _ = tokio::task::spawn_blocking(move || log.read(&kafka)).await;
        }
    }

    /// Reads what stands in the tiers now. Blocks.
    ///
    /// # Errors
    /// The broker is away.
    pub fn read(&self, kafka: &KafkaSettings) -> anyhow::Result<()> {
        for topic in topics_dump::waiting_topics(kafka) {
            let records = topics_dump::deliveries_in(kafka, &topic)?;
            let placed = records.into_iter().map(|placed| {
                ((topic.clone(), placed.place.partition, placed.place.offset), placed)
            });
            self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(placed);
        }
        Ok(())
    }

    /// Everything that was seen, and whether that is everything that there was.
    pub fn take(&self) -> (Vec<Placed<Delivery>>, bool) {
        let records = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        let complete = is_complete(records.keys());
        (records.into_values().collect(), complete)
    }
}

/// Whether the offsets of each partition begin at 0 and have no gap.
fn is_complete<'a>(places: impl Iterator<Item = &'a (String, i32, i64)>) -> bool {
    let mut next = BTreeMap::new();
    for (topic, partition, offset) in places {
        let expected = next.entry((topic, partition)).or_insert(0);
        if offset != expected {
            return false;
        }
        *expected += 1;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_and_a_missing_beginning_are_noticed() {
        let place = |partition, offset| ("t".to_owned(), partition, offset);
        let judge = |places: &[(String, i32, i64)]| is_complete(places.iter());
        assert!(judge(&[place(0, 0), place(0, 1), place(1, 0)]));
        assert!(!judge(&[place(0, 0), place(0, 2)]));
        assert!(!judge(&[place(0, 1)]));
        assert!(judge(&[]));
    }
}
