//! The connection pool.

use std::time::Duration;

use anyhow::Context;
use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod, Runtime};
use tokio_postgres::NoTls;

use crate::DatabaseSettings;

/// For a free connection, when all are in use.
const WAIT_TIMEOUT: Duration = Duration::from_secs(5);
/// For a new connection, all addresses together.
const CREATE_TIMEOUT: Duration = Duration::from_secs(5);
/// For the look at a used connection before it is given out again.
const RECYCLE_TIMEOUT: Duration = Duration::from_secs(5);

/// A pool that opens its connections when they are asked for: it can be made while PostgreSQL
/// is away.
///
/// Taking a connection takes at most five seconds, then it is an error.
///
/// # Errors
/// Settings that no pool can be made of.
pub fn pool(settings: &DatabaseSettings) -> anyhow::Result<Pool> {
    // Fast: a connection that is known to be closed is replaced; another round trip per use
    // would not protect from one that breaks a moment later.
    let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
    let manager = Manager::from_config(settings.config().clone(), NoTls, recycling);
    Pool::builder(manager)
        .max_size(settings.connections())
        .runtime(Runtime::Tokio1)
        .wait_timeout(Some(WAIT_TIMEOUT))
        .create_timeout(Some(CREATE_TIMEOUT))
        .recycle_timeout(Some(RECYCLE_TIMEOUT))
        .build()
        .context("build the database pool")
}
