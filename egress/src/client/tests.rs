//! Attempts against real sockets on loopback. A canary is a listener that must never be
//! connected to.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::BoxFuture;
use http::HeaderValue;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

use super::*;
use crate::resolver::tests::Answers;
use crate::{EgressRules, FailureKind};

const LONG: Duration = Duration::from_secs(20);
const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// A listener that counts its connections and hands each to `serve`.
struct Receiver {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
}

impl Receiver {
    async fn start<F>(serve: impl Fn(TcpStream) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&connections);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                counter.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(serve(stream));
            }
        });
        Self { address, connections }
    }

    /// Answers every request with the same bytes and leaves the connection open.
    async fn answering(answer: impl Into<Vec<u8>>) -> Self {
        let answer: Vec<u8> = answer.into();
        Self::start(move |mut stream| {
            let answer = answer.clone();
            async move {
                while read_request(&mut stream).await.is_some() {
                    if stream.write_all(&answer).await.is_err() {
                        break;
                    }
                }
            }
        })
        .await
    }

    async fn canary() -> Self {
        Self::answering(OK).await
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }
}

/// Reads one request with a `content-length`; nothing if the client is gone.
async fn read_request(stream: &mut (impl AsyncRead + Unpin)) -> Option<String> {
    let mut read = Vec::new();
    let head = loop {
        let mut byte = [0];
        if stream.read(&mut byte).await.ok()? == 0 {
            return None;
        }
        read.push(byte[0]);
        if read.ends_with(b"\r\n\r\n") {
            break String::from_utf8(read.clone()).unwrap();
        }
    };
    let length = head.to_lowercase().split("content-length: ").nth(1)?.to_owned();
    let mut body = vec![0; length.lines().next()?.parse().unwrap()];
    stream.read_exact(&mut body).await.ok()?;
    Some(head + &String::from_utf8(body).unwrap())
}

/// Waits until the client has closed the connection, and says how it looks to the receiver.
async fn until_closed(stream: &mut (impl AsyncRead + Unpin)) {
    let mut rest = [0; 1024];
    while matches!(stream.read(&mut rest).await, Ok(read) if read > 0) {}
}

fn loopback() -> EgressRules {
    EgressRules { allow: vec!["127.0.0.0/8".parse().unwrap()], ..EgressRules::default() }
}

fn no_roots() -> rustls::ClientConfig {
    trusting(rustls::RootCertStore::empty())
}

fn trusting(roots: rustls::RootCertStore) -> rustls::ClientConfig {
    tls_builder().unwrap().with_root_certificates(roots).with_no_client_auth()
}

fn client_with(rules: EgressRules, answers: &[&str]) -> EgressClient {
    let policy = Arc::new(EgressPolicy::new(rules));
    let lookup = Arc::new(Answers::of(answers));
    EgressClient::build(policy, ClientLimits::default(), lookup, no_roots()).unwrap()
}

fn client() -> EgressClient {
    client_with(loopback(), &[])
}

/// A target accepted by a policy that opens everything: what the client's own policy says
/// about it is the test.
fn target(raw: &str) -> TargetUrl {
    let allow = ["0.0.0.0/0", "::/0", "hooks.example.com", "other.example.com"]
        .map(|entry| entry.parse().unwrap());
    let open = EgressRules { allow: allow.to_vec(), ..EgressRules::default() };
    EgressPolicy::new(open).judge_url(raw).unwrap()
}

async fn post(
    client: &EgressClient,
    url: &str,
    timeout: Duration,
) -> Result<Response, RequestFailure> {
    client.post(&target(url), HeaderMap::new(), Bytes::from_static(b"{}"), timeout).await
}

async fn failure_of(client: &EgressClient, url: &str, timeout: Duration) -> FailureKind {
    let failure = post(client, url, timeout).await.unwrap_err();
    assert!(!failure.detail().is_empty() && !failure.to_string().contains("/hook"), "{failure}");
    failure.kind
}

