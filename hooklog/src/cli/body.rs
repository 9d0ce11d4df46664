//! The body of an event: an argument, a file, or stdin.

use std::fs::File;
use std::io::{self, IsTerminal as _, Read};

use crate::cli::failure::Failure;

/// As much as a batch may have by default, and a single body never.
const MAX_BODY: u64 = 64 << 20;

#[derive(Debug, clap::Args)]
pub(crate) struct BodyArguments {
    /// The body; - or nothing reads stdin.
    body: Option<String>,
    /// Read the body from a file.
    #[arg(long, value_name = "FILE", conflicts_with = "body")]
    file: Option<String>,
}

impl BodyArguments {
    /// The bytes as they are.
    ///
    /// # Errors
    /// [`Failure::Usage`]: there is none, or it cannot be read, or it is larger than 64 MiB.
    pub(crate) fn read(&self) -> Result<Vec<u8>, Failure> {
        match (&self.body, &self.file) {
            (Some(body), _) if body != "-" => Ok(body.clone().into_bytes()),
            (None, Some(file)) => file_or_stdin(file),
            (None, None) if io::stdin().is_terminal() => Err(Failure::Usage(
                "there is no body: give it as an argument, with --file, or through a pipe".into(),
            )),
            _ => file_or_stdin("-"),
        }
    }
}

/// All of a file, or of stdin for `-`.
///
/// # Errors
/// [`Failure::Usage`]: it cannot be read, or is larger than 64 MiB.
pub(crate) fn file_or_stdin(name: &str) -> Result<Vec<u8>, Failure> {
    let read = |from: &mut dyn Read| {
        let mut bytes = Vec::new();
        from.take(MAX_BODY + 1).read_to_end(&mut bytes).map(|_| bytes)
    };
    let bytes = match name {
        "-" => read(&mut io::stdin().lock()),
        _ => File::open(name).and_then(|mut file| read(&mut file)),
    };
    let bytes = bytes.map_err(|error| Failure::Usage(format!("cannot read {name}: {error}")))?;
    if bytes.len() as u64 > MAX_BODY {
        return Err(Failure::Usage(format!("{name} is larger than {} MiB", MAX_BODY >> 20)));
    }
    Ok(bytes)
}
