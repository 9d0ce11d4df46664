//! `hooklog migrate`: the schema of this version.

use std::io::Write;
use std::process::ExitCode;

use database::DatabaseSettings;
use settings::Environment;

/// `EX_USAGE` of sysexits.h, as for every process of hooklog.
const BAD_SETTINGS: u8 = 64;

pub(crate) fn run() -> ExitCode {
    let mut said = std::io::stderr();
    let env = Environment::from_process();
    let settings = match env.and_then(|env| DatabaseSettings::from_environment(&env)) {
        Ok(settings) => settings,
        Err(error) => {
            let _ = writeln!(said, "hooklog: {error}");
            return ExitCode::from(BAD_SETTINGS);
        }
    };
    let migrated = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(anyhow::Error::from)
        .and_then(|runtime| runtime.block_on(database::migrate(&settings)));
    match migrated {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(said, "hooklog: {error:#}; is DATABASE_URL right and PostgreSQL up?");
            ExitCode::FAILURE
        }
    }
}