#[tokio::test]
async fn an_attempt_sends_what_it_is_given_and_returns_what_came_back() {
    let (sender, received) = oneshot::channel();
    let sender = std::sync::Mutex::new(Some(sender));
    let receiver = Receiver::start(move |mut stream| {
        let sender = sender.lock().unwrap().take();
        async move {
            let request = read_request(&mut stream).await.unwrap();
            let answer =
                b"HTTP/1.1 429 Slow down\r\nretry-after: 7\r\ncontent-length: 4\r\n\r\nwait";
            stream.write_all(answer).await.unwrap();
            sender.unwrap().send(request).unwrap();
        }
    })
    .await;
    let mut headers = HeaderMap::new();
    headers.insert("content-type", HeaderValue::from_static("application/json"));
    headers.insert("webhook-id", HeaderValue::from_static("msg_1"));
    let url = format!("{}?a=b", receiver.url());
    let body = Bytes::from_static(b"{\"a\": 1}");
    let response = client().post(&target(&url), headers, body, LONG).await.unwrap();

    assert_eq!(response.status, 429);
    assert_eq!(response.retry_after, Some(HeaderValue::from_static("7")));
    assert_eq!(&response.excerpt[..], b"wait");
    assert!(!response.truncated);
    let expected = format!(
        "POST /hook?a=b HTTP/1.1\r\ncontent-type: application/json\r\nwebhook-id: msg_1\r\n\
         accept: */*\r\nhost: {}\r\ncontent-length: 8\r\n\r\n{{\"a\": 1}}",
        receiver.address
    );
    assert_eq!(received.await.unwrap(), expected);
}

#[tokio::test]
async fn an_empty_body_is_sent_with_its_length() {
    let receiver = Receiver::start(|mut stream| async move {
        let request = read_request(&mut stream).await.unwrap_or_default();
        let lengths = request.matches("content-length: 0\r\n").count();
        let answer = format!("HTTP/1.1 {} X\r\ncontent-length: 0\r\n\r\n", 200 + lengths);
        stream.write_all(answer.as_bytes()).await.unwrap();
    })
    .await;
    let target = target(&receiver.url());
    let response = client().post(&target, HeaderMap::new(), Bytes::new(), LONG).await.unwrap();
    assert_eq!(response.status, 201, "one content-length");
}

#[tokio::test]
async fn a_connection_is_used_again_and_clones_share_it() {
    let receiver = Receiver::answering(OK).await;
    let client = client();
    for client in [client.clone(), client.clone(), client] {
        assert_eq!(post(&client, &receiver.url(), LONG).await.unwrap().status, 200);
    }
    assert_eq!(receiver.connections(), 1);
}

#[tokio::test]
async fn loopback_is_denied_by_default_and_gets_no_connection() {
    let canary = Receiver::canary().await;
    let client = client_with(EgressRules::default(), &[]);
    let port = canary.address.port();
    for host in ["127.0.0.1", "0.0.0.0", "[::ffff:127.0.0.1]", "[::1]"] {
        let kind = failure_of(&client, &format!("http://{host}:{port}/hook"), LONG).await;
        assert_eq!(kind, FailureKind::Denied, "{host}");
    }
    assert_eq!(canary.connections(), 0);
}

#[tokio::test]
async fn a_name_is_dialled_at_its_vetted_addresses_only() {
    let receiver = Receiver::answering(OK).await;
    let rules = EgressRules { extra_ports: vec![receiver.address.port()], ..loopback() };
    let url = format!("http://hooks.example.com:{}/hook", receiver.address.port());

    let denied = EgressRules { allow: vec![], ..rules.clone() };
    for answers in [&["127.0.0.1"][..], &["::ffff:127.0.0.1"], &["127.0.0.1", "1.1.1.1"]] {
        let client = client_with(denied.clone(), answers);
        assert_eq!(failure_of(&client, &url, LONG).await, FailureKind::Denied);
    }
    let one_denied = client_with(rules.clone(), &["127.0.0.1", "10.0.0.1"]);
    assert_eq!(failure_of(&one_denied, &url, LONG).await, FailureKind::Denied);
    assert_eq!(receiver.connections(), 0);

    let allowed = client_with(rules, &["127.0.0.1"]);
    assert_eq!(post(&allowed, &url, LONG).await.unwrap().status, 200);
}

#[tokio::test]
async fn an_own_listener_gets_no_connection_by_address_or_name() {
    let (canary, receiver) = (Receiver::canary().await, Receiver::answering(OK).await);
    let (own, other) = (canary.address.port(), receiver.address.port());
    let rules =
        EgressRules { own: vec![canary.address], extra_ports: vec![own, other], ..loopback() };
    let client = client_with(rules, &["127.0.0.1"]);
    let by_name = |port| format!("http://hooks.example.com:{port}/hook");
    assert_eq!(failure_of(&client, &canary.url(), LONG).await, FailureKind::Denied);
    assert_eq!(failure_of(&client, &by_name(own), LONG).await, FailureKind::Denied);
    assert_eq!(post(&client, &by_name(other), LONG).await.unwrap().status, 200);
    assert_eq!(canary.connections(), 0);
}

