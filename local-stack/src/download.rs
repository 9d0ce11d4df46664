//! Downloads pinned artifacts from a Maven-layout repository, a few at a time.
//!
//! A file appears under its own name only when it is whole and its SHA-256 is the pinned
//! one. Interrupted downloads leave a `.part` file that the next run overwrites.

use std::error::Error;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use reqwest::{Client, Url};
use sha2::{Digest, Sha256};
use tokio::task::JoinSet;

use crate::artifact::Artifact;
use crate::progress::Progress;

/// The repository artifacts come from unless [`REPOSITORY_VARIABLE`] names another.
const DEFAULT_REPOSITORY: &str = "https://repo.maven.apache.org/maven2";
/// Names another repository of Maven layout (a company mirror, say).
pub const REPOSITORY_VARIABLE: &str = "HOOKLOG_ARTIFACT_REPOSITORY";

const PARALLEL_DOWNLOADS: usize = 4;
const TRIES: u32 = 3;
const CONNECT_BOUND: Duration = Duration::from_secs(20);
/// The longest silence of a repository in the middle of a download.
const SILENCE_BOUND: Duration = Duration::from_secs(60);
const PAUSE_BEFORE_ANOTHER_TRY: Duration = Duration::from_secs(1);

/// Why an artifact could not be downloaded.
#[derive(Debug, thiserror::Error)]
pub enum DownloadError {
    /// The variable does not hold an http(s) address.
    #[error("{REPOSITORY_VARIABLE} is not an address: {0}")]
    Repository(String),
    /// The TLS client could not be set up, for example because no root certificates exist.
    #[error("set up HTTPS (are root certificates installed, or SSL_CERT_FILE set?)")]
    Client(#[source] reqwest::Error),
    /// The repository cannot be reached or answered an error.
    #[error(
        "{file} could not be downloaded from {repository}: {reason}; check the network, or set \
         {REPOSITORY_VARIABLE} to a Maven mirror that you can reach"
    )]
    Network {
        /// The file's name.
        file: String,
        /// The repository's address.
        repository: String,
        /// The innermost cause.
        reason: String,
    },
    /// The bytes are not the pinned ones.
    #[error(
        "{file} from {repository} has the wrong checksum (SHA-256 {found}, pinned {pinned}) and \
         was not used: the repository or a proxy changed it; set {REPOSITORY_VARIABLE} to another"
    )]
    Checksum {
        /// The file's name.
        file: String,
        /// The repository's address.
        repository: String,
        /// What was received.
        found: String,
        /// What the lock file says.
        pinned: String,
    },
    /// The file could not be written.
    #[error("{}", describe_write(path, source))]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The download's own thread could not be run.
    #[error("run the downloads")]
    Runtime(#[source] io::Error),
}

fn describe_write(path: &Path, source: &io::Error) -> String {
    if source.kind() == io::ErrorKind::StorageFull {
        format!(
            "the disk is full at {}: free 300 MB there, or set {} to a folder on another disk",
            path.display(),
            crate::cache::CACHE_VARIABLE
        )
    } else {
        format!("write {}", path.display())
    }
}

