//! Publishes changed subscriptions from the outbox to the compacted topic.
//!
//! One relay at a time, over all processes: it holds an advisory lock on a connection of its
//! own. It publishes the current row, not the change, and deletes exactly the outbox rows that
//! it read once the broker has the records; a crash in between repeats them, which changes
//! nothing.

use std::collections::{BTreeMap, HashSet};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use deadpool_postgres::ClientWrapper;
use futures_util::future::join_all;
use kafka_loop::producer::{Message, ProduceError, Producer};
use pipeline::subscription::Subscription;
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::storage::{STATEMENT_TIMEOUT, Storage};
use crate::subscription_store::{COLUMNS, subscription};

/// The advisory lock of the one relay that works; an arbitrary number of hooklog's own, the
/// next one after the migrations' lock.
const RELAY_LOCK: i64 = 0x686f_6f6b_6c6f_6702;
/// Between two looks at the outbox, for changes that another gateway made.
const LOOK: Duration = Duration::from_millis(250);
/// Between two tries to take over from another process's relay.
const TAKE_OVER: Duration = Duration::from_secs(1);
/// After Postgres or the broker failed.
const TRY_AGAIN: Duration = Duration::from_secs(1);
/// Outbox rows at a time.
const BATCH: i64 = 500;

/// The relay of this process; it works only while it holds the lock.
pub(crate) struct OutboxRelay {
    storage: Storage,
    producer: Producer,
    topic: String,
    filled: Arc<Notify>,
}

impl OutboxRelay {
    /// `filled` wakes it at once after a change that this process made.
    pub(crate) fn new(
        storage: Storage,
        producer: Producer,
        topic: String,
        filled: Arc<Notify>,
    ) -> Self {
        Self { storage, producer, topic, filled }
    }

    /// Relays until `shutdown` is cancelled, however often Postgres or the broker go away.
    pub(crate) async fn run(self, shutdown: CancellationToken) {
        let mut progress = Progress::default();
        loop {
            let session = self.session(&mut progress);
            let Some(Err(error)) = shutdown.run_until_cancelled(session).await else { return };
            progress.failed(&error);
            if shutdown.run_until_cancelled(sleep(TRY_AGAIN)).await.is_none() {
                return;
            }
        }
    }

    /// Works on one connection for as long as it lasts.
    async fn session(&self, progress: &mut Progress) -> anyhow::Result<Infallible> {
        let client = self.storage.dedicated().await?;
        if !progress.in_doubt.is_empty() {
            note_again(&client, &progress.in_doubt).await?;
            progress.in_doubt.clear();
        }
        while !take_lock(&client).await? {
            progress.succeeded();
            sleep(TAKE_OVER).await;
        }
        loop {
            match self.relay_batch(&client, &mut progress.in_doubt).await? {
                Relayed::All(rows) => {
                    progress.succeeded();
                    if rows < BATCH as usize {
                        // Whether it was woken or has waited, there may be something.
                        let _ = timeout(LOOK, self.filled.notified()).await;
                    }
                }
                Relayed::Some(error) => {
                    progress.failed(&anyhow::Error::new(error).context("publish a subscription"));
                    sleep(TRY_AGAIN).await;
                }
            }
        }
    }

