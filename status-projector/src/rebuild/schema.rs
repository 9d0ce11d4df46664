//! The schema in which the new projection is made: its tables, what is kept from the live one,
//! and how far it is.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use anyhow::{Context, ensure};
use deadpool_postgres::{ClientWrapper, Transaction};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use uuid::Uuid;

use super::NEXT;
use super::kept::{Cuts, Kept};
use crate::day_partitions;
use crate::fold::PartitionName;

/// The schema of the new projection, as an expression.
pub(super) const NEXT_SCHEMA: &str = "'projection_next'::regnamespace";

/// What is known of the log when a rebuild begins.
pub(super) struct Log<'a> {
    pub bounds: &'a BTreeMap<PartitionName, Range<i64>>,
    /// When the first record of each partition was appended.
    pub heads: &'a BTreeMap<PartitionName, Timestamp>,
    /// The topic that tells of calls.
    pub outcomes: &'a str,
}

/// The names of the schemas, quoted where they may need it.
pub(super) struct Schemas {
    /// Where the live projection is.
    pub live: String,
}

impl Schemas {
    pub async fn of(client: &ClientWrapper) -> anyhow::Result<Self> {
        let sql = "SELECT quote_ident(nspname) FROM pg_class \
                   JOIN pg_namespace ON pg_namespace.oid = relnamespace \
                   WHERE pg_class.oid = 'deliveries'::regclass";
        let row = client.query_one(sql, &[]).await.context("find the live projection")?;
        let live: String = row.get(0);
        ensure!(live != NEXT, "the search path leads to {NEXT}, and not to a live projection");
        Ok(Self { live })
    }
}

/// Whether an earlier rebuild has left something to go on with.
pub(super) async fn is_begun(client: &ClientWrapper) -> anyhow::Result<bool> {
    let sql = format!("SELECT to_regclass('{NEXT}.rebuild') IS NOT NULL");
    Ok(client.query_one(&sql, &[]).await.context("look for an earlier rebuild")?.get(0))
}

/// Makes everything anew, in one transaction: what is there was begun as a whole.
pub(super) async fn begin(
    client: &mut ClientWrapper,
    Schemas { live }: &Schemas,
    Log { bounds: log, heads, outcomes }: &Log<'_>,
    first_kept: Date,
) -> anyhow::Result<()> {
    // All that is copied is of one moment.
    let transaction = client
        .build_transaction()
        .isolation_level(tokio_postgres::IsolationLevel::RepeatableRead)
        .start()
        .await
        .context("begin the rebuild")?;
    transaction.batch_execute(&tables_sql(live)).await.context("make the new tables")?;
    let first_kept_at = first_kept.to_zoned(TimeZone::UTC)?.timestamp();
    make_days(&transaction, live, first_kept).await?;
    let cuts = Cuts::new(log, heads, Timestamp::now());
    let kept = keep(&transaction, live, log, outcomes, &cuts, first_kept_at).await?;
    note_offsets(&transaction, log).await?;
    let note = format!(
        "CREATE TABLE {NEXT}.rebuild (kept_before timestamptz, deliveries bigint NOT NULL, \
         attempts bigint NOT NULL, rejects bigint NOT NULL)"
    );
    transaction.batch_execute(&note).await?;
    let note = format!("INSERT INTO {NEXT}.rebuild VALUES ($1, $2, $3, $4)");
    transaction
        .execute(&note, &[&kept.before, &kept.deliveries, &kept.attempts, &kept.rejects])
        .await?;
    transaction.commit().await.context("begin the rebuild")
}

/// The function makes a day's tables as the live one does, and says of each what its rows are,
/// so that PostgreSQL need not read them when they change their parent.
fn tables_sql(live: &str) -> String {
    let table = |name: &str, rest: &str| {
        format!("CREATE TABLE {NEXT}.{name} (LIKE {live}.{name} INCLUDING ALL) {rest};\n")
    };
    let by_day = "PARTITION BY RANGE (accepted_at)";
    [
        format!("DROP SCHEMA IF EXISTS {NEXT} CASCADE; CREATE SCHEMA {NEXT};\n"),
        table("deliveries", by_day),
        table("delivery_attempts", by_day),
        table("projector_offsets", ""),
        table("projector_rejects", ""),
        format!(
            "CREATE FUNCTION {NEXT}.create_delivery_partitions(day date) RETURNS void
            LANGUAGE plpgsql SET search_path = {NEXT} AS $f$
            DECLARE
                parent text;
                child text;
            BEGIN
                PERFORM {live}.create_delivery_partitions(day);
                FOREACH parent IN ARRAY ARRAY['deliveries', 'delivery_attempts'] LOOP
                    child := parent || to_char(day, '\"_y\"YYYY\"m\"MM\"d\"DD');
                    IF NOT EXISTS (
                        SELECT FROM pg_constraint
                        WHERE conrelid = to_regclass(child) AND conname = 'one_day'
                    ) THEN
                        EXECUTE format(
                            'ALTER TABLE %I ADD CONSTRAINT one_day \
                                CHECK (accepted_at >= %L AND accepted_at < %L)',
                            child,
                            day::timestamp AT TIME ZONE 'UTC',
                            (day + 1)::timestamp AT TIME ZONE 'UTC');
                    END IF;
                END LOOP;
            END $f$;"
        ),
    ]
    .concat()
}