#[tokio::test]
async fn many_attempts_at_once_are_each_judged_by_their_own_port() {
    let (canary, receiver) = (Receiver::canary().await, Receiver::answering(OK).await);
    let (own, other) = (canary.address.port(), receiver.address.port());
    let rules =
        EgressRules { own: vec![canary.address], extra_ports: vec![own, other], ..loopback() };
    let client = client_with(rules, &["127.0.0.1"]);
    let attempts = (0..200).map(|n| {
        let (client, port) = (client.clone(), if n % 2 == 0 { own } else { other });
        async move {
            let url = format!("http://hooks.example.com:{port}/hook");
            let result = post(&client, &url, LONG).await;
            result.map(|response| response.status).map_err(|failure| failure.kind)
        }
    });
    for (n, result) in futures_util::future::join_all(attempts).await.into_iter().enumerate() {
        let expected = if n % 2 == 0 { Err(FailureKind::Denied) } else { Ok(200) };
        assert_eq!(result, expected);
    }
    assert_eq!(canary.connections(), 0);
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_is_not_followed() {
    let canary = Receiver::canary().await;
    for status in [301, 302, 303, 307, 308] {
        let answer = format!(
            "HTTP/1.1 {status} Moved\r\nlocation: {}\r\ncontent-length: 0\r\n\r\n",
            canary.url()
        );
        let receiver = Receiver::answering(answer).await;
        assert_eq!(post(&client(), &receiver.url(), LONG).await.unwrap().status, status);
    }
    assert_eq!(canary.connections(), 0);
}

#[tokio::test]
async fn a_compressed_answer_is_not_unpacked() {
    let answer = "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 4\r\n\r\nabcd";
    let receiver = Receiver::answering(answer).await;
    assert_eq!(&post(&client(), &receiver.url(), LONG).await.unwrap().excerpt[..], b"abcd");
}

#[tokio::test]
async fn an_answer_longer_than_the_excerpt_is_cut_and_marked() {
    for (length, truncated) in [(0, false), (4096, false), (4097, true), (60_000, true)] {
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n");
        let answer = [head.into_bytes(), vec![b'x'; length]].concat();
        let receiver = Receiver::answering(answer).await;
        let client = client();
        for _ in 0..2 {
            let response = post(&client, &receiver.url(), LONG).await.unwrap();
            assert_eq!(response.excerpt.len(), length.min(4096));
            assert_eq!(response.truncated, truncated, "{length}");
        }
        assert_eq!(receiver.connections(), 1, "a body that is read whole keeps the connection");
    }
}

#[tokio::test]
async fn an_endless_answer_is_cut_at_64_kib_and_its_connection_closed() {
    let (sender, written) = oneshot::channel();
    let sender = std::sync::Mutex::new(Some(sender));
    let receiver = Receiver::start(move |mut stream| {
        let sender = sender.lock().unwrap().take();
        async move {
            read_request(&mut stream).await.unwrap();
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
            let mut written = 0usize;
            while let Ok(more) = stream.write(&[b'x'; 1024]).await {
                written += more;
            }
            sender.unwrap().send(written).unwrap();
        }
    })
    .await;
    let response = post(&client(), &receiver.url(), LONG).await.unwrap();
    assert_eq!(response.status, 200);
    assert_eq!(response.excerpt.len(), 4096);
    assert!(response.truncated);
    // What the kernel's buffers took on both sides, and no more.
    let written = tokio::time::timeout(LONG, written).await.unwrap().unwrap();
    assert!(written < 32 * 1024 * 1024, "{written}");
}

#[tokio::test]
async fn a_slow_body_is_cut_at_the_deadline() {
    let (sender, closed) = oneshot::channel();
    let sender = std::sync::Mutex::new(Some(sender));
    let receiver = Receiver::start(move |mut stream| {
        let sender = sender.lock().unwrap().take();
        async move {
            read_request(&mut stream).await.unwrap();
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 99999\r\n\r\n").await.unwrap();
            let mut tick = tokio::time::interval(Duration::from_millis(10));
            while stream.write_all(b"x").await.is_ok() {
                tick.tick().await;
            }
            sender.unwrap().send(()).unwrap();
        }
    })
    .await;
    let started = tokio::time::Instant::now();
    let kind = failure_of(&client(), &receiver.url(), Duration::from_millis(300)).await;
    assert_eq!(kind, FailureKind::Timeout);
    assert!(started.elapsed() >= Duration::from_millis(300) && started.elapsed() < LONG);
    tokio::time::timeout(LONG, closed).await.unwrap().unwrap();
}

#[tokio::test]
async fn silence_and_a_flood_of_interim_answers_are_cut_at_the_deadline() {
    let silent = Receiver::start(|mut stream| async move { until_closed(&mut stream).await }).await;
    let flooding = Receiver::start(|mut stream| async move {
        read_request(&mut stream).await.unwrap();
        while stream.write_all(b"HTTP/1.1 102 Processing\r\n\r\n").await.is_ok() {}
    })
    .await;
    let started = tokio::time::Instant::now();
    for receiver in [silent, flooding] {
        let kind = failure_of(&client(), &receiver.url(), Duration::from_millis(200)).await;
        assert_eq!(kind, FailureKind::Timeout);
    }
    assert!(started.elapsed() < LONG);
}

#[tokio::test]
async fn dropping_an_attempt_closes_its_connection() {
    let (sender, closed) = oneshot::channel();
    let sender = std::sync::Mutex::new(Some(sender));
    let (arrived, mut requests) = tokio::sync::mpsc::channel(1);
    let receiver = Receiver::start(move |mut stream| {
        let (sender, arrived) = (sender.lock().unwrap().take(), arrived.clone());
        async move {
            read_request(&mut stream).await.unwrap();
            arrived.send(()).await.unwrap();
            until_closed(&mut stream).await;
            sender.unwrap().send(()).unwrap();
        }
    })
    .await;
    let client = client();
    let url = receiver.url();
    let attempt = tokio::spawn(async move { post(&client, &url, LONG).await });
    requests.recv().await.unwrap();
    attempt.abort();
    tokio::time::timeout(LONG, closed).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_port_without_a_listener_is_refused() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let kind = failure_of(&client(), &format!("http://{address}/hook"), LONG).await;
    assert_eq!(kind, FailureKind::Refused);
}

#[tokio::test]
async fn a_connection_closed_before_the_answer_is_whole_is_a_reset_and_is_tried_once() {
    for part in [&b""[..], b"HTTP/1.1 20", b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nok"] {
        let receiver = Receiver::start(move |mut stream| async move {
            read_request(&mut stream).await.unwrap();
            stream.write_all(part).await.unwrap();
        })
        .await;
        assert_eq!(failure_of(&client(), &receiver.url(), LONG).await, FailureKind::Reset);
        assert_eq!(receiver.connections(), 1);
    }
    let aborting = Receiver::start(|mut stream| async move {
        read_request(&mut stream).await.unwrap();
        stream.set_zero_linger().unwrap();
    })
    .await;
    assert_eq!(failure_of(&client(), &aborting.url(), LONG).await, FailureKind::Reset);
}

#[tokio::test]
async fn what_is_not_http_or_has_too_large_a_head_is_a_protocol_failure() {
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "x: y\r\n".repeat(1000));
    let large = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "y".repeat(1 << 20));
    for answer in ["SSH-2.0-OpenSSH_9.9\r\n", "HTTP/1.1 2OO OK\r\n\r\n", &many, &large] {
        let receiver = Receiver::answering(answer).await;
        let kind = failure_of(&client(), &receiver.url(), LONG).await;
        assert_eq!(kind, FailureKind::Protocol, "{:.30}", answer);
    }
}

