//! A role, or a part of one, in the test's own process.

use std::future::Future;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// More than any role may take to drain.
const ENDS_WITHIN: Duration = Duration::from_secs(60);

/// Something that runs until it is stopped.
#[derive(Debug)]
pub struct Running {
    shutdown: CancellationToken,
    task: JoinHandle<anyhow::Result<()>>,
}

impl Running {
    /// Runs what `run` makes of the token that ends it.
    pub fn start<F>(run: impl FnOnce(CancellationToken) -> F) -> Self
    where
        F: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        let shutdown = CancellationToken::new();
        let task = tokio::spawn(run(shutdown.clone()));
        Self { shutdown, task }
    }

    /// Asks it to end, as a signal would.
    pub fn shut_down(&self) {
        self.shutdown.cancel();
    }

    /// Waits until it ends, by itself or because it was asked to; says how.
    pub async fn ended(&mut self) -> anyhow::Result<()> {
        let ended = tokio::time::timeout(ENDS_WITHIN, &mut self.task).await;
        ended.expect("it ends in time").expect("it does not panic")
    }

    /// Asks it to end, and waits; it must end well.
    pub async fn stop(mut self) {
        self.shut_down();
        self.ended().await.expect("it ends well");
    }
}
