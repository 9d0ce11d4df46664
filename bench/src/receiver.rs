//! Receivers on loopback that behave as they are told, well or badly.
//!
//! Each has a port of its own and ends when it is dropped. It hands every body to whoever
//! watches, at the instant at which it has been read, before it behaves in any way.

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::AbortHandle;

/// Between two tries to accept, when the process has no file descriptor left.
const ACCEPT_AGAIN: Duration = Duration::from_millis(10);

/// What a receiver does with a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Behaviour {
    /// Answers with a status and headers, after a while.
    Answer { status: StatusCode, after: Duration, headers: Vec<(HeaderName, HeaderValue)> },
    /// Reads the request and never answers.
    Silent,
    /// Cuts the connection with a reset once the first bytes are there.
    Reset,
}

impl Behaviour {
    /// Answers 200 after a while.
    pub fn ok_after(after: Duration) -> Self {
        Self::Answer { status: StatusCode::OK, after, headers: Vec::new() }
    }

    /// Answers 200 at once.
    pub fn ok() -> Self {
        Self::ok_after(Duration::ZERO)
    }
}

/// Who is shown each request as it was read: its headers and its body.
pub type Watcher = dyn Fn(&HeaderMap, &Bytes) + Send + Sync;

struct Shared {
    behaviour: Mutex<Behaviour>,
    watcher: Box<Watcher>,
}

impl Shared {
    fn behaviour(&self) -> Behaviour {
        self.behaviour.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A receiver that listens.
pub struct Receiver {
    address: SocketAddr,
    shared: Arc<Shared>,
    server: AbortHandle,
}

impl Receiver {
    /// Listens on a free port of loopback.
    ///
    /// # Errors
    /// No port, or no file descriptor, is free.
    pub async fn start(
        behaviour: Behaviour,
        watcher: impl Fn(&HeaderMap, &Bytes) + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let behaviour = Mutex::new(behaviour);
        let shared = Arc::new(Shared { behaviour, watcher: Box::new(watcher) });
        let server = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Ok(Self { address, shared, server: server.abort_handle() })
    }

    /// Behaves like this from the next call on.
    pub fn behave(&self, behaviour: Behaviour) {
        *self.shared.behaviour.lock().unwrap_or_else(PoisonError::into_inner) = behaviour;
    }

    pub fn url(&self) -> String {
        url(self.address)
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// A port that is taken and on which nobody listens: every connection is refused.
#[derive(Debug)]
pub struct RefusingPort {
    address: SocketAddr,
    _socket: TcpSocket,
}

impl RefusingPort {
    /// Takes a free port of loopback.
    ///
    /// # Errors
    /// No port is free.
    pub fn take() -> io::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.bind((Ipv4Addr::LOCALHOST, 0).into())?;
        Ok(Self { address: socket.local_addr()?, _socket: socket })
    }

    pub fn url(&self) -> String {
        url(self.address)
    }
}

fn url(address: SocketAddr) -> String {
    format!("http://{address}/")
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    // Dropped together with this task, and all connections with it.
    let mut connections = tokio::task::JoinSet::new();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                connections.spawn(serve(stream, Arc::clone(&shared)));
            }
            Err(_) => tokio::time::sleep(ACCEPT_AGAIN).await,
        }
        while connections.try_join_next().is_some() {}
    }
}

async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    // A small answer must not wait for the acknowledgement of the one before it.
    let _ = stream.set_nodelay(true);
    if shared.behaviour() == Behaviour::Reset {
        if stream.readable().await.is_ok() {
            let _ = stream.set_zero_linger();
        }
        return;
    }
    let service = service_fn(|request| answer(request, Arc::clone(&shared)));
    // A caller may go away at any time.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

async fn answer(
    request: Request<Incoming>,
    shared: Arc<Shared>,
) -> Result<Response<Empty<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    if let Ok(body) = body.collect().await {
        (shared.watcher)(&head.headers, &body.to_bytes());
    }
    let Behaviour::Answer { status, after, headers } = shared.behaviour() else {
        return std::future::pending().await;
    };
    tokio::time::sleep(after).await;
    let mut response = Response::new(Empty::new());
    *response.status_mut() = status;
    response.headers_mut().extend(headers);
    Ok(response)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    const REQUEST: &[u8] = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nhi";

    async fn call(url: &str) -> io::Result<TcpStream> {
        let address = url.trim_start_matches("http://").trim_end_matches('/');
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(REQUEST).await?;
        Ok(stream)
    }

    #[tokio::test]
    async fn each_behaviour_is_what_its_caller_meets() {
        let (seen, mut bodies) = tokio::sync::mpsc::unbounded_channel();
        let watcher = move |_: &HeaderMap, body: &Bytes| drop(seen.send(body.clone()));
        let receiver = Receiver::start(Behaviour::ok(), watcher).await.unwrap();
        let mut first = [0; 12];
        call(&receiver.url()).await.unwrap().read_exact(&mut first).await.unwrap();
        assert_eq!(&first, b"HTTP/1.1 200");
        assert_eq!(bodies.recv().await.unwrap(), "hi");

        receiver.behave(Behaviour::Silent);
        let mut silent = call(&receiver.url()).await.unwrap();
        assert_eq!(bodies.recv().await.unwrap(), "hi");
        let answer = tokio::time::timeout(Duration::from_millis(50), silent.read(&mut first));
        assert!(answer.await.is_err(), "it answered");

        receiver.behave(Behaviour::Reset);
        let met = call(&receiver.url()).await.unwrap().read(&mut first).await;
        assert_eq!(met.unwrap_err().kind(), io::ErrorKind::ConnectionReset);

        let refusing = RefusingPort::take().unwrap();
        let met = call(&refusing.url()).await.unwrap_err();
        assert_eq!(met.kind(), io::ErrorKind::ConnectionRefused);
    }
}