#[tokio::test]
async fn a_name_that_does_not_resolve_is_a_dns_failure() {
    struct Fails;
    impl Lookup for Fails {
        fn addresses_of(&self, _: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
            Box::pin(async { Err(io::Error::other("no such name")) })
        }
    }
    let url = "https://hooks.example.com/hook";
    let policy = Arc::new(EgressPolicy::new(loopback()));
    let failing =
        EgressClient::build(policy, ClientLimits::default(), Arc::new(Fails), no_roots()).unwrap();
    let failure = post(&failing, url, LONG).await.unwrap_err();
    assert_eq!((failure.kind, failure.detail()), (FailureKind::Dns, "no such name"));
    assert_eq!(failure_of(&client_with(loopback(), &[]), url, LONG).await, FailureKind::Dns);
}

#[tokio::test]
async fn the_systems_resolver_is_asked_by_default() {
    let receiver = Receiver::answering(OK).await;
    let allow = vec!["localhost".parse().unwrap()];
    let policy = Arc::new(EgressPolicy::new(EgressRules { allow, ..EgressRules::default() }));
    let client =
        EgressClient::build(policy, ClientLimits::default(), Arc::new(SystemLookup), no_roots())
            .unwrap();
    let url = format!("http://localhost:{}/hook", receiver.address.port());
    let target = client.policy.judge_url(&url).unwrap();
    let response = client.post(&target, HeaderMap::new(), Bytes::new(), LONG).await.unwrap();
    assert_eq!(response.status, 200);
}

