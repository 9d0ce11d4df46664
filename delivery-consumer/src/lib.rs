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
//! | `lanes` | pure: who is called next, who waits, and what is put aside |
//! | `dispatcher` | the shell on the loop's thread: records to lanes, lanes to calls |
//! | `courier` | the shell on the runtime: one delivery's call and its effects |
//! | `figures` | what the role tells of itself |
//! | `planted` | what chaos builds may do wrong on purpose |

mod config;
mod courier;
mod decision;
mod dispatcher;
mod figures;
mod lanes;
mod planted;
mod repeats;
mod request;
mod signer;

use anyhow::Context;
use kafka_loop::consumer_loop::{self, LoopConfig};
use kafka_loop::producer::Producer;
use kafka_loop::subscription_table::SubscriptionTable;
use kafka_loop::topic_setup;
use role_runtime::ReadyFlag;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

pub use crate::config::Config;
use crate::courier::Courier;
use crate::dispatcher::Dispatcher;
use crate::figures::Figures;
use crate::lanes::Lanes;

const NAME: &str = "delivery-consumer";

/// Records that are not queued: their calls run, or their effects are not acknowledged yet.
/// Beyond that nothing more is taken in.
const MOST_EFFECTS: usize = 8_000;
/// The same in bytes.
const MOST_EFFECT_BYTES: usize = 48 << 20;

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
    let page = ready.page().clone();
    let producer = Producer::shown(&config.kafka, None, &page, NAME)?;
    let failed = producer.failed();
    let courier = Courier::new(&config, table.clone(), producer, Figures::new(&page))?;
    let lanes = Lanes::new(config.lanes);
    let dispatcher = Dispatcher::new(courier, lanes, config.lanes.in_flight, Handle::current());

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
            max_unfinished: config.lanes.queued + MOST_EFFECTS,
            max_unfinished_bytes: config.lanes.bytes + MOST_EFFECT_BYTES,
            recall: repeats::RECALL,
            drain_timeout: config.drain_timeout,
            page,
        };
        consumer_loop::run(&config.kafka, loop_config, dispatcher, shutdown.clone()).await
    };
    tokio::select! {
        ended = follow => ended.and_then(|()| anyhow::bail!("the configuration reader ended")),
        delivered = deliver => delivered,
        () = failed.cancelled() => anyhow::bail!("the producer cannot go on"),
    }
    .context("deliver")
}
