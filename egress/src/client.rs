//! One delivery attempt: a POST to a judged target, and what came back.
//!
//! Owns the process's only pool of outbound connections. A pooled connection was vetted when
//! it was dialled, under a policy that does not change while the process runs.
//!
//! Promises of [`EgressClient::post`]: it ends within its timeout, body included; it holds at
//! most about 64 KiB of an answer; dropping it closes the connection; what it sends is sent at
//! most once.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{Method, Request, redirect};

use crate::resolver::{Lookup, SystemLookup, VettingResolver, with_dialled_port};
use crate::{EgressPolicy, RequestFailure, TargetUrl};

/// How much of an answer's body is read before its connection is dropped, in bytes.
const MAX_RESPONSE_READ: usize = 64 * 1024;

/// What bounds the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientLimits {
    /// Time for look-up, TCP and TLS together, within the attempt's timeout. Default 5 s.
    pub connect_timeout: Duration,
    /// How long an idle connection is kept. Default 30 s: shorter than what common receivers
    /// keep, so that they rarely close one just as it is used.
    pub idle_timeout: Duration,
    /// Idle connections kept for one host and port. Default 128, the most calls that run to
    /// one subscription; fewer would make a busy one dial anew between two calls.
    pub max_idle_per_host: usize,
    /// How many bytes of an answer's body are kept. Default 4 KiB: enough for an error page's
    /// message, small beside the delivery itself. At most the 64 KiB that are read.
    pub excerpt_bytes: usize,
}

impl Default for ClientLimits {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            idle_timeout: Duration::from_secs(30),
            max_idle_per_host: 128,
            excerpt_bytes: 4 * 1024,
        }
    }
}

/// A receiver's answer, whatever its status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The status code, as received: 100 to 999.
    pub status: u16,
    /// The `Retry-After` header, not interpreted.
    pub retry_after: Option<HeaderValue>,
    /// The beginning of the body. Data from outside: never trusted, always shown escaped.
    pub excerpt: Bytes,
    /// Whether the body was longer than the excerpt.
    pub truncated: bool,
}

/// The client cannot be built; nothing can be delivered until a human acts.
#[derive(Debug, thiserror::Error)]
pub enum EgressBuildError {
    /// Neither the operating system nor `SSL_CERT_FILE` has a certificate to trust.
    #[error("no trusted certificates found: install ca-certificates or set SSL_CERT_FILE")]
    NoRoots,
    /// The TLS library refused its settings.
    #[error("configure TLS")]
    Tls(#[source] rustls::Error),
    /// The HTTP library refused its settings.
    #[error("build HTTP client")]
    Http(#[source] reqwest::Error),
}

/// Sends attempts through one pool. Clones share it.
#[derive(Clone)]
pub struct EgressClient {
    policy: Arc<EgressPolicy>,
    http: reqwest::Client,
    excerpt_bytes: usize,
}

impl EgressClient {
    /// Builds the process's client. Receivers' certificates are verified against the roots of
    /// the operating system, or those of `SSL_CERT_FILE` and `SSL_CERT_DIR` in their place,
    /// read once, here.
    ///
    /// # Errors
    /// [`EgressBuildError`] if there are no roots, or a setting is refused.
    pub fn new(policy: Arc<EgressPolicy>, limits: ClientLimits) -> Result<Self, EgressBuildError> {
        let tls = tls_builder()
            .map_err(EgressBuildError::Tls)?
            .with_root_certificates(system_roots()?)
            .with_no_client_auth();
        Self::build(policy, limits, Arc::new(SystemLookup), tls)
    }

    fn build(
        policy: Arc<EgressPolicy>,
        limits: ClientLimits,
        lookup: Arc<dyn Lookup>,
        mut tls: rustls::ClientConfig,
    ) -> Result<Self, EgressBuildError> {
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        let http = reqwest::Client::builder()
            // Given whole, so that no process-wide crypto provider has to be installed.
            .tls_backend_preconfigured(tls)
            .dns_resolver(VettingResolver::new(Arc::clone(&policy), lookup))
            .redirect(redirect::Policy::none())
            // A repetition is an attempt, and each attempt is recorded: never hide one here.
            .retry(reqwest::retry::never())
            .no_proxy()
            .referer(false)
            .http1_only()
            .tcp_nodelay(true)
            .connect_timeout(limits.connect_timeout)
            .pool_idle_timeout(limits.idle_timeout)
            .pool_max_idle_per_host(limits.max_idle_per_host)
            .build()
            .map_err(EgressBuildError::Http)?;
        let excerpt_bytes = limits.excerpt_bytes.min(MAX_RESPONSE_READ);
        Ok(Self { policy, http, excerpt_bytes })
    }

    /// Makes one attempt: judges the target again, sends the body, reads the answer.
    ///
    /// `headers` are sent as they are, with `host`, `content-length` and, if absent, `accept`
    /// added. `timeout` bounds everything from the look-up to the answer's last byte. A body
    /// of 64 KiB or more is cut there and is still an answer. To cancel, drop the future: the
    /// connection is closed, and the receiver may or may not have got the request.
    ///
    /// # Errors
    /// [`RequestFailure`] if the target is denied, or there is no complete answer in time.
    pub async fn post(
        &self,
        target: &TargetUrl,
        headers: HeaderMap,
        body: Bytes,
        timeout: Duration,
    ) -> Result<Response, RequestFailure> {
        // An address literal is dialled without asking the resolver: this is where it is judged.
        self.policy.judge_target(target).map_err(|rejection| RequestFailure::denied(&rejection))?;
        let mut request = Request::new(Method::POST, target.url().clone());
        *request.headers_mut() = headers;
        if body.is_empty() {
            // The library leaves it out then, and some receivers answer 411 (RFC 9110, 8.6).
            request.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        *request.body_mut() = Some(body.into());
        let attempt = with_dialled_port(target.port(), self.exchange(request));
        match tokio::time::timeout(timeout, attempt).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => Err(RequestFailure::from_client(&error)),
            Err(_) => Err(RequestFailure::deadline(timeout)),
        }
    }

    async fn exchange(&self, request: Request) -> Result<Response, reqwest::Error> {
        let mut response = self.http.execute(request).await?;
        let status = response.status().as_u16();
        let retry_after = response.headers_mut().remove(RETRY_AFTER);
        let mut excerpt = Vec::new();
        let mut read = 0;
        // Leaving the loop early drops the response, and with it the connection.
        while read < MAX_RESPONSE_READ {
            let Some(chunk) = response.chunk().await? else { break };
            // Copied, because a slice would keep the library's whole buffer alive.
            let kept = chunk.len().min(self.excerpt_bytes - excerpt.len());
            excerpt.extend_from_slice(&chunk[..kept]);
            read += chunk.len();
        }
        let truncated = read > excerpt.len();
        Ok(Response { status, retry_after, excerpt: excerpt.into(), truncated })
    }
}

/// The roots that receivers are verified against. Loaded here and not by the library's own
/// verifier, because that one logs each receiver's bad certificate as an error of ours.
fn system_roots() -> Result<rustls::RootCertStore, EgressBuildError> {
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::warn!(%error, "some trusted certificates cannot be read");
    }
    let mut roots = rustls::RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() { Err(EgressBuildError::NoRoots) } else { Ok(roots) }
}

fn tls_builder()
-> Result<rustls::ConfigBuilder<rustls::ClientConfig, rustls::WantsVerifier>, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()
}

#[cfg(test)]
mod tests;
