//! The tables' side of the evidence.

use std::collections::BTreeMap;

use anyhow::Context;
use pipeline::ids::DeliveryId;
use tokio_postgres::{Client, NoTls};
use uuid::Uuid;

use crate::evidence::{Digests, Row};

const ROWS_SQL: &str = "\
    SELECT id, state, attempts, COALESCE(calls, 0) FROM deliveries \
    LEFT JOIN (SELECT delivery_id, count(*) AS calls FROM delivery_attempts GROUP BY 1) AS made \
        ON delivery_id = id";

const DIGESTS_SQL: &str = "\
    SELECT 'deliveries/' || id || '/' || accepted_at, md5(deliveries::text) FROM deliveries \
    UNION ALL \
    SELECT 'attempts/' || delivery_id || '/' || outcome_partition || '/' || outcome_offset, \
        md5(delivery_attempts::text) FROM delivery_attempts \
    UNION ALL \
    SELECT 'rejects/' || topic || '/' || partition || '/' || record_offset, reason \
        FROM projector_rejects";

const OFFSETS_SQL: &str = "SELECT topic, partition, next_offset FROM projector_offsets";

/// Connects; the connection ends with the client.
///
/// # Errors
/// PostgreSQL is away.
pub async fn connect(url: &str) -> anyhow::Result<Client> {
    let (client, connection) =
        tokio_postgres::connect(url, NoTls).await.context("connect to PostgreSQL")?;
    tokio::spawn(connection);
    Ok(client)
}

/// One row per delivery.
///
/// # Errors
/// PostgreSQL is away.
pub async fn rows(client: &Client) -> anyhow::Result<Vec<Row>> {
    let rows = client.query(ROWS_SQL, &[]).await.context("read deliveries")?;
    let row = |row: &tokio_postgres::Row| Row {
        id: DeliveryId::from_uuid(row.get::<_, Uuid>(0)),
        state: row.get(1),
        attempts: row.get(2),
        calls: row.get(3),
    };
    Ok(rows.iter().map(row).collect())
}

/// A digest of every row.
///
/// # Errors
/// PostgreSQL is away.
pub async fn digests(client: &Client) -> anyhow::Result<Digests> {
    let rows = client.query(DIGESTS_SQL, &[]).await.context("read digests")?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

/// How far the projection has come.
///
/// # Errors
/// PostgreSQL is away.
pub async fn positions(client: &Client) -> anyhow::Result<BTreeMap<(String, i32), i64>> {
    let rows = client.query(OFFSETS_SQL, &[]).await.context("read the projection's offsets")?;
    Ok(rows.iter().map(|row| ((row.get(0), row.get(1)), row.get(2))).collect())
}
