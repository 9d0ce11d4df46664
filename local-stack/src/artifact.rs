//! The lock files: which files a stack is made of, and what their bytes must be.
//!
//! Pure. The lists are compiled in, so a binary and its pins can never drift apart.

use std::path::PathBuf;

/// One pinned file of a Maven-layout repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Artifact {
    group: String,
    name: String,
    version: String,
    /// Lowercase hex SHA-256 of the whole file.
    pub sha256: String,
    /// Size in bytes; tells a truncated file before it is hashed.
    pub bytes: u64,
}

impl Artifact {
    /// The path below a repository's base, and below the cache's `maven` folder.
    pub fn path(&self) -> PathBuf {
        let mut path = PathBuf::new();
        path.extend(self.group.split('.'));
        path.push(&self.name);
        path.push(&self.version);
        path.push(self.file_name());
        path
    }

    /// `name-version.jar`.
    pub fn file_name(&self) -> String {
        format!("{}-{}.jar", self.name, self.version)
    }
}

/// Every jar on Kafka's class path.
pub fn kafka() -> Vec<Artifact> {
    parse(include_str!("../artifacts/kafka.lock"))
}

/// The PostgreSQL bundle of this machine's platform, or `None` where there is none.
pub fn postgres() -> Option<Artifact> {
    let platform = match (std::env::consts::OS, std::env::consts::ARCH) {
        ("linux", "x86_64") => "linux-amd64",
        ("linux", "aarch64") => "linux-arm64v8",
        ("macos", "x86_64") => "darwin-amd64",
        ("macos", "aarch64") => "darwin-arm64v8",
        _ => return None,
    };
    parse(include_str!("../artifacts/postgres.lock"))
        .into_iter()
        .find(|artifact| artifact.name.ends_with(platform))
}

/// Lines that are not of the form are a mistake in a file that is compiled in, so they are
/// dropped here and caught by `every_line_of_both_lock_files_is_understood`.
fn parse(lock: &str) -> Vec<Artifact> {
    entries(lock).filter_map(parse_line).collect()
}

fn entries(lock: &str) -> impl Iterator<Item = &str> {
    lock.lines().filter(|line| !line.is_empty() && !line.starts_with('#'))
}

fn parse_line(line: &str) -> Option<Artifact> {
    let mut fields = line.split(' ');
    let mut coordinate = fields.next()?.split(':');
    let artifact = Artifact {
        group: coordinate.next()?.to_owned(),
        name: coordinate.next()?.to_owned(),
        version: coordinate.next()?.to_owned(),
        sha256: fields.next().filter(|sum| sum.len() == 64)?.to_owned(),
        bytes: fields.next()?.parse().ok()?,
    };
    (coordinate.next().is_none() && fields.next().is_none()).then_some(artifact)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_both_lock_files_is_understood() {
        for lock in
            [include_str!("../artifacts/kafka.lock"), include_str!("../artifacts/postgres.lock")]
        {
            assert!(entries(lock).count() > 0);
            for line in entries(lock) {
                assert!(parse_line(line).is_some(), "{line}");
            }
        }
    }

    #[test]
    fn a_coordinate_becomes_a_repository_path() {
        let artifact = parse_line(&format!("org.slf4j:slf4j-api:1.7.36 {} 7", "0".repeat(64)))
            .expect("a well-formed line");
        assert_eq!(
            artifact.path(),
            PathBuf::from("org/slf4j/slf4j-api/1.7.36/slf4j-api-1.7.36.jar")
        );
    }
}
