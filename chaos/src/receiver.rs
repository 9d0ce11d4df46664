//! A receiver with a habit, and its log.
//!
//! It speaks just enough HTTP/1.1 to be called, on a plain socket, so that it can break every
//! rule of it. A call is logged before its answer is written: whatever the caller was told, the
//! log has it.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use jiff::Timestamp;
use pipeline::ids::SubscriptionId;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

use crate::behaviour::{ABSENT, Behaviour, PRESENT, Reply};
use crate::draw::Draw;
use crate::evidence::{Answered, Call};

const LARGEST_HEAD: usize = 64 << 10;
const LARGEST_BODY: usize = 8 << 20;
/// Between two bytes of an answer that does not get on.
const DRIP: Duration = Duration::from_millis(500);
const RETRY_AFTER_SECONDS: u64 = 1;

/// What all receivers write down.
#[derive(Debug, Clone, Default)]
pub struct CallLog(Arc<Mutex<Vec<Call>>>);

impl CallLog {
    fn enter(&self, call: Call) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(call);
    }

    /// Every call so far.
    pub fn all(&self) -> Vec<Call> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn count(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

/// What one receiver is made of.
struct Receiver {
    behaviour: Mutex<Behaviour>,
    draw: Mutex<Draw>,
    log: CallLog,
    /// Set once the subscription is made, which needs the address first.
    subscription: Mutex<Option<SubscriptionId>>,
}

/// The way to a running receiver; it ends with its task.
#[derive(Clone)]
pub struct Address {
    address: SocketAddr,
    receiver: Arc<Receiver>,
}

impl Address {
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// From now on it is a good one. Without that the tail of a run would wait for breakers and
    /// for spills that double.
    pub fn mend(&self) {
        *self.receiver.behaviour.lock().unwrap_or_else(PoisonError::into_inner) = Behaviour::Good;
    }

    /// Whose receiver it is.
    pub fn belongs_to(&self, subscription: SubscriptionId) {
        *self.receiver.subscription.lock().unwrap_or_else(PoisonError::into_inner) =
            Some(subscription);
    }
}

/// Binds a free port and serves it on a task of its own until the runtime ends.
///
/// # Errors
/// There is no port to bind.
pub async fn start(behaviour: Behaviour, draw: Draw, log: CallLog) -> anyhow::Result<Address> {
    let listener = TcpListener::bind("127.0.0.1:0").await.context("bind a receiver")?;
    let address = listener.local_addr().context("ask for a receiver's address")?;
    let receiver = Arc::new(Receiver {
        behaviour: Mutex::new(behaviour),
        draw: Mutex::new(draw),
        log,
        subscription: Mutex::new(None),
    });
    let serving = Arc::clone(&receiver);
    tokio::spawn(async move {
        let mut listener = Some(listener);
        loop {
            let Some(open) = listener.take() else {
                tokio::time::sleep(ABSENT).await;
                listener = TcpListener::bind(address).await.ok();
                continue;
            };
            if serving.behaviour() == Behaviour::Absent {
                let present = tokio::time::timeout(PRESENT, accept(&open, &serving));
                let _ = present.await;
            } else {
                accept(&open, &serving).await;
            }
        }
    });
    Ok(Address { address, receiver })
}

async fn accept(listener: &TcpListener, receiver: &Arc<Receiver>) {
    loop {
        if let Ok((stream, _)) = listener.accept().await {
            let receiver = Arc::clone(receiver);
            // A connection that is broken has nobody left to tell.
            tokio::spawn(async move { drop(receiver.serve(stream).await) });
        }
    }
}

/// A request's head and body.
struct Request {
    head: String,
    body: Bytes,
}

impl Request {
    fn header(&self, name: &str) -> &str {
        let lines = self.head.lines().filter_map(|line| line.split_once(':'));
        let mut found = lines.filter(|(known, _)| known.trim().eq_ignore_ascii_case(name));
        found.next().map_or("", |(_, value)| value.trim())
    }
}

impl Receiver {
    fn behaviour(&self) -> Behaviour {
        *self.behaviour.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn serve(&self, mut stream: TcpStream) -> std::io::Result<()> {
        let mut unread = Vec::new();
        while let Some(request) = read_request(&mut stream, &mut unread).await? {
            let reply = {
                let mut draw = self.draw.lock().unwrap_or_else(PoisonError::into_inner);
                self.behaviour().reply(&mut draw)
            };
            if let Reply::Status { after, .. } = reply {
                tokio::time::sleep(after).await;
            }
            self.note(&request, reply);
            if !answer(&mut stream, reply).await? {
                break;
            }
        }
        Ok(())
    }

    fn note(&self, request: &Request, reply: Reply) {
        let subscription = *self.subscription.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(subscription) = subscription else { return };
        self.log.enter(Call {
            subscription,
            message_id: request.header("webhook-id").to_owned(),
            timestamp: request.header("webhook-timestamp").to_owned(),
            signature: request.header("webhook-signature").to_owned(),
            body: request.body.clone(),
            received_at: Timestamp::now(),
            answered: match reply {
                Reply::Status { status, .. } => Answered::Status(status),
                // The caller reads what it wants of it and goes.
                Reply::Flood => Answered::Status(200),
                Reply::Silence | Reply::Cut | Reply::Drip => Answered::Not,
            },
        });
    }
}

/// The next request; `None` if the caller has gone between two of them.
async fn read_request(
    stream: &mut TcpStream,
    unread: &mut Vec<u8>,
) -> std::io::Result<Option<Request>> {
    let end = loop {
        if let Some(at) = unread.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
        if unread.len() > LARGEST_HEAD || stream.read_buf(unread).await? == 0 {
            return Ok(None);
        }
    };
    let head = String::from_utf8_lossy(&unread[..end]).into_owned();
    let mut request = Request { head, body: Bytes::new() };
    let length: usize = request.header("content-length").parse().unwrap_or(0);
    let length = length.min(LARGEST_BODY);
    while unread.len() < end + length {
        if stream.read_buf(unread).await? == 0 {
            return Ok(None);
        }
    }
    request.body = Bytes::copy_from_slice(&unread[end..end + length]);
    unread.drain(..end + length);
    Ok(Some(request))
}

/// True if the connection can take another request.
async fn answer(stream: &mut TcpStream, reply: Reply) -> std::io::Result<bool> {
    /// A piece of an answer that never ends.
    static PIECE: [u8; 16 << 10] = [b'.'; 16 << 10];
    const ENDLESS: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\n";
    match reply {
        Reply::Status { status, retry_after, .. } => {
            let asked = if retry_after {
                format!("retry-after: {RETRY_AFTER_SECONDS}\r\n")
            } else {
                String::new()
            };
            let length = if status == 204 { "" } else { "content-length: 2\r\n" };
            let body = if status == 204 { "" } else { "ok" };
            let text = format!("HTTP/1.1 {status} Status\r\n{asked}{length}\r\n{body}");
            stream.write_all(text.as_bytes()).await?;
            Ok(true)
        }
        Reply::Silence => {
            let mut ignored = [0; 64];
            while stream.read(&mut ignored).await? > 0 {}
            Ok(false)
        }
        Reply::Cut => Ok(false),
        Reply::Drip => {
            stream.write_all(ENDLESS).await?;
            let begun = Instant::now();
            // The caller's own timeout is far below this.
            while begun.elapsed() < Duration::from_secs(60) {
                stream.write_all(b".").await?;
                tokio::time::sleep(DRIP).await;
            }
            Ok(false)
        }
        Reply::Flood => {
            stream.write_all(ENDLESS).await?;
            loop {
                stream.write_all(&PIECE).await?;
            }
        }
    }
}
