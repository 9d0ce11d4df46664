//! Statements on the pool, each with a bound on its time.

use std::time::Duration;

use deadpool_postgres::{Object, Pool, PoolError};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

/// How long one statement may take, beside the wait for a connection.
pub(crate) const STATEMENT_TIMEOUT: Duration = Duration::from_secs(5);

/// Why Postgres did not answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StorageError {
    #[error("no connection to PostgreSQL")]
    NoConnection(#[source] PoolError),
    #[error("PostgreSQL did not carry out a statement")]
    Statement(#[from] tokio_postgres::Error),
    #[error("PostgreSQL did not answer in time")]
    Timeout,
    #[error("PostgreSQL returned no row where there must be one")]
    NoRow,
}

/// Runs statements on whichever connection is free.
#[derive(Debug, Clone)]
pub(crate) struct Storage {
    pool: Pool,
}

impl Storage {
    pub(crate) fn new(pool: Pool) -> Self {
        Self { pool }
    }

    /// Runs one statement, which is one transaction.
    ///
    /// # Errors
    /// [`StorageError`]; whether a change was made is then not known.
    pub(crate) async fn query(
        &self,
        sql: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, StorageError> {
        let client = self.pool.get().await.map_err(StorageError::NoConnection)?;
        let answer = async {
            let statement = client.prepare_cached(sql).await?;
            client.query(&statement, parameters).await
        };
        match tokio::time::timeout(STATEMENT_TIMEOUT, answer).await {
            Ok(answer) => Ok(answer?),
            Err(_) => {
                // The next user would wait behind this statement: the connection is closed.
                drop(Object::take(client));
                Err(StorageError::Timeout)
            }
        }
    }

    /// A connection that the pool gives away for good.
    ///
    /// # Errors
    /// [`StorageError::NoConnection`].
    pub(crate) async fn dedicated(&self) -> Result<deadpool_postgres::ClientWrapper, StorageError> {
        self.pool.get().await.map(Object::take).map_err(StorageError::NoConnection)
    }
}
