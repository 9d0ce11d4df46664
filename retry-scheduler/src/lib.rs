//! The role that lets time pass: it reads the delay tiers and puts each delivery back into
//! `deliveries` when it is due, or into the next tier of its cascade.
//!
//! Every record in tier D is held exactly D from its append, so append order is release order
//! and only a partition's head is in this process's memory, whatever the backlog. A record's
//! offset is finished when the broker has acknowledged where it went; a crash before that
//! repeats the hop, and the consumer recognises the copy by its release number.
//!
//! At idle a delivery is released no earlier than its due time less 10 % of its delay (at least
//! 250 ms), and no later than 10 % and a second past it, or the installation's shortest tier where
//! that is longer (`simulation`).
//!
//! | file | concept |
//! |---|---|
//! | `config` | what can be set |
//! | `hold` | pure: until when a record is held, and where it goes then |
//! | `pace` | pure: how fast a partition may be released |
//! | `figures` | what the role tells of itself |
//! | `scheduler` | the shell: heads, their instants, and the produce |
//! | `simulation` | tests: every delay, from its decision to its release |

mod config;
mod figures;
mod hold;
mod pace;
mod scheduler;
#[cfg(test)]
mod simulation;

use anyhow::Context;
use kafka_loop::consumer_loop::{self, LoopConfig};
use kafka_loop::producer::Producer;
use kafka_loop::topic_setup;
use role_runtime::ReadyFlag;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

pub use crate::config::Config;
use crate::figures::Figures;
use crate::scheduler::Scheduler;

const NAME: &str = "retry-scheduler";

/// Releases whose acknowledgement may be outstanding, and held heads, together.
const MAX_UNFINISHED: usize = 8_192;
/// The same in bytes.
const MAX_UNFINISHED_BYTES: usize = 64 << 20;

/// Schedules until `shutdown` is cancelled, then waits for outstanding acknowledgements.
///
/// # Errors
/// Whatever it cannot go on from. What was under way is released again after a restart.
pub async fn run(
    config: Config,
    ready: ReadyFlag,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    if !topic_setup::prepare(&config.kafka, &shutdown).await? {
        return Ok(());
    }
    // A release must happen: its acknowledgement has no deadline, and the offset waits for it.
    let page = ready.page();
    let producer = Producer::shown(&config.kafka, None, page, NAME)?;
    let failed = producer.failed();
    let topics = &config.kafka.topics;
    let retries = topics.tiers().iter().map(|tier| topics.retries(tier));
    let spills = topics.spill_tiers().iter().map(|tier| topics.spills(tier));
    let loop_config = LoopConfig {
        name: NAME,
        group: topics.group(NAME),
        topics: retries.chain(spills).collect(),
        max_unfinished: MAX_UNFINISHED,
        max_unfinished_bytes: MAX_UNFINISHED_BYTES,
        recall: 0,
        drain_timeout: config.drain_timeout,
        page: page.clone(),
    };
    let figures = Figures::new(page, topics);
    let scheduler =
        Scheduler::new(topics.clone(), config.release_rate, producer, figures, Handle::current());
    ready.raise();
    tokio::select! {
        ended = consumer_loop::run(&config.kafka, loop_config, scheduler, shutdown) => ended,
        () = failed.cancelled() => anyhow::bail!("the producer cannot go on"),
    }
    .context("schedule retries")
}
