//! Ends cancellations that have nothing left to say: a null takes the place of each in the
//! compacted topic, and with it every process forgets it.
//!
//! Each gateway does it, and none asks the others or Postgres: a second null for the same key
//! changes nothing, and what one gateway has ended is gone from the others' tables a moment later.

use std::time::Duration;

use futures_util::future::join_all;
use jiff::Timestamp;
use kafka_loop::producer::{ProduceError, Producer};
use kafka_loop::subscription_table::SubscriptionTable;
use pipeline::cancellation::Cancellation;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

/// Between two looks.
const LOOK: Duration = Duration::from_secs(60);
/// Nulls that are written at once.
const BATCH: usize = 1_000;

pub(crate) struct CancellationSweep {
    table: SubscriptionTable,
    producer: Producer,
    topic: String,
    max_delivery_age: Duration,
}

impl CancellationSweep {
    pub(crate) fn new(
        table: SubscriptionTable,
        producer: Producer,
        topic: String,
        max_delivery_age: Duration,
    ) -> Self {
        Self { table, producer, topic, max_delivery_age }
    }

    /// Looks again and again until `stop` is cancelled.
    ///
    /// # Errors
    /// None; what the broker does not take is tried again at the next look.
    pub(crate) async fn run(self, stop: CancellationToken) -> anyhow::Result<()> {
        let looks = async {
            self.table.complete().await;
            loop {
                if let Err(error) = self.sweep(Timestamp::now()).await {
                    tracing::debug!(%error, "cancellations that have ended stay for now");
                }
                sleep(LOOK).await;
            }
        };
        stop.run_until_cancelled(looks).await;
        Ok(())
    }

    async fn sweep(&self, now: Timestamp) -> Result<(), ProduceError> {
        let has_ended = |told: Cancellation| told.ends_at(self.max_delivery_age) <= now;
        loop {
            let ended = self.table.cancellations(BATCH, has_ended);
            if ended.is_empty() {
                return Ok(());
            }
            let writes = ended.iter().map(async |told| {
                self.producer.send_null(&self.topic, told.key().as_bytes())?.await?;
                self.table.forget_cancellation(told.delivery_id);
                Ok(())
            });
            join_all(writes).await.into_iter().collect::<Result<(), ProduceError>>()?;
            tracing::info!(count = ended.len(), "cancellations of old deliveries have ended");
        }
    }
}