/// Downloads all of them into `folder`, at their repository paths.
pub fn fetch(artifacts: &[Artifact], folder: &Path) -> Result<(), DownloadError> {
    let base = repository()?;
    // On a thread of its own, so that it also works where the caller's thread already
    // drives an async runtime (an async test that starts a stack).
    std::thread::scope(|scope| {
        let download = scope.spawn(|| {
            tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .map_err(DownloadError::Runtime)?
                .block_on(fetch_all(artifacts, folder, base))
        });
        download.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

fn repository() -> Result<Url, DownloadError> {
    let text = std::env::var(REPOSITORY_VARIABLE)
        .ok()
        .filter(|value| !value.is_empty())
        .unwrap_or_else(|| DEFAULT_REPOSITORY.to_owned());
    Url::parse(&format!("{}/", text.trim_end_matches('/')))
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https"))
        .ok_or(DownloadError::Repository(text))
}

async fn fetch_all(artifacts: &[Artifact], folder: &Path, base: Url) -> Result<(), DownloadError> {
    // Fails only if a provider is already installed, which serves as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = Client::builder()
        .connect_timeout(CONNECT_BOUND)
        .read_timeout(SILENCE_BOUND)
        .build()
        .map_err(DownloadError::Client)?;
    let progress = Progress::start(artifacts.len(), artifacts.iter().map(|it| it.bytes).sum());
    let queue = Arc::new(Mutex::new(artifacts.to_vec()));
    let mut workers = JoinSet::new();
    for _ in 0..PARALLEL_DOWNLOADS {
        let worker = Worker {
            client: client.clone(),
            base: base.clone(),
            folder: folder.to_owned(),
            progress: progress.clone(),
        };
        let queue = Arc::clone(&queue);
        workers.spawn(async move {
            while let Some(artifact) = queue.lock().map_or(None, |mut queue| queue.pop()) {
                worker.fetch(&artifact).await?;
            }
            Ok(())
        });
    }
    while let Some(outcome) = workers.join_next().await {
        match outcome {
            Ok(outcome) => outcome?,
            Err(failure) => std::panic::resume_unwind(failure.into_panic()),
        }
    }
    progress.finish();
    Ok(())
}

struct Worker {
    client: Client,
    base: Url,
    folder: PathBuf,
    progress: Progress,
}

impl Worker {
    async fn fetch(&self, artifact: &Artifact) -> Result<(), DownloadError> {
        let mut tries = 1;
        loop {
            match self.fetch_once(artifact).await {
                Err(DownloadError::Network { .. }) if tries < TRIES => tries += 1,
                outcome => return outcome,
            }
            tokio::time::sleep(PAUSE_BEFORE_ANOTHER_TRY).await;
        }
    }

    async fn fetch_once(&self, artifact: &Artifact) -> Result<(), DownloadError> {
        let network = |error: reqwest::Error| self.network_error(artifact, &error);
        let target = self.folder.join(artifact.path());
        let part = target.with_extension("jar.part");
        let write = |source| DownloadError::Write { path: part.clone(), source };
        if let Some(parent) = target.parent() {
            fs::create_dir_all(parent).map_err(write)?;
        }
        let url = format!("{}{}", self.base, artifact.path().display());
        let mut response = self
            .client
            .get(url)
            .send()
            .await
            .and_then(reqwest::Response::error_for_status)
            .map_err(network)?;

        let mut file = File::create(&part).map_err(write)?;
        let mut hash = Sha256::new();
        let mut received = 0;
        while let Some(chunk) = response.chunk().await.map_err(network)? {
            received += chunk.len() as u64;
            if received > artifact.bytes {
                break; // Longer than pinned: the sum cannot match, and it may never end.
            }
            hash.update(&chunk);
            file.write_all(&chunk).map_err(write)?;
            self.progress.received(chunk.len() as u64);
        }
        let found = hex::encode(hash.finalize());
        if received != artifact.bytes || found != artifact.sha256 {
            let _ = fs::remove_file(&part);
            return Err(DownloadError::Checksum {
                file: artifact.file_name(),
                repository: self.base.to_string(),
                found,
                pinned: artifact.sha256.clone(),
            });
        }
        file.sync_all().map_err(write)?;
        fs::rename(&part, &target).map_err(write)?;
        self.progress.file_done(&artifact.file_name());
        Ok(())
    }

    fn network_error(&self, artifact: &Artifact, error: &reqwest::Error) -> DownloadError {
        let mut innermost: &dyn Error = error;
        while let Some(source) = innermost.source() {
            innermost = source;
        }
        let reason = match error.status() {
            Some(status) => format!("it answered {status}"),
            None => innermost.to_string(),
        };
        DownloadError::Network {
            file: artifact.file_name(),
            repository: self.base.to_string(),
            reason,
        }
    }
}
