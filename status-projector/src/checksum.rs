//! One number for the rows of a projection, so that two of them can be compared.
//!
//! The sum of the hashes of all rows, modulo 2^64: neither the order of rows nor where they lie
//! changes it, and a row that is there twice counts twice. What differs by design is left out:
//! when and with which words a record was set aside. Two projections are equal only at equal
//! offsets, which are told beside it.

use anyhow::Context;
use deadpool_postgres::Pool;
use serde::Serialize;
use tokio_postgres::{GenericClient, IsolationLevel};

/// A table whose rows count.
struct Table {
    name: &'static str,
    /// The columns that differ by design. All others count, in the order of their names.
    without: &'static [&'static str],
    /// The expression for a row's day.
    day: &'static str,
}

const ACCEPTED: &str = "to_char(accepted_at AT TIME ZONE 'UTC', 'YYYY-MM-DD')";

const TABLES: [Table; 3] = [
    Table { name: "deliveries", without: &[], day: ACCEPTED },
    Table { name: "delivery_attempts", without: &[], day: ACCEPTED },
    Table { name: "projector_rejects", without: &["reason", "rejected_at"], day: "NULL::text" },
];

const COLUMNS_SQL: &str = "\
    SELECT string_agg(quote_ident(attname), ', ' ORDER BY attname) FROM pg_attribute \
    WHERE attrelid = $1::text::regclass AND attnum > 0 AND NOT attisdropped \
        AND attname <> ALL($2::text[])";

/// What a projection's rows come to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Checksum {
    pub tables: Vec<TableSum>,
    /// The sum of all next offsets: how many records of the log the rows are made of, if that
    /// began at 0.
    pub next_offsets: i64,
}

/// One table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TableSum {
    pub table: &'static str,
    pub rows: i64,
    /// 16 hexadecimal digits.
    pub checksum: String,
    pub days: Vec<DaySum>,
}

/// The rows of one UTC day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DaySum {
    pub day: String,
    pub rows: i64,
    pub checksum: String,
}

/// Reads all rows of the projection in `schema`, or of the live one, at one moment.
///
/// # Errors
/// PostgreSQL is away, or there is no projection in that schema.
pub async fn checksum(pool: &Pool, schema: Option<&str>) -> anyhow::Result<Checksum> {
    let mut client = pool.get().await.context("connect to PostgreSQL")?;
    let transaction = client
        .build_transaction()
        .isolation_level(IsolationLevel::RepeatableRead)
        .read_only(true)
        .start()
        .await
        .context("begin to read")?;
    let prefix = match schema {
        Some(schema) => format!("\"{}\".", schema.replace('"', "\"\"")),
        None => String::new(),
    };
    let mut tables = Vec::new();
    for table in &TABLES {
        let sum = table.sum(&*transaction, &prefix).await;
        tables.push(sum.with_context(|| format!("read {prefix}{}", table.name))?);
    }
    let sql =
        format!("SELECT COALESCE(sum(next_offset), 0)::bigint FROM {prefix}projector_offsets");
    let next_offsets = transaction.query_one(&sql, &[]).await.context("read the offsets")?.get(0);
    Ok(Checksum { tables, next_offsets })
}

impl Table {
    async fn sum(&self, client: &impl GenericClient, prefix: &str) -> anyhow::Result<TableSum> {
        let Self { name, without, day } = self;
        let columns = client.query_one(COLUMNS_SQL, &[&format!("{prefix}{name}"), without]).await?;
        let columns: String = columns.get(0);
        let sql = format!(
            "SELECT {day} AS day, count(*), \
                sum(hash_record_extended(ROW({columns}), 0)::numeric)::text \
             FROM {prefix}{name} GROUP BY 1 ORDER BY 1"
        );
        let (mut rows, mut total, mut days) = (0, 0_u64, Vec::new());
        for row in client.query(&sql, &[]).await? {
            let (day, count, sum): (Option<String>, i64, String) =
                (row.get(0), row.get(1), row.get(2));
            let sum = sum.parse::<i128>().context("read a sum of hashes")? as u64;
            rows += count;
            total = total.wrapping_add(sum);
            days.extend(day.map(|day| DaySum { day, rows: count, checksum: hex(sum) }));
        }
        Ok(TableSum { table: name, rows, checksum: hex(total), days })
    }
}

fn hex(sum: u64) -> String {
    format!("{sum:016x}")
}
