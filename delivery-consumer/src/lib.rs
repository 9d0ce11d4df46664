//! The role that delivers: it reads `deliveries`, calls receivers, publishes every outcome, and
//! sends what failed to a retry tier or to `dead-letters`.
//!
//! Order of effects: the call, then the outcome and whatever follows from it (retry or dead
//! letter), then their acknowledgements, and only then is the record's offset finished. A
//! crash anywhere repeats the record, and the receiver sees the same `webhook-id` again. What
//! repeats a record that this process has taken in is finished and nothing else.
//!
//! | file | concept |
//! |---|---|
//! | `config` | what can be set |
//! | `decision` | pure: what follows from a call, or from making none |
//! | `signer` | pure: the keys that sign a call |
//! | `request` | pure: the headers of a call |
//! | `repeats` | pure: which records repeat one that was taken in before |
//! | `limits` | a subscription's own bounds on its calls: pure core, thin shell |
//! | `courier` | the shell: one record from intake to its acknowledgements |

mod config;
mod courier;
mod decision;
mod limits;
mod repeats;
mod request;
mod signer;

use std::collections::HashMap;
use std::sync::Arc;

use anyhow::Context;
use kafka_loop::consumer_loop::{self, LoopConfig, Role};
use kafka_loop::producer::Producer;
use kafka_loop::record::Record;
use kafka_loop::subscription_table::SubscriptionTable;
use kafka_loop::{PartitionKey, Ticket, topic_setup};
use pipeline::delivery::Delivery;
use role_runtime::ReadyFlag;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

pub use crate::config::Config;
use crate::courier::Courier;
use crate::repeats::Window;

const NAME: &str = "delivery-consumer";

/// Delivers until `shutdown` is cancelled, then gives running calls their drain time.
///
/// # Errors
/// Whatever it cannot go on from. What was under way is delivered again after a restart.
pub async fn run(
    config: Config,
    ready: ReadyFlag,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    if !topic_setup::prepare(&config.kafka, &shutdown).await? {
        return Ok(());
    }
    let table = SubscriptionTable::new();
    // Effects that must happen have no deadline: the offset waits for them.
    let producer = Producer::new(&config.kafka, None)?;
    let failed = producer.failed();
    let courier = Courier::new(&config, table.clone(), producer)?;
    let intake =
        Intake { courier: Arc::new(courier), runtime: Handle::current(), windows: HashMap::new() };

    // The table outlives the drain, for deliveries that run on look things up in it.
    let table_end = CancellationToken::new();
    let _stop_table = table_end.clone().drop_guard();
    let follow = table.follow(&config.kafka, table_end);
    let deliver = async {
        tokio::select! {
            () = shutdown.cancelled() => return Ok(()),
            () = table.complete() => {}
        }
        ready.raise();
        let topics = &config.kafka.topics;
        let loop_config = LoopConfig {
            name: NAME,
            group: topics.group(NAME),
            topics: vec![topics.deliveries()],
            max_unfinished: config.max_in_flight,
            max_unfinished_bytes: config.max_queued_bytes,
            drain_timeout: config.drain_timeout,
        };
        consumer_loop::run(&config.kafka, loop_config, intake, shutdown.clone()).await
    };
    tokio::select! {
        ended = follow => ended.and_then(|()| anyhow::bail!("the configuration reader ended")),
        delivered = deliver => delivered,
        () = failed.cancelled() => anyhow::bail!("the producer cannot go on"),
    }
    .context("deliver")
}

/// Starts one task per record that is no repeat; how many run at once is bounded by the loop.
struct Intake {
    courier: Arc<Courier>,
    runtime: Handle,
    /// One for each partition that records came from.
    windows: HashMap<PartitionKey, Window>,
}

impl Role for Intake {
    fn take(&mut self, record: Record, ticket: Ticket) {
        let delivery = Delivery::decode(record.value.clone().unwrap_or_default());
        if let Ok(delivery) = &delivery
            && !self.windows.entry(ticket.partition()).or_default().take_in(delivery)
        {
            tracing::debug!(
                delivery = %delivery.id, release = delivery.release,
                partition = record.partition, offset = record.offset, "a repeat is suppressed"
            );
            return ticket.finish();
        }
        let courier = Arc::clone(&self.courier);
        self.runtime.spawn(async move { courier.carry(record, delivery, ticket).await });
    }

    fn forget(&mut self, partitions: &[PartitionKey]) {
        for key in partitions {
            self.windows.remove(key);
        }
    }
}
