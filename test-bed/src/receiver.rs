//! A real HTTP receiver that remembers what it got and answers as a test says.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use bytes::Bytes;
use jiff::Timestamp;
use tokio::task::AbortHandle;

/// One call that a receiver got.
#[derive(Debug, Clone)]
pub struct Call {
    pub path: String,
    pub headers: HeaderMap,
    pub body: Bytes,
    pub received_at: Timestamp,
    /// The number of this call among those with the same `webhook-id`, from 1.
    pub number: usize,
}

impl Call {
    /// A header as text; empty if it is not there.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap_or_default())
    }

    /// The `webhook-id`.
    pub fn webhook_id(&self) -> String {
        self.header("webhook-id").to_owned()
    }
}

/// What a receiver does with a call: wait, then answer with a status.
type Script = dyn Fn(&Call) -> (Duration, u16) + Send + Sync;

#[derive(Default)]
struct Log {
    calls: Vec<Call>,
    /// How many calls each `webhook-id` has had.
    numbers: HashMap<String, usize>,
}

struct Shared {
    log: Mutex<Log>,
    script: Box<Script>,
}

/// A receiver on loopback; it ends when it is dropped.
pub struct Receiver {
    address: SocketAddr,
    shared: Arc<Shared>,
    server: AbortHandle,
}

impl Receiver {
    /// Answers each call with the status that `script` gives.
    pub async fn start(script: impl Fn(&Call) -> u16 + Send + Sync + 'static) -> Self {
        Self::start_slow(move |call| (Duration::ZERO, script(call))).await
    }

    /// Answers each call after the wait and with the status that `script` gives.
    pub async fn start_slow(
        script: impl Fn(&Call) -> (Duration, u16) + Send + Sync + 'static,
    ) -> Self {
        let shared = Arc::new(Shared { log: Mutex::default(), script: Box::new(script) });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let app = Router::new()
            .fallback(receive)
            .layer(DefaultBodyLimit::disable())
            .with_state(Arc::clone(&shared));
        let server = tokio::spawn(async move { drop(axum::serve(listener, app).await) });
        Self { address, shared, server: server.abort_handle() }
    }

    /// The receiver's URL with a path.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Every call so far, in order of arrival.
    pub fn calls(&self) -> Vec<Call> {
        self.shared.log.lock().unwrap().calls.clone()
    }

    /// How many calls there were so far.
    pub fn count(&self) -> usize {
        self.shared.log.lock().unwrap().calls.len()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn receive(
    State(shared): State<Arc<Shared>>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> StatusCode {
    let mut call = Call {
        path: uri.path().to_owned(),
        headers,
        body,
        received_at: Timestamp::now(),
        number: 1,
    };
    {
        let mut log = shared.log.lock().unwrap();
        let number = log.numbers.entry(call.webhook_id()).or_default();
        *number += 1;
        call.number = *number;
        log.calls.push(call.clone());
    }
    let (wait, status) = (shared.script)(&call);
    tokio::time::sleep(wait).await;
    StatusCode::from_u16(status).unwrap()
}
