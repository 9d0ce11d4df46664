//! What a person reads. A reader that has gone away is no reason to stop.

use std::io::{self, Write};

/// A result, on standard output.
pub fn say(text: &str) {
    let _ = writeln!(io::stdout(), "{text}");
}

/// Progress, on standard error.
pub fn note(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// A failure, on standard error.
pub fn complain(text: &str) {
    note(text);
}
