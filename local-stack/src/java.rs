//! Finds a Java that can run Kafka.

use std::path::PathBuf;
use std::process::{Command, Stdio};

/// The oldest major version that Kafka 4 runs on.
const OLDEST_MAJOR: u32 = 17;

/// Why there is no Java to run Kafka with.
#[derive(Debug, thiserror::Error)]
pub enum JavaError {
    /// None on PATH, none at JAVA_HOME.
    #[error(
        "Kafka needs Java {OLDEST_MAJOR} or newer and there is none: install one (Debian, Ubuntu: \
         apt-get install openjdk-17-jre-headless; macOS: brew install openjdk) or set JAVA_HOME"
    )]
    Missing,
    /// Those that were found are too old.
    #[error(
        "Kafka needs Java {OLDEST_MAJOR} or newer and {} is version {version}: install a newer one \
         or set JAVA_HOME to it", path.display()
    )]
    TooOld {
        /// The program.
        path: PathBuf,
        /// Its major version.
        version: u32,
    },
}

/// The program at JAVA_HOME or else on PATH, if it is new enough.
pub fn find() -> Result<PathBuf, JavaError> {
    let at_home = std::env::var_os("JAVA_HOME")
        .filter(|home| !home.is_empty())
        .map(|home| PathBuf::from(home).join("bin/java"));
    let mut too_old = None;
    for program in at_home.into_iter().chain([PathBuf::from("java")]) {
        match major_version(&program) {
            Some(version) if version >= OLDEST_MAJOR => return Ok(program),
            Some(version) => too_old = Some(JavaError::TooOld { path: program, version }),
            None => {}
        }
    }
    Err(too_old.unwrap_or(JavaError::Missing))
}

fn major_version(program: &PathBuf) -> Option<u32> {
    let output = Command::new(program).arg("-version").stdin(Stdio::null()).output().ok()?;
    parse_major(&String::from_utf8_lossy(&output.stderr))
}

/// Reads `openjdk version "17.0.15" ...`; before 9 the major number came second ("1.8.0").
fn parse_major(text: &str) -> Option<u32> {
    let version = text.split_once("version \"")?.1;
    let mut numbers = version.split(|c: char| !c.is_ascii_digit()).map(|it| it.parse().ok());
    match numbers.next()?? {
        1 => numbers.next()?,
        major => Some(major),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_major_version_is_read_in_old_and_new_spelling() {
        assert_eq!(parse_major("openjdk version \"17.0.15\" 2025-04-15\n"), Some(17));
        assert_eq!(parse_major("Picked up JAVA_TOOL_OPTIONS: x\njava version \"25\""), Some(25));
        assert_eq!(parse_major("java version \"1.8.0_402\""), Some(8));
        assert_eq!(parse_major("The operation couldn't be completed."), None);
    }
}
