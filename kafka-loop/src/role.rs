//! What a role plugs into a consumer loop.

use std::time::{Duration, Instant};

use metrics::Page;
use tokio_util::sync::CancellationToken;

use crate::record::Record;
use crate::{PartitionKey, Ticket};

/// Which records a loop reads, and how much of it may be under way.
#[derive(Debug, Clone)]
pub struct LoopConfig {
    /// The thread's name, at most 15 bytes are shown by Linux.
    pub name: &'static str,
    pub group: String,
    pub topics: Vec<String>,
    pub max_unfinished: usize,
    pub max_unfinished_bytes: usize,
    /// How many offsets below the one that a partition is read from are read once more, for
    /// [`Role::remember`]; 0 for none. The partition's work waits for that, a second at most.
    pub recall: u32,
    /// How long running records may go on after a shutdown was asked for.
    pub drain_timeout: Duration,
    /// Where the loop shows its figures, under its name.
    pub page: Page,
}

/// A role's decisions, made on the loop's thread. Nothing here may block for long: a rebalance
/// waits for it.
pub trait Role: Send {
    /// The offset to read each newly assigned partition from, where the role keeps it itself;
    /// `None` is the group's committed offset. May block while the role's own store is away,
    /// and gives up when `shutdown` is cancelled.
    ///
    /// # Errors
    /// Whatever the loop cannot go on from.
    fn start_at(
        &mut self,
        partitions: &[(String, i32)],
        shutdown: &CancellationToken,
    ) -> anyhow::Result<Vec<Option<i64>>> {
        let _ = shutdown;
        Ok(vec![None; partitions.len()])
    }

    /// Whether the partition's next record can be taken now; asked again in each round.
    fn wants(&mut self, partition: PartitionKey, now: Instant) -> bool {
        let _ = (partition, now);
        true
    }

    /// Is told of a record of the partition that was done before the loop had it: it is below
    /// where the work begins (up to [`LoopConfig::recall`] of these, in no order, mostly before
    /// the first record is taken), or a commit says that it is finished (before whatever is
    /// above it is taken). There may be fewer, and none.
    fn remember(&mut self, partition: PartitionKey, record: &Record) {
        let _ = (partition, record);
    }

    /// Takes a record, and the obligation that comes with it.
    fn take(&mut self, record: Record, ticket: Ticket);

    /// Called once per round, and says when it wants to be called again at the latest.
    ///
    /// # Errors
    /// Whatever the loop cannot go on from.
    fn turn(&mut self, now: Instant) -> anyhow::Result<Option<Instant>> {
        let _ = now;
        Ok(None)
    }

    /// These partitions go to somebody else, or the process drains: what is queued of them and
    /// not running is to be forgotten ([`Ticket::forget`]).
    fn forget(&mut self, partitions: &[PartitionKey]) {
        let _ = partitions;
    }
}
