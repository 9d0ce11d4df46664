//! Statements on the pool, each with a bound on its time.

use std::time::Duration;

use deadpool_postgres::{Object, Pool, PoolError};
use tokio_postgres::Row;
use tokio_postgres::error::SqlState;
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
    /// A read was ended by the bound that it was begun with.
    #[error("PostgreSQL had more to read than the time allows")]
    TooMuch,
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

    /// Begins to read: every statement then sees the same moment, and PostgreSQL itself ends one
    /// that takes longer than `bound`.
    ///
    /// # Errors
    /// [`StorageError`].
    pub(crate) async fn reading(&self, bound: Duration) -> Result<Reading, StorageError> {
        let client = self.pool.get().await.map_err(StorageError::NoConnection)?;
        let reading = Reading { client: Some(client) };
        // Each text of a search has its own plan anyway, and no plan is run often enough to be
        // worth compiling.
        let begin = format!(
            "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; \
             SET LOCAL statement_timeout = {}; SET LOCAL plan_cache_mode = force_custom_plan; \
             SET LOCAL jit = off",
            bound.as_millis()
        );
        reading.within(reading.client().batch_execute(&begin)).await?;
        Ok(reading)
    }

    /// A connection that the pool gives away for good.
    ///
    /// # Errors
    /// [`StorageError::NoConnection`].
    pub(crate) async fn dedicated(&self) -> Result<deadpool_postgres::ClientWrapper, StorageError> {
        self.pool.get().await.map(Object::take).map_err(StorageError::NoConnection)
    }
}

/// A transaction that only reads. One that is dropped before its [`Reading::end`] costs its
/// connection.
#[derive(Debug)]
pub(crate) struct Reading {
    /// Taken only at the end.
    client: Option<Object>,
}

impl Reading {
    /// Runs one statement of it.
    ///
    /// # Errors
    /// [`StorageError`]; the transaction is over then.
    pub(crate) async fn query(
        &self,
        sql: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, StorageError> {
        self.within(async {
            let statement = self.client().prepare_cached(sql).await?;
            self.client().query(&statement, parameters).await
        })
        .await
    }

    /// The same for a text of which there may be very many: it is not kept for the next time.
    ///
    /// # Errors
    /// As [`Reading::query`].
    pub(crate) async fn query_once(
        &self,
        sql: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, StorageError> {
        self.within(self.client().query(sql, parameters)).await
    }

    /// Gives the connection back.
    ///
    /// # Errors
    /// [`StorageError`]; what was read is true nevertheless.
    pub(crate) async fn end(mut self) -> Result<(), StorageError> {
        self.within(self.client().batch_execute("COMMIT")).await?;
        self.client = None;
        Ok(())
    }

    fn client(&self) -> &Object {
        self.client.as_ref().unwrap_or_else(|| unreachable!("it is taken only when this is gone"))
    }

    async fn within<T>(
        &self,
        answer: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, StorageError> {
        match tokio::time::timeout(STATEMENT_TIMEOUT, answer).await {
            Ok(Err(error)) if error.code() == Some(&SqlState::QUERY_CANCELED) => {
                Err(StorageError::TooMuch)
            }
            Ok(answer) => Ok(answer?),
            Err(_) => Err(StorageError::Timeout),
        }
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        // The next user would find a transaction under way: the connection is closed.
        drop(self.client.take().map(Object::take));
    }
}
