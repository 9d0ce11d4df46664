//! `hooklog listen`: a receiver for trying things out.

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use bytes::Bytes;
use jiff::Timestamp;
use signature::Secret;

use crate::receiver::{Answers, judge};

/// The largest body that it takes; more than any event can have.
const MAX_BODY: usize = 64 << 20;
/// How much of a body is printed.
const SHOWN: usize = 1_024;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:9000")]
    listen: SocketAddr,
    /// The subscription's secret, to verify signatures with.
    #[arg(long)]
    secret: Option<String>,
    /// Fail the first N calls of every message.
    #[arg(long, value_name = "N", default_value_t = 0)]
    fail: u32,
    /// Fail every call.
    #[arg(long, conflicts_with = "fail")]
    fail_always: bool,
    /// The status of a call that is failed.
    #[arg(long, value_name = "STATUS", default_value_t = 500, value_parser = clap::value_parser!(u16).range(200..1000))]
    status: u16,
    /// Wait this many milliseconds before each answer.
    #[arg(long, value_name = "MS", default_value_t = 0)]
    delay: u64,
    /// Append one JSON object per call to this file.
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// Do not print the calls.
    #[arg(long)]
    quiet: bool,
}

struct Receiver {
    secret: Option<Secret>,
    answers: Mutex<Answers>,
    delay: Duration,
    record: Option<Mutex<std::fs::File>>,
    quiet: bool,
}

pub(crate) fn run(arguments: Arguments) -> ExitCode {
    let ended = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(anyhow::Error::from)
        .and_then(|runtime| runtime.block_on(serve(arguments)));
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("hooklog: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

async fn serve(arguments: Arguments) -> anyhow::Result<()> {
    let secret = arguments.secret.as_deref().map(Secret::from_text).transpose();
    let secret = secret.context("read --secret")?;
    let fail_first = if arguments.fail_always { u32::MAX } else { arguments.fail };
    let fail_with = StatusCode::from_u16(arguments.status).context("read --status")?;
    let open = |path: &PathBuf| {
        let file = std::fs::OpenOptions::new().create(true).append(true).open(path);
        file.map(Mutex::new).with_context(|| format!("open {}", path.display()))
    };
    let receiver = Receiver {
        secret,
        answers: Mutex::new(Answers::new(fail_first, fail_with)),
        delay: Duration::from_millis(arguments.delay),
        record: arguments.record.as_ref().map(open).transpose()?,
        quiet: arguments.quiet,
    };
    let listener = tokio::net::TcpListener::bind(arguments.listen)
        .await
        .with_context(|| format!("listen on {}; choose another with --listen", arguments.listen))?;
    say(&format!("receiving on http://{}/ (Ctrl-C ends)", listener.local_addr()?));
    let app = Router::new()
        .fallback(receive)
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(Arc::new(receiver));
    let ended = async { drop(tokio::signal::ctrl_c().await) };
    tokio::select! {
        served = async { axum::serve(listener, app).await } => served.context("receive"),
        () = ended => Ok(()),
    }
}

async fn receive(
    State(receiver): State<Arc<Receiver>>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> StatusCode {
    let now = Timestamp::now();
    let verdict = judge(receiver.secret.as_ref(), &headers, &body, now.as_second());
    let text = |name: &str| headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or("-");
    let id = text("webhook-id");
    let (call, status) = receiver.answers.lock().unwrap_or_else(PoisonError::into_inner).answer(id);
    if !receiver.quiet {
        let shown = String::from_utf8_lossy(&body[..body.len().min(SHOWN)]);
        let more = if body.len() > SHOWN { " ..." } else { "" };
        say(&format!(
            "{now:.3} {uri} webhook-id {id}, call {call}, {} bytes, {}, answered {}\n    {}{more}",
            body.len(),
            verdict.describe(),
            status.as_u16(),
            shown.escape_debug(),
        ));
    }
    if let Some(record) = &receiver.record {
        let line = serde_json::json!({
            "at": now.to_string(),
            "webhook_id": id,
            "webhook_timestamp": text("webhook-timestamp"),
            "webhook_signature": text("webhook-signature"),
            "verdict": verdict.describe(),
            "call": call,
            "status": status.as_u16(),
            "body": String::from_utf8_lossy(&body),
        });
        let mut file = record.lock().unwrap_or_else(PoisonError::into_inner);
        if writeln!(file, "{line}").is_err() {
            return StatusCode::INSUFFICIENT_STORAGE;
        }
    }
    tokio::time::sleep(receiver.delay).await;
    status
}

fn say(line: &str) {
    // A closed terminal is no reason to stop receiving.
    let _ = writeln!(std::io::stdout(), "{line}");
}
