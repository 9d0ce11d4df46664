//! `hooklog completions`: for a shell to source.

use clap_complete::Shell;

use crate::cli::failure::Failure;
use crate::cli::screen::Screen;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    shell: Shell,
}

pub(crate) fn run(arguments: &Arguments, mut whole: clap::Command) -> Result<(), Failure> {
    // Into memory first: the library panics if it cannot write.
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut whole, "hooklog", &mut script);
    Screen::new(false).print(&String::from_utf8_lossy(&script))
}
