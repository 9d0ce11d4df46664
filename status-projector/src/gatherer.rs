//! The consumer loop's side of the projection: where to start, and batches for the writer.
//!
//! Records are gathered until there are enough of them or the first has waited long enough,
//! and go to the writer when it is idle. While it is not, intake goes on up to one batch and
//! then stops: the loop's main queue is served all the time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use deadpool_postgres::Pool;
use kafka_loop::consumer_loop::Role;
use kafka_loop::record::Record;
use kafka_loop::{PartitionKey, Ticket};
use tokio::runtime::Handle;
use tokio::sync::mpsc::Sender;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::fold::PartitionName;
use crate::store;
use crate::watched::Tally;

/// Bytes of records after which a batch is full.
pub(crate) const BATCH_BYTES: usize = 16 << 20;
/// Between two tries to read the offsets while PostgreSQL is away.
const TRY_AGAIN: Duration = Duration::from_millis(500);

/// Records for the writer, with the offset at which PostgreSQL is expected to be for each of
/// their partitions.
pub(crate) struct Batch {
    pub records: Vec<Record>,
    pub expected: BTreeMap<PartitionName, i64>,
    tickets: Vec<Ticket>,
    turn: OwnedSemaphorePermit,
}

impl Batch {
    /// All of it is in PostgreSQL.
    pub fn finish(self) {
        // First, for each ticket wakes the loop, which then asks whether the writer is idle.
        drop(self.turn);
        self.tickets.into_iter().for_each(Ticket::finish);
    }

    /// It is left to whoever reads these offsets next.
    pub fn forget(self) {
        drop(self.turn);
        self.tickets.into_iter().for_each(Ticket::forget);
    }
}

/// The loop's role. Its state is lost with the loop: PostgreSQL has the truth.
pub(crate) struct Gatherer {
    batch_records: usize,
    linger: Duration,
    pool: Pool,
    runtime: Handle,
    writer: Sender<Batch>,
    /// One permit: whoever has it may hand the writer a batch, which carries it until written.
    turns: Arc<Semaphore>,
    /// Where the next batch's records of each partition begin, in PostgreSQL's words.
    positions: BTreeMap<PartitionName, i64>,
    records: Vec<Record>,
    tickets: Vec<Ticket>,
    bytes: usize,
    first_at: Option<Instant>,
    tally: Arc<Tally>,
}

impl Gatherer {
    pub fn new(
        batch_records: usize,
        linger: Duration,
        pool: Pool,
        runtime: Handle,
        writer: Sender<Batch>,
        tally: Arc<Tally>,
    ) -> Self {
        Self {
            batch_records,
            linger,
            pool,
            runtime,
            writer,
            turns: Arc::new(Semaphore::new(1)),
            positions: BTreeMap::new(),
            records: Vec::new(),
            tickets: Vec::new(),
            bytes: 0,
            first_at: None,
            tally,
        }
    }

    fn is_full(&self) -> bool {
        self.records.len() >= self.batch_records || self.bytes >= BATCH_BYTES
    }

    fn hand_over(&mut self, turn: OwnedSemaphorePermit) {
        let mut expected = BTreeMap::new();
        for record in &self.records {
            let name = (Arc::clone(&record.topic), record.partition);
            let next = record.offset + 1;
            // A write that fails ends this loop: the position may run ahead of it.
            let before = self.positions.insert(name.clone(), next).unwrap_or_default();
            expected.entry(name).or_insert(before);
        }
        let batch = Batch {
            records: std::mem::take(&mut self.records),
            tickets: std::mem::take(&mut self.tickets),
            expected,
            turn,
        };
        self.bytes = 0;
        self.first_at = None;
        self.tally.hand_over();
        if let Err(refused) = self.writer.try_send(batch) {
            // The writer has ended, and the loop is about to.
            refused.into_inner().forget();
        }
    }
}

impl Role for Gatherer {
    fn start_at(
        &mut self,
        partitions: &[(String, i32)],
        shutdown: &CancellationToken,
    ) -> anyhow::Result<Vec<Option<i64>>> {
        let names: Vec<PartitionName> = partitions
            .iter()
            .map(|(topic, partition)| (topic.as_str().into(), *partition))
            .collect();
        let read = async {
            loop {
                match store::positions(&self.pool, &names).await {
                    Ok(positions) => return positions,
                    Err(error) => {
                        let error = format!("{error:#}");
                        tracing::warn!(error, "waiting for PostgreSQL to tell the offsets");
                        tokio::time::sleep(TRY_AGAIN).await;
                    }
                }
            }
        };
        let Some(positions) = self.runtime.block_on(shutdown.run_until_cancelled(read)) else {
            return Ok(vec![None; partitions.len()]);
        };
        let starts = names.iter().map(|name| positions.get(name).copied()).collect();
        self.positions.extend(positions);
        Ok(starts)
    }

    fn wants(&mut self, _: PartitionKey, _: Instant) -> bool {
        !self.is_full()
    }

    fn take(&mut self, record: Record, ticket: Ticket) {
        self.bytes += record.weight();
        self.tally.gather(record.appended_at_millis);
        self.first_at.get_or_insert_with(Instant::now);
        self.records.push(record);
        self.tickets.push(ticket);
    }

    fn turn(&mut self, now: Instant) -> anyhow::Result<Option<Instant>> {
        let Some(first_at) = self.first_at else { return Ok(None) };
        let due_at = first_at + self.linger;
        if !self.is_full() && now < due_at {
            return Ok(Some(due_at));
        }
        if let Ok(turn) = Arc::clone(&self.turns).try_acquire_owned() {
            self.hand_over(turn);
        }
        // The end of a write wakes the loop.
        Ok(None)
    }

    fn forget(&mut self, partitions: &[PartitionKey]) {
        let gathered = std::mem::take(&mut self.records).into_iter();
        for (record, ticket) in gathered.zip(std::mem::take(&mut self.tickets)) {
            if partitions.contains(&ticket.partition()) {
                self.bytes -= record.weight();
                ticket.forget();
            } else {
                self.records.push(record);
                self.tickets.push(ticket);
            }
        }
        if self.records.is_empty() {
            self.first_at = None;
        }
        self.tally.gathered(self.records.iter().map(|record| record.appended_at_millis));
    }
}
