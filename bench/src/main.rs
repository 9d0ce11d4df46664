//! `./dev bench`: runs one scenario and prints what it has found.

use std::io::Write;
use std::process::ExitCode;

use bench::scenario::{Common, Scenario};
use clap::Parser;

/// Measures hooklog against itself: the same load with and without some trouble, by turns.
#[derive(Parser)]
#[command(name = "bench", arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    scenario: Scenario,
    #[command(flatten)]
    common: Common,
}

fn main() -> ExitCode {
    let Cli { scenario, common } = Cli::parse();
    let ran = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(anyhow::Error::from)
        .and_then(|runtime| runtime.block_on(scenario.run(&common)))
        .and_then(|report| {
            let text = if common.json {
                format!("{}\n", serde_json::to_string(&report)?)
            } else {
                report.to_string()
            };
            Ok(std::io::stdout().write_all(text.as_bytes())?)
        });
    match ran {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // With no terminal left there is nobody to tell.
            let _ = writeln!(std::io::stderr(), "bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}
