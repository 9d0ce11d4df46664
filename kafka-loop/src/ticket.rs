//! The obligation that comes with every record: to say when everything it caused is done.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::thread::Thread;

/// One assignment of one partition. A partition that is lost and assigned again has another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PartitionKey(pub(crate) u64);

/// What became of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// Everything that it caused is acknowledged.
    Finished,
    /// It was given back untouched; whoever reads the partition next does it.
    Forgotten,
    /// Its ticket was dropped: whoever held it has died.
    Abandoned,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Ending {
    pub partition: PartitionKey,
    pub offset: i64,
    pub weight: usize,
    pub ended: Ended,
}

/// How tickets reach the loop that handed them out. Its channel holds at most as many endings
/// as there are unfinished records, which the loop bounds.
#[derive(Debug, Clone)]
pub(crate) struct LoopHandle {
    pub endings: Sender<Ending>,
    pub thread: Thread,
}

/// The obligation for one record. Exactly one of [`Ticket::finish`] and [`Ticket::forget`] is
/// to be called; dropping it instead stops the loop with an error, so that a died task is
/// noticed and its record is read again.
#[derive(Debug)]
pub struct Ticket {
    partition: PartitionKey,
    offset: i64,
    weight: usize,
    current: Arc<AtomicBool>,
    owner: Option<LoopHandle>,
}

impl Ticket {
    pub(crate) fn new(
        partition: PartitionKey,
        offset: i64,
        weight: usize,
        current: Arc<AtomicBool>,
        owner: LoopHandle,
    ) -> Self {
        Self { partition, offset, weight, current, owner: Some(owner) }
    }

    /// Whether the record is still this process's to do. False once its partition was given up
    /// or lost, or the loop has ended its grace period: then another owner reads the record
    /// again, ending the ticket changes nothing, and whoever holds it may report what has
    /// happened, but may start nothing that follows from it.
    ///
    /// It can turn false at any moment after it was asked: it makes repeats fewer, and rules
    /// none out.
    pub fn is_current(&self) -> bool {
        self.current.load(Ordering::Acquire)
    }

    /// The assignment that the record came with.
    pub fn partition(&self) -> PartitionKey {
        self.partition
    }

    /// The record's offset.
    pub fn offset(&self) -> i64 {
        self.offset
    }

    /// Everything that the record caused is acknowledged: its offset may be committed.
    pub fn finish(mut self) {
        self.end(Ended::Finished);
    }

    /// The record is given back untouched, as when its partition is revoked or the process
    /// drains. Its offset is never committed by this loop.
    pub fn forget(mut self) {
        self.end(Ended::Forgotten);
    }

    fn end(&mut self, ended: Ended) {
        if let Some(owner) = self.owner.take() {
            let (partition, offset, weight) = (self.partition, self.offset, self.weight);
            // The loop has ended when nobody receives: there is nobody left to tell.
            let _ = owner.endings.send(Ending { partition, offset, weight, ended });
            owner.thread.unpark();
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.end(Ended::Abandoned);
    }
}
