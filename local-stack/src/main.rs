//! The program behind `./dev up`, `down`, `status` and `test`, and the guard that those
//! start. See the library for what it owns and promises.

mod cli;
mod console;
mod dev_folder;
mod down;
mod interruption;
mod readiness;
mod roles;
mod run;
mod serve;
mod status;
mod try_it;
mod up;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    match cli::Command::parse().run() {
        Ok(code) => code,
        Err(error) => {
            console::complain(&format!("local-stack: {error:#}"));
            ExitCode::FAILURE
        }
    }
}
