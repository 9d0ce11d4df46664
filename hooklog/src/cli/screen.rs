//! Where a command's words go: results to stdout, everything about them to stderr.

use std::io::{self, ErrorKind, IsTerminal as _, Write as _};

use crate::cli::failure::Failure;
use crate::cli::harmless;

#[derive(Debug, Clone, Copy)]
pub(crate) struct Screen {
    /// JSON is wanted instead of words.
    pub json: bool,
    /// Escape sequences for colours are wanted: stdout is a terminal and nobody objects
    /// (<https://no-color.org>).
    pub colour: bool,
}

impl Screen {
    pub(crate) fn new(json: bool) -> Self {
        let variable = |name| std::env::var_os(name).unwrap_or_default();
        let is_wanted = variable("NO_COLOR").is_empty() && variable("TERM") != "dumb";
        Self { json, colour: is_wanted && io::stdout().is_terminal() }
    }

    /// Prints a result at once.
    ///
    /// # Errors
    /// [`Failure::Closed`] if the reader has gone, [`Failure::Local`] if it cannot be written.
    pub(crate) fn print(self, text: &str) -> Result<(), Failure> {
        let mut out = io::stdout().lock();
        let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
        written.map_err(|error| match error.kind() {
            ErrorKind::BrokenPipe => Failure::Closed,
            _ => Failure::Local(error),
        })
    }

    /// Prints a JSON text as one line.
    ///
    /// # Errors
    /// As [`Screen::print`].
    pub(crate) fn print_json(self, text: &str) -> Result<(), Failure> {
        self.print(&format!("{}\n", harmless::json(text.trim())))
    }

    /// Tells a person something that is no result.
    pub(crate) fn tell(line: &str) {
        // Nobody is there to be told that nobody was told.
        let _ = writeln!(io::stderr(), "{line}");
    }

    /// Shows a line that the next one takes the place of: on a terminal only.
    pub(crate) fn progress(line: &str) -> bool {
        let mut said = io::stderr();
        said.is_terminal() && write!(said, "\r\u{1b}[K{line}").and_then(|()| said.flush()).is_ok()
    }
}
