//! Brings the schema to the newest version.

use anyhow::Context;
use tokio_postgres::NoTls;

use crate::DatabaseSettings;

/// The advisory lock that migrating processes hold; an arbitrary number of hooklog's own.
const MIGRATION_LOCK: i64 = 0x686f_6f6b_6c6f_6701;
/// For the process that migrates at the same time, and for each table's lock.
const LOCK_TIMEOUT_SQL: &str = "SET lock_timeout = '60s'";

mod embedded {
    refinery::embed_migrations!("../migrations");
}

/// Applies whatever of `migrations/` the database does not have yet.
///
/// Doing it again changes nothing, and several processes may do it at once: one works, the
/// others wait for it, at most a minute. Each migration is a transaction of its own, so a crash
/// leaves a schema of some version, and the next call goes on from there.
///
/// # Errors
/// The database is away, a migration fails, or an applied one was changed since.
pub async fn migrate(settings: &DatabaseSettings) -> anyhow::Result<()> {
    let (mut client, connection) =
        settings.config().connect(NoTls).await.context("connect to PostgreSQL")?;
    let driver = tokio::spawn(connection);
    // The lock belongs to the session: it goes when the connection ends, however that happens.
    client.batch_execute(LOCK_TIMEOUT_SQL).await.context("bound the wait for locks")?;
    client
        .execute("SELECT pg_advisory_lock($1)", &[&MIGRATION_LOCK])
        .await
        .context("wait for another process's migration")?;
    let report = embedded::migrations::runner()
        .run_async(&mut client)
        .await
        .context("migrate the database")?;
    for applied in report.applied_migrations() {
        tracing::info!(migration = %applied, "migrated");
    }
    drop(client);
    driver.await.context("drive the migration's connection")?.context("close the connection")
}
