//! What a person sees of a download: a bar on a terminal, plain lines elsewhere.

use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use indicatif::{ProgressBar, ProgressStyle};

const PLAIN_LINE_EVERY_FILES: usize = 10;
const BYTES_PER_MB: u64 = 1_000_000;

/// Shared by all downloads of one run; cheap to clone.
#[derive(Clone)]
pub struct Progress {
    bar: ProgressBar,
    is_plain: bool,
    files: usize,
    files_done: Arc<AtomicUsize>,
}

impl Progress {
    /// Says on standard error what is about to be downloaded.
    pub fn start(files: usize, bytes: u64) -> Self {
        let is_plain = !io::stderr().is_terminal();
        let bar = if is_plain { ProgressBar::hidden() } else { ProgressBar::new(bytes) };
        if let Ok(style) =
            ProgressStyle::with_template("{msg} {wide_bar} {bytes}/{total_bytes} {eta}")
        {
            bar.set_style(style);
        }
        bar.set_message("Kafka and PostgreSQL");
        let progress = Self { bar, is_plain, files, files_done: Arc::default() };
        progress.line(&format!(
            "downloading Kafka and PostgreSQL, once: {files} files, {} MB",
            bytes / BYTES_PER_MB
        ));
        progress
    }

    /// Bytes that have arrived.
    pub fn received(&self, bytes: u64) {
        self.bar.inc(bytes);
    }

    /// A file is whole and verified.
    pub fn file_done(&self, name: &str) {
        let done = self.files_done.fetch_add(1, Ordering::Relaxed) + 1;
        if done.is_multiple_of(PLAIN_LINE_EVERY_FILES) || done == self.files {
            self.line(&format!("{done} of {} files, last {name}", self.files));
        }
    }

    /// Takes the bar off the screen.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }

    fn line(&self, text: &str) {
        if self.is_plain {
            // Nobody may be reading any more; a download does not fail for that.
            let _ = writeln!(io::stderr(), "{text}");
        }
    }
}
