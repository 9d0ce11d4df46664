//! Log lines on standard error, pretty or JSON.

use std::io::IsTerminal;

use settings::{Environment, SettingError};
use tracing_subscriber::EnvFilter;

/// Starts logging; the first caller in a process wins.
pub(crate) fn start(env: &Environment) -> Result<(), SettingError> {
    let filter = EnvFilter::try_new(env.text("HOOKLOG_LOG")).map_err(|_| {
        env.invalid("HOOKLOG_LOG", "a filter such as info or info,delivery_consumer=debug")
    })?;
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    let started = match env.text("HOOKLOG_LOG_FORMAT") {
        "json" => lines.json().flatten_event(true).try_init(),
        "pretty" => lines.with_target(true).try_init(),
        _ => return Err(env.invalid("HOOKLOG_LOG_FORMAT", "pretty or json")),
    };
    // Another logger is there already when several processes' parts share a test process.
    let _ = started;
    Ok(())
}
