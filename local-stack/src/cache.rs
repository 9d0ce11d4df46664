//! The cache of downloaded artifacts: per user, outside the repository, used offline.
//!
//! A file is hashed each time before it is used, so what runs is what the lock files pin,
//! whoever wrote into the cache. One file lock serialises first downloads.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::unistd::geteuid;
use sha2::{Digest, Sha256};

use crate::account::open_to_all;
use crate::artifact::{self, Artifact};
use crate::download;
use crate::postgres_bundle;
use crate::wait::eventually;

/// Overrides the cache folder.
pub const CACHE_VARIABLE: &str = "HOOKLOG_CACHE_DIR";
const ROOT_CACHE: &str = "/var/cache/hooklog";
/// How long a process waits for another one's first download.
const LOCK_BOUND: Duration = Duration::from_secs(900);
const HASH_BUFFER_BYTES: usize = 256 * 1024;

/// Why the pinned files are not there.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// Neither the override nor a home folder is set.
    #[error("there is no folder for downloads: set {CACHE_VARIABLE} (or HOME)")]
    NoFolder,
    /// A folder or file of the cache cannot be written or read.
    #[error("{}", describe_io(path, source))]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another process has held the lock for too long.
    #[error(
        "another process has been filling {} for {} minutes: wait for it or end it",
        .0.display(),
        LOCK_BOUND.as_secs() / 60
    )]
    Locked(PathBuf),
    /// No PostgreSQL bundle is pinned for this kind of machine.
    #[error("there is no PostgreSQL bundle for this platform ({0}); run on Linux or macOS")]
    Platform(String),
    /// A download failed.
    #[error(transparent)]
    Download(#[from] download::DownloadError),
    /// The PostgreSQL bundle could not be unpacked.
    #[error("unpack {}", path.display())]
    Unpack {
        /// The bundle.
        path: PathBuf,
        /// What the unpacker said.
        source: io::Error,
    },
}

fn describe_io(path: &Path, source: &io::Error) -> String {
    match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => format!(
            "the disk is full at {}: free 300 MB there, or set {CACHE_VARIABLE} to a folder on \
             another disk",
            path.display()
        ),
        io::ErrorKind::PermissionDenied => format!(
            "{} may not be written: set {CACHE_VARIABLE} to a folder of your own",
            path.display()
        ),
        _ => format!("use the cache at {}", path.display()),
    }
}

/// Everything a stack is started from, verified.
#[derive(Clone, Debug)]
pub struct Installation {
    /// Kafka's class path, in the order of the lock file.
    pub kafka_jars: Vec<PathBuf>,
    /// PostgreSQL's unpacked bundle, with `bin/`, `lib/` and `share/`.
    pub postgres_home: PathBuf,
}

/// Verifies the cache and downloads what is missing, showing progress on standard error.
///
/// Blocks; safe to call from an async context's blocking section only. Without network it
/// succeeds once everything has been downloaded.
pub fn install() -> Result<Installation, CacheError> {
    install_in(&folder()?)
}

fn install_in(folder: &Path) -> Result<Installation, CacheError> {
    let io_error = |path: &Path| {
        let path = path.to_owned();
        move |source| CacheError::Io { path, source }
    };
    let postgres = artifact::postgres().ok_or_else(|| {
        CacheError::Platform(format!("{}-{}", std::env::consts::OS, std::env::consts::ARCH))
    })?;
    let kafka = artifact::kafka();
    make(folder).map_err(io_error(folder))?;
    let _lock = lock(folder)?;

    let repository = folder.join("maven");
    let postgres_home = folder.join(format!("postgres-{}", &postgres.sha256[..16]));
    let mut wanted: Vec<&Artifact> = kafka.iter().collect();
    if !postgres_home.exists() {
        wanted.push(&postgres);
    }
    let mut missing = Vec::new();
    for artifact in wanted {
        let path = repository.join(artifact.path());
        if !is_intact(&path, artifact).map_err(io_error(&path))? {
            missing.push(artifact.clone());
        }
    }
    if !missing.is_empty() {
        download::fetch(&missing, &repository)?;
    }
    if !postgres_home.exists() {
        let bundle = repository.join(postgres.path());
        postgres_bundle::unpack(&bundle, &postgres_home)
            .map_err(|source| CacheError::Unpack { path: bundle, source })?;
    }
    Ok(Installation {
        kafka_jars: kafka.iter().map(|jar| repository.join(jar.path())).collect(),
        postgres_home,
    })
}

/// The cache folder: the override, root's, or the user's.
fn folder() -> Result<PathBuf, CacheError> {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(folder) = set(CACHE_VARIABLE) {
        return std::path::absolute(&folder)
            .map_err(|source| CacheError::Io { path: folder, source });
    }
    if geteuid().is_root() {
        // A home folder is closed to `nobody`, who runs PostgreSQL.
        return Ok(PathBuf::from(ROOT_CACHE));
    }
    set("XDG_CACHE_HOME")
        .or_else(|| set("HOME").map(|home| home.join(".cache")))
        .map(|base| base.join("hooklog"))
        .ok_or(CacheError::NoFolder)
}

fn make(folder: &Path) -> io::Result<()> {
    if geteuid().is_root() { open_to_all(folder) } else { fs::create_dir_all(folder) }
}

fn lock(folder: &Path) -> Result<File, CacheError> {
    let path = folder.join("lock");
    let fail = |source| CacheError::Io { path: path.clone(), source };
    let file = File::create(&path).map_err(fail)?;
    let locked = eventually(LOCK_BOUND, || match file.try_lock() {
        Ok(()) => Some(Ok(())),
        Err(TryLockError::WouldBlock) => None,
        Err(TryLockError::Error(source)) => Some(Err(source)),
    });
    match locked {
        Some(outcome) => outcome.map_err(fail)?,
        None => return Err(CacheError::Locked(folder.to_owned())),
    }
    Ok(file)
}

/// Whether the file is there with the pinned size and sum. A wrong file is not an error: it
/// is downloaded again, and only a download with a wrong sum is refused.
fn is_intact(path: &Path, artifact: &Artifact) -> io::Result<bool> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    if file.metadata()?.len() != artifact.bytes {
        return Ok(false);
    }
    let mut hash = Sha256::new();
    let mut buffer = vec![0; HASH_BUFFER_BYTES];
    loop {
        match file.read(&mut buffer)? {
            0 => break,
            read => hash.update(&buffer[..read]),
        }
    }
    Ok(hex::encode(hash.finalize()) == artifact.sha256)
}