#[tokio::test]
async fn the_public_constructor_needs_no_process_wide_crypto_provider() {
    let receiver = Receiver::answering(OK).await;
    let policy = Arc::new(EgressPolicy::new(loopback()));
    let client = EgressClient::new(policy, ClientLimits::default()).unwrap();
    assert_eq!(post(&client, &receiver.url(), LONG).await.unwrap().status, 200);
    assert!(rustls::crypto::CryptoProvider::get_default().is_none());
}

/// A receiver with a certificate for `hooks.example.com`, and the roots that trust it.
async fn tls_receiver() -> (Receiver, rustls::RootCertStore) {
    let made = rcgen::generate_simple_self_signed(vec!["hooks.example.com".into()]).unwrap();
    let certificate: CertificateDer<'static> = made.cert.der().clone();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let mut roots = rustls::RootCertStore::empty();
    roots.add(certificate.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let receiver = Receiver::start(move |stream| {
        let acceptor = acceptor.clone();
        async move {
            let Ok(mut stream) = acceptor.accept(stream).await else { return };
            while read_request(&mut stream).await.is_some() {
                answer(&mut stream).await;
            }
        }
    })
    .await;
    (receiver, roots)
}

async fn answer(stream: &mut (impl AsyncWrite + Unpin)) {
    stream.write_all(OK).await.unwrap();
    stream.flush().await.unwrap();
}

#[tokio::test]
async fn a_certificate_must_be_trusted_and_must_name_the_host() {
    let (receiver, roots) = tls_receiver().await;
    let port = receiver.address.port();
    let client = |tls| {
        let rules = EgressRules { extra_ports: vec![port], ..loopback() };
        let lookup = Arc::new(Answers::of(&["127.0.0.1"]));
        let policy = Arc::new(EgressPolicy::new(rules));
        EgressClient::build(policy, ClientLimits::default(), lookup, tls).unwrap()
    };
    let named = format!("https://hooks.example.com:{port}/hook");
    let other_name = format!("https://other.example.com:{port}/hook");
    let by_address = format!("https://127.0.0.1:{port}/hook");

    let trusting = client(trusting(roots));
    assert_eq!(post(&trusting, &named, LONG).await.unwrap().status, 200);
    assert_eq!(failure_of(&trusting, &other_name, LONG).await, FailureKind::Tls);
    assert_eq!(failure_of(&trusting, &by_address, LONG).await, FailureKind::Tls);
    assert_eq!(failure_of(&client(no_roots()), &named, LONG).await, FailureKind::Tls);
    let policy = Arc::clone(&trusting.policy);
    let public = EgressClient::new(policy, ClientLimits::default()).unwrap();
    assert_eq!(failure_of(&public, &by_address, LONG).await, FailureKind::Tls);
}

#[tokio::test]
async fn a_handshake_that_fails_is_a_tls_failure_and_one_that_stalls_a_timeout() {
    let plain = Receiver::start(|mut stream| async move {
        let mut hello = [0; 64];
        _ = stream.read(&mut hello).await;
        _ = stream.write_all(OK).await;
        until_closed(&mut stream).await;
    })
    .await;
    let hanging_up = Receiver::start(|mut stream| async move {
        let mut hello = [0; 4096];
        _ = stream.read(&mut hello).await;
    })
    .await;
    for receiver in [plain, hanging_up] {
        let url = format!("https://{}/hook", receiver.address);
        assert_eq!(failure_of(&client(), &url, LONG).await, FailureKind::Tls);
    }

    let stalled =
        Receiver::start(|mut stream| async move { until_closed(&mut stream).await }).await;
    let limits =
        ClientLimits { connect_timeout: Duration::from_millis(100), ..ClientLimits::default() };
    let policy = Arc::new(EgressPolicy::new(loopback()));
    let client = EgressClient::build(policy, limits, Arc::new(SystemLookup), no_roots()).unwrap();
    let started = tokio::time::Instant::now();
    let kind = failure_of(&client, &format!("https://{}/hook", stalled.address), LONG).await;
    assert_eq!(kind, FailureKind::Timeout);
    assert!(started.elapsed() < LONG, "the connect timeout, not the deadline, ended it");
}
