//! The tables of the days that occur.
//!
//! There is no default partition: each UTC day has its own tables, made before its first row is
//! written, in a short transaction of their own.

use std::collections::BTreeSet;

use deadpool_postgres::Client;
use jiff::civil::Date;
use tokio_postgres::GenericClient;

use crate::days::{DayTable, Tie};

/// The tables are made under a lock that readers do not hold; retention may.
const BOUNDS_SQL: &str = "SET LOCAL lock_timeout = '5s'; SET LOCAL statement_timeout = '15s'";

/// Those of days are told apart from others by their names.
const TABLES_SQL: &str = "\
    SELECT child.relname, tie.inhrelid IS NOT NULL, COALESCE(tie.inhdetachpending, false) \
    FROM pg_class AS child LEFT JOIN pg_inherits AS tie ON tie.inhrelid = child.oid \
    WHERE child.relkind = 'r' AND child.relnamespace = ";

/// The tables of days that are in a schema, which is given as an expression for its oid.
pub(crate) async fn tables(
    client: &impl GenericClient,
    schema: &str,
) -> Result<Vec<DayTable>, tokio_postgres::Error> {
    let rows = client.query(&format!("{TABLES_SQL}{schema}"), &[]).await?;
    let table = |row: &tokio_postgres::Row| {
        let tie = match (row.get(1), row.get(2)) {
            (true, false) => Tie::Attached,
            (true, true) => Tie::Detaching,
            (false, _) => Tie::Loose,
        };
        DayTable::named(row.get(0), tie)
    };
    let mut tables: Vec<DayTable> = rows.iter().filter_map(table).collect();
    tables.sort_by_key(|table| (table.day, table.parent));
    Ok(tables)
}

/// The days whose tables are known to be there.
#[derive(Debug, Default)]
pub(crate) struct DayPartitions {
    known: BTreeSet<Date>,
}

impl DayPartitions {
    /// Makes what is missing for `days`.
    pub async fn ensure(
        &mut self,
        client: &mut Client,
        days: impl Iterator<Item = Date>,
    ) -> Result<(), tokio_postgres::Error> {
        let missing: BTreeSet<Date> = days.filter(|day| !self.known.contains(day)).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let transaction = client.transaction().await?;
        transaction.batch_execute(BOUNDS_SQL).await?;
        for day in &missing {
            transaction.execute("SELECT create_delivery_partitions($1)", &[day]).await?;
        }
        transaction.commit().await?;
        self.known.extend(missing);
        Ok(())
    }

    /// Takes nothing for granted any more: somebody may have dropped a day.
    pub fn doubt(&mut self) {
        self.known.clear();
    }
}