    /// Publishes what is in the outbox, up to a batch. What was not acknowledged stays there.
    async fn relay_batch(
        &self,
        client: &ClientWrapper,
        in_doubt: &mut Vec<Uuid>,
    ) -> anyhow::Result<Relayed> {
        let (rows, changed) = read_outbox(client).await.context("read the outbox")?;
        if rows.is_empty() {
            return Ok(Relayed::All(0));
        }
        *in_doubt = changed.keys().copied().collect();
        let records: Vec<(Uuid, String, Vec<u8>)> =
            changed.iter().map(|(id, changed)| (*id, changed.key(), changed.encode())).collect();
        let writes = records.iter().map(async |(id, key, value)| {
            let (key, value) = (key.as_bytes(), value.as_slice());
            let message = Message { topic: &self.topic, key, value, headers: &[] };
            (*id, self.producer.write(message).await)
        });
        let mut published = HashSet::new();
        let mut failed = None;
        for (id, written) in join_all(writes).await {
            match written {
                Ok(_) => _ = published.insert(id),
                Err(error) => failed = Some(error),
            }
        }
        let (all, mut rows) = (rows.len(), rows);
        rows.retain(|(_, subscription)| published.contains(subscription));
        let rows: Vec<i64> = rows.into_iter().map(|(row, _)| row).collect();
        delete_rows(client, &rows).await.context("clear the outbox")?;
        in_doubt.clear();
        Ok(failed.map_or(Relayed::All(all), Relayed::Some))
    }
}

/// What became of a batch.
enum Relayed {
    /// All of so many rows.
    All(usize),
    /// Not all, because of this.
    Some(ProduceError),
}

/// What outlasts a session.
#[derive(Default)]
struct Progress {
    /// Subscriptions whose records were sent on a connection that was then lost, and the lock
    /// with it. Another relay may have published a newer version before they arrived; then the
    /// older one is the last of its key. So they are published once more.
    in_doubt: Vec<Uuid>,
    failing: bool,
}

impl Progress {
    /// Says so once, however long it lasts.
    fn failed(&mut self, error: &anyhow::Error) {
        if !std::mem::replace(&mut self.failing, true) {
            let error = format!("{error:#}");
            tracing::warn!(error, "changed subscriptions wait until they can be published");
        }
    }

    fn succeeded(&mut self) {
        if std::mem::replace(&mut self.failing, false) {
            tracing::info!("changed subscriptions are published again");
        }
    }
}

async fn take_lock(client: &ClientWrapper) -> anyhow::Result<bool> {
    let sql = "SELECT pg_try_advisory_lock($1)";
    let taken = timeout(STATEMENT_TIMEOUT, client.query_one(sql, &[&RELAY_LOCK])).await;
    taken.context("ask for the relay's lock")??.try_get(0).context("ask for the relay's lock")
}

/// The oldest outbox rows, each with its subscription's id, and those subscriptions as they
/// are now.
async fn read_outbox(
    client: &ClientWrapper,
) -> anyhow::Result<(Vec<(i64, Uuid)>, BTreeMap<Uuid, Subscription>)> {
    let sql = format!(
        "SELECT outbox.id AS outbox_id, subscription.* FROM subscription_outbox AS outbox \
         JOIN (SELECT {COLUMNS} FROM subscriptions) AS subscription \
         ON subscription.id = outbox.subscription_id \
         ORDER BY outbox.id LIMIT {BATCH}"
    );
    let read = async {
        let statement = client.prepare_cached(&sql).await?;
        client.query(&statement, &[]).await
    };
    let mut rows = Vec::new();
    let mut changed = BTreeMap::new();
    for row in timeout(STATEMENT_TIMEOUT, read).await?? {
        let subscription = subscription(&row)?;
        let id = subscription.id.uuid();
        rows.push((row.try_get("outbox_id")?, id));
        changed.insert(id, subscription);
    }
    Ok((rows, changed))
}

async fn delete_rows(client: &ClientWrapper, ids: &[i64]) -> anyhow::Result<()> {
    let sql = "DELETE FROM subscription_outbox WHERE id = ANY($1)";
    timeout(STATEMENT_TIMEOUT, client.execute(sql, &[&ids])).await??;
    Ok(())
}

/// Puts subscriptions into the outbox once more.
async fn note_again(client: &ClientWrapper, subscriptions: &[Uuid]) -> anyhow::Result<()> {
    let sql = "INSERT INTO subscription_outbox (subscription_id) SELECT unnest($1::uuid[])";
    timeout(STATEMENT_TIMEOUT, client.execute(sql, &[&subscriptions]))
        .await
        .context("note subscriptions again")??;
    Ok(())
}
