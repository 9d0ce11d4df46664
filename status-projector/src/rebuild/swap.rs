//! The exchange of the days, in one short transaction.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use deadpool_postgres::{ClientWrapper, Transaction};

use super::schema::{self, Schemas};
use super::{NEXT, OLD};
use crate::day_partitions;
use crate::days::{DayTable, Tie};
use crate::fold::PartitionName;

/// For the live projector's transaction, which may be in the middle of a batch.
const WAIT_FOR_OFFSETS_SQL: &str =
    "SET LOCAL lock_timeout = '10s'; SET LOCAL statement_timeout = '30s'";
/// For reads: those that come later wait behind this. Longer than `deadlock_timeout`, after which
/// PostgreSQL takes a table from an autovacuum that holds it.
const WAIT_FOR_READS_SQL: &str = "SET LOCAL lock_timeout = '2s'";

/// Lets nobody move the live offsets until the transaction ends, and tells where they are.
/// Reading them goes on.
pub(super) async fn hold_offsets(
    transaction: &Transaction<'_>,
    Schemas { live }: &Schemas,
) -> anyhow::Result<BTreeMap<PartitionName, i64>> {
    transaction.batch_execute(WAIT_FOR_OFFSETS_SQL).await?;
    let hold = format!("LOCK TABLE {live}.projector_offsets IN EXCLUSIVE MODE");
    transaction.batch_execute(&hold).await.context("hold the live offsets")?;
    let read = format!("SELECT topic, partition, next_offset FROM {live}.projector_offsets");
    let rows = transaction.query(&read, &[]).await.context("read the live offsets")?;
    let position =
        |row: &tokio_postgres::Row| ((Arc::from(row.get::<_, &str>(0)), row.get(1)), row.get(2));
    Ok(rows.iter().map(position).collect())
}

/// Gives the live tables the days of the new ones, and the offsets. Returns how long reads waited
/// for it, up to the commit.
pub(super) async fn swap(
    transaction: &Transaction<'_>,
    schemas: &Schemas,
) -> anyhow::Result<Duration> {
    let live = &schemas.live;
    // First the new tables, which nobody reads, and an autovacuum likes for being new.
    let take =
        format!("LOCK TABLE {NEXT}.deliveries, {NEXT}.delivery_attempts IN ACCESS EXCLUSIVE MODE");
    transaction.batch_execute(&take).await.context("take the new tables")?;
    transaction.batch_execute(WAIT_FOR_READS_SQL).await?;
    let hold =
        format!("LOCK TABLE {live}.deliveries, {live}.delivery_attempts IN ACCESS EXCLUSIVE MODE");
    let started_at = Instant::now();
    transaction.batch_execute(&hold).await.context("wait for reads to end")?;
    let live_schema = format!("'{live}'::regnamespace");
    let live_tables = day_partitions::tables(&**transaction, &live_schema).await?;
    let mut sql = format!("CREATE SCHEMA IF NOT EXISTS {OLD};\n");
    // A live day without a counterpart has come just now, and has no rows yet.
    for new in day_partitions::tables(&**transaction, schema::NEXT_SCHEMA).await? {
        if new.tie != Tie::Attached {
            continue;
        }
        let known = live_tables.iter().find(|it| (it.parent, it.day) == (new.parent, new.day));
        sql.push_str(&exchange_sql(live, &new, known.map(|table| table.tie)));
    }
    sql.push_str(&format!(
        "INSERT INTO {live}.projector_offsets AS known (topic, partition, next_offset) \
         SELECT topic, partition, next_offset FROM {NEXT}.projector_offsets \
         ON CONFLICT (topic, partition) DO UPDATE SET next_offset = excluded.next_offset;
         DELETE FROM {live}.projector_rejects AS known WHERE EXISTS ( \
            SELECT FROM {NEXT}.projector_offsets AS told \
            WHERE told.topic = known.topic AND told.partition = known.partition);
         INSERT INTO {live}.projector_rejects SELECT * FROM {NEXT}.projector_rejects \
         ON CONFLICT DO NOTHING;
         DROP TABLE {NEXT}.rebuild;"
    ));
    transaction.batch_execute(&sql).await.context("exchange the days")?;
    Ok(started_at.elapsed())
}

/// The statements that put one day's new table in the place of the one that is there.
fn exchange_sql(live: &str, new: &DayTable, known: Option<Tie>) -> String {
    let parent = new.parent.name();
    let mut sql = String::new();
    match known {
        Some(Tie::Attached) => {
            sql.push_str(&format!("ALTER TABLE {live}.{parent} DETACH PARTITION {live}.{new};\n"))
        }
        Some(Tie::Detaching) => sql.push_str(&format!(
            "ALTER TABLE {live}.{parent} DETACH PARTITION {live}.{new} FINALIZE;\n"
        )),
        Some(Tie::Loose) | None => {}
    }
    if known.is_some() {
        sql.push_str(&format!("ALTER TABLE {live}.{new} SET SCHEMA {OLD};\n"));
    }
    let [from, to] = [new.day, new.day.tomorrow().unwrap_or(new.day)];
    sql.push_str(&format!(
        "ALTER TABLE {NEXT}.{parent} DETACH PARTITION {NEXT}.{new};
         ALTER TABLE {NEXT}.{new} SET SCHEMA {live};
         ALTER TABLE {live}.{parent} ATTACH PARTITION {live}.{new} \
            FOR VALUES FROM ('{from} 00:00:00Z') TO ('{to} 00:00:00Z');
         ALTER TABLE {live}.{new} DROP CONSTRAINT one_day;\n"
    ));
    sql
}

/// Counts acceptances by minute anew. The trigger that counts what is added to the live table has
/// not seen what the rebuild has read beyond the live projector, and has seen whatever was wrong.
/// The live projector waits for this; reads do not.
pub(super) async fn recount(
    client: &mut ClientWrapper,
    Schemas { live }: &Schemas,
) -> anyhow::Result<()> {
    let transaction = client.transaction().await?;
    let sql = format!("SELECT to_regclass('{live}.delivery_minutes') IS NOT NULL");
    if !transaction.query_one(&sql, &[]).await?.get::<_, bool>(0) {
        return Ok(());
    }
    let recount = format!(
        "LOCK TABLE {live}.deliveries IN SHARE ROW EXCLUSIVE MODE; \
         DELETE FROM {live}.delivery_minutes; \
         INSERT INTO {live}.delivery_minutes (minute, shard, accepted) \
         SELECT date_trunc('minute', accepted_at), 0, count(*) FROM {live}.deliveries GROUP BY 1"
    );
    transaction.batch_execute(&recount).await?;
    transaction.commit().await?;
    Ok(())
}

/// Drops what a swap leaves: the days that were exchanged, and the schema of the new ones once it
/// is of no use. Whatever depends on one of those tables alone keeps it, and is named.
pub(super) async fn sweep(client: &ClientWrapper) -> anyhow::Result<()> {
    let sql = "SELECT relname FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace \
               WHERE nspname = $1 AND relkind = 'r'";
    let old = client.query(sql, &[&OLD]).await.context("look for exchanged days")?;
    for row in old {
        let name: String = row.get(0);
        let drop = format!("DROP TABLE {OLD}.{name}");
        client.batch_execute(&drop).await.with_context(|| drop.clone())?;
    }
    client.batch_execute(&format!("DROP SCHEMA IF EXISTS {OLD}")).await?;
    if !schema::is_begun(client).await? {
        client.batch_execute(&format!("DROP SCHEMA IF EXISTS {NEXT} CASCADE")).await?;
    }
    Ok(())
}
