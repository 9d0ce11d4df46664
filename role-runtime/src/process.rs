//! The life of a process: settings are judged before any port is bound, roles run until a
//! signal or until one of them ends, and the end is bounded.

use std::future::Future;
use std::io::Write;
use std::net::SocketAddr;
use std::pin::Pin;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use settings::{Environment, SettingError};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::{Readiness, ReadyFlag, logging, operations};

/// `EX_USAGE` of sysexits.h: the settings are wrong, and starting again will not help.
const BAD_SETTINGS: u8 = 64;
/// Longer than any role's drain; whatever is left then is repeated after the next start.
const LAST_MOMENT: Duration = Duration::from_secs(12);

type RoleFuture = Pin<Box<dyn Future<Output = anyhow::Result<()>> + Send>>;

/// One role of this process, configured and not yet started.
pub struct Role {
    name: &'static str,
    start: Box<dyn FnOnce(ReadyFlag, CancellationToken) -> RoleFuture + Send>,
}

impl Role {
    /// `run` is the role's own `run` with its config bound.
    pub fn new<F>(
        name: &'static str,
        run: impl FnOnce(ReadyFlag, CancellationToken) -> F + Send + 'static,
    ) -> Self
    where
        F: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        Self { name, start: Box::new(move |ready, shutdown| Box::pin(run(ready, shutdown))) }
    }
}

/// Runs the roles that `configure` makes of the environment, until SIGTERM or SIGINT, or until
/// one of them ends. Exits with 64 if a setting is wrong, 1 if a role failed.
pub fn run_process(
    configure: impl FnOnce(&Environment) -> Result<Vec<Role>, SettingError>,
) -> ExitCode {
    let configured = Environment::from_process().and_then(|env| {
        let ops_listen: SocketAddr =
            env.parsed("HOOKLOG_OPS_LISTEN", "a socket address such as 127.0.0.1:8001")?;
        let roles = configure(&env)?;
        logging::start(&env)?;
        Ok((ops_listen, roles))
    });
    let (ops_listen, roles) = match configured {
        Ok(configured) => configured,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "hooklog: {error}");
            return ExitCode::from(BAD_SETTINGS);
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(%error, "start the async runtime");
            return ExitCode::FAILURE;
        }
    };
    let ended = runtime.block_on(run(ops_listen, roles));
    // Tasks that are still running have had their time: they are dropped, not waited for.
    runtime.shutdown_background();
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = format!("{error:#}"), "stopped");
            ExitCode::FAILURE
        }
    }
}

async fn run(ops_listen: SocketAddr, roles: Vec<Role>) -> anyhow::Result<()> {
    let shutdown = CancellationToken::new();
    let readiness = Readiness::default();
    let listener = TcpListener::bind(ops_listen)
        .await
        .with_context(|| format!("bind {ops_listen} (HOOKLOG_OPS_LISTEN)"))?;
    let mut running = JoinSet::new();
    for role in roles {
        let started = (role.start)(readiness.flag(role.name), shutdown.clone());
        running.spawn(async move { started.await.with_context(|| role.name) });
    }
    readiness.show();
    readiness.page().show_process(env!("CARGO_PKG_VERSION"));
    // The operations listener outlives the roles' drain, so that it can be watched.
    let ops = tokio::spawn(operations::serve(listener, readiness, CancellationToken::new()));

    let mut terminate = signal(SignalKind::terminate()).context("listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("listen for SIGINT")?;
    let first = tokio::select! {
        _ = terminate.recv() => None,
        _ = interrupt.recv() => None,
        ended = running.join_next() => ended,
    };
    tracing::info!("shutting down");
    shutdown.cancel();
    let first = first.map(|ended| {
        let ended = ended.context("a role has died").flatten();
        ended.and_then(|()| anyhow::bail!("a role ended by itself"))
    });
    let rest = async {
        let mut result = Ok(());
        while let Some(ended) = running.join_next().await {
            result = result.and(ended.context("a role has died").flatten());
        }
        result
    };
    let rest = tokio::time::timeout(LAST_MOMENT, rest).await.unwrap_or_else(|_| {
        tracing::warn!("not everything ended in time; the rest is repeated after the next start");
        Ok(())
    });
    ops.abort();
    first.unwrap_or(Ok(())).and(rest)
}