/// Every day that the live projection has tables for, from the first that is kept on.
async fn make_days(transaction: &Transaction<'_>, live: &str, from: Date) -> anyhow::Result<()> {
    let live = format!("'{live}'::regnamespace");
    let tables = day_partitions::tables(&**transaction, &live).await;
    let tables = tables.context("ask which days there are")?;
    let days: BTreeSet<Date> = tables.iter().map(|table| table.day).collect();
    let make = format!("SELECT {NEXT}.create_delivery_partitions($1)");
    for day in days.range(from..) {
        transaction.execute(&make, &[day]).await.context("make the tables of a day")?;
    }
    Ok(())
}

/// Makes the days that have come since the rebuild began, so that the live ones are no more.
pub(super) async fn make_live_days(
    client: &mut ClientWrapper,
    Schemas { live }: &Schemas,
) -> anyhow::Result<()> {
    let transaction = client.transaction().await.context("make the days that have come")?;
    let made = day_partitions::tables(&*transaction, NEXT_SCHEMA).await?;
    if let Some(first) = made.first() {
        make_days(&transaction, live, first.day).await?;
    }
    transaction.commit().await.context("make the days that have come")
}

/// Copies what the log does not tell.
async fn keep(
    transaction: &Transaction<'_>,
    live: &str,
    log: &BTreeMap<PartitionName, Range<i64>>,
    outcomes: &str,
    cuts: &Cuts,
    from: Timestamp,
) -> anyhow::Result<Kept> {
    let Some(before) = cuts.latest() else { return Ok(Kept::default()) };
    let subscriptions = format!("SELECT id FROM {live}.subscriptions");
    let subscriptions = transaction.query(&subscriptions, &[]).await?;
    let ids: Vec<Uuid> = subscriptions.iter().map(|row| row.get(0)).collect();
    let cuts: Vec<Option<Timestamp>> = ids.iter().map(|id| cuts.of(*id)).collect();
    let copy = format!(
        "INSERT INTO {NEXT}.deliveries SELECT known.* FROM {live}.deliveries AS known \
         LEFT JOIN UNNEST($1::uuid[], $2::timestamptz[]) AS cut (subscription_id, at) \
            ON cut.subscription_id = known.subscription_id \
         WHERE known.accepted_at >= $4 AND known.accepted_at < \
            CASE WHEN cut.subscription_id IS NULL THEN $3 ELSE cut.at END"
    );
    let deliveries = transaction
        .execute(&copy, &[&ids, &cuts, &before, &from])
        .await
        .context("keep the rows of deliveries")?;
    let (topics, partitions, starts) = places(log, |bounds| bounds.start);
    let copy = format!(
        "INSERT INTO {NEXT}.delivery_attempts SELECT known.* \
         FROM {live}.delivery_attempts AS known \
         JOIN UNNEST($1::text[], $2::int[], $3::bigint[]) AS log (topic, partition, starts_at) \
            ON log.partition = known.outcome_partition \
            AND known.outcome_offset < log.starts_at \
         WHERE log.topic = $4 AND known.accepted_at >= $5"
    );
    let attempts = transaction
        .execute(&copy, &[&topics, &partitions, &starts, &outcomes, &from])
        .await
        .context("keep the rows of attempts")?;
    let copy = format!(
        "INSERT INTO {NEXT}.projector_rejects SELECT known.* \
         FROM {live}.projector_rejects AS known \
         JOIN UNNEST($1::text[], $2::int[], $3::bigint[]) AS log (topic, partition, starts_at) \
            USING (topic, partition) WHERE known.record_offset < log.starts_at"
    );
    let rejects = transaction
        .execute(&copy, &[&topics, &partitions, &starts])
        .await
        .context("keep what was set aside")?;
    Ok(Kept {
        before: Some(before),
        deliveries: deliveries as i64,
        attempts: attempts as i64,
        rejects: rejects as i64,
    })
}

type Columns = (Vec<String>, Vec<i32>, Vec<i64>);

fn places(log: &BTreeMap<PartitionName, Range<i64>>, of: impl Fn(&Range<i64>) -> i64) -> Columns {
    let topics = log.keys().map(|(topic, _)| topic.to_string()).collect();
    let partitions = log.keys().map(|(_, partition)| *partition).collect();
    (topics, partitions, log.values().map(of).collect())
}

async fn note_offsets(
    transaction: &Transaction<'_>,
    log: &BTreeMap<PartitionName, Range<i64>>,
) -> anyhow::Result<()> {
    let (topics, partitions, starts) = places(log, |bounds| bounds.start);
    let sql = format!(
        "INSERT INTO {NEXT}.projector_offsets (topic, partition, next_offset) \
         SELECT * FROM UNNEST($1::text[], $2::int[], $3::bigint[])"
    );
    transaction.execute(&sql, &[&topics, &partitions, &starts]).await.context("note offsets")?;
    Ok(())
}

/// What was kept when it was begun.
pub(super) async fn kept(client: &ClientWrapper) -> anyhow::Result<Kept> {
    let sql = format!("SELECT kept_before, deliveries, attempts, rejects FROM {NEXT}.rebuild");
    let row = client.query_one(&sql, &[]).await.context("read what was kept")?;
    Ok(Kept {
        before: row.get(0),
        deliveries: row.get(1),
        attempts: row.get(2),
        rejects: row.get(3),
    })
}

/// How far the new projection is.
pub(super) async fn positions(
    client: &ClientWrapper,
) -> anyhow::Result<BTreeMap<PartitionName, i64>> {
    let sql = format!("SELECT topic, partition, next_offset FROM {NEXT}.projector_offsets");
    let rows = client.query(&sql, &[]).await.context("read how far the rebuild is")?;
    let position =
        |row: &tokio_postgres::Row| ((Arc::from(row.get::<_, &str>(0)), row.get(1)), row.get(2));
    Ok(rows.iter().map(position).collect())
}
