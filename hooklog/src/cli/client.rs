//! The one connection that the command line makes: to the URL that its user gives.
//!
//! Never repeats a request, follows no redirect and asks no proxy, so the key goes nowhere else.
//! Bounds everything: [`CONNECT`], [`ANSWER`], [`SILENCE`], [`MAX_ANSWER`].

use std::error::Error as _;
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderValue, RETRY_AFTER};
use reqwest::{Response, Url, redirect};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::cli::call::Call;
use crate::cli::failure::{self, Failure};

const CONNECT: Duration = Duration::from_secs(5);
/// From the request's start to the answer's last byte; the server's own longest wait is a
/// batch's, 60 s.
const ANSWER: Duration = Duration::from_secs(90);
/// Between two parts of a stream; the server says something every 15 s.
const SILENCE: Duration = Duration::from_secs(45);
/// Bytes of an answer; the largest is a delivery with its whole payload.
const MAX_ANSWER: usize = 64 << 20;

pub(crate) struct Client {
    http: reqwest::Client,
    base: Url,
    key: Option<HeaderValue>,
}

/// A JSON document that came back.
pub(crate) struct Answer {
    /// As it came: with the fields' order and every digit.
    pub text: Box<RawValue>,
}

impl Answer {
    pub(crate) fn value(&self) -> Value {
        // It has been read as JSON once; only its depth can be too much.
        serde_json::from_str(self.text.get()).unwrap_or_default()
    }
}

impl Client {
    /// # Errors
    /// [`Failure::Usage`]: `base` is no URL that can be called, or `key` none that can be sent.
    pub(crate) fn new(base: &str, key: Option<&str>) -> Result<Self, Failure> {
        let usage = |why: &str| Failure::Usage(format!("--url (HOOKLOG_URL): {why}"));
        let base: Url = base
            .parse()
            .map_err(|_| usage("not a URL; one is written as http://127.0.0.1:8000"))?;
        if !matches!(base.scheme(), "http" | "https") || !base.has_host() {
            return Err(usage("only http and https can be called, as in http://127.0.0.1:8000"));
        }
        if !base.username().is_empty() || base.password().is_some() {
            return Err(usage("a password has no place in it; a key goes into HOOKLOG_API_KEY"));
        }
        if base.query().is_some() || base.fragment().is_some() {
            return Err(usage("nothing may follow its path"));
        }
        let key = key.map(|key| {
            let mut value = HeaderValue::from_str(&format!("Bearer {key}")).map_err(|_| {
                Failure::Usage("--key (HOOKLOG_API_KEY): not visible ASCII".to_owned())
            })?;
            value.set_sensitive(true);
            Ok(value)
        });
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(tls(base.scheme() == "https")?)
            .redirect(redirect::Policy::none())
            .retry(reqwest::retry::never())
            .no_proxy()
            .referer(false)
            .http1_only()
            .user_agent(concat!("hooklog-cli/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT)
            .build()
            .map_err(|error| Failure::Usage(format!("cannot set up a client: {error}")))?;
        Ok(Self { http, base, key: key.transpose()? })
    }

    /// Where it calls, for a person.
    pub(crate) fn base(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }

    /// Makes a request and reads the JSON that answers it.
    ///
    /// # Errors
    /// [`Failure::Unreachable`] without a whole answer in time, [`Failure::Refused`] if it is no
    /// success or no JSON.
    pub(crate) async fn call(&self, call: Call) -> Result<Answer, Failure> {
        let (status, body) = self.exchange(call).await?;
        let text = serde_json::from_slice(&body).map_err(|_| {
            Failure::refused(format!(
                "the answer is HTTP {status} and no JSON; is --url (HOOKLOG_URL) right, and \
                 nothing else on the way?"
            ))
        })?;
        Ok(Answer { text })
    }

    /// Makes a request whose success has no body.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub(crate) async fn call_for_nothing(&self, call: Call) -> Result<(), Failure> {
        self.exchange(call).await.map(drop)
    }

    /// Makes a request whose answer goes on.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub(crate) async fn open(&self, call: Call) -> Result<Incoming, Failure> {
        let sent = tokio::time::timeout(SILENCE, self.send(call)).await;
        let response = sent.map_err(|_| self.silent(SILENCE))??;
        if response.status().is_success() {
            return Ok(Incoming { response });
        }
        let read = tokio::time::timeout(SILENCE, self.refused(response)).await;
        Err(read.unwrap_or_else(|_| self.silent(SILENCE)))
    }

    async fn exchange(&self, call: Call) -> Result<(u16, Vec<u8>), Failure> {
        let exchanged = tokio::time::timeout(ANSWER, async {
            let response = self.send(call).await?;
            let status = response.status();
            if status.is_success() {
                return Ok((status.as_u16(), self.read(response).await?));
            }
            Err(self.refused(response).await)
        });
        exchanged.await.map_err(|_| self.silent(ANSWER))?
    }

    async fn send(&self, call: Call) -> Result<Response, Failure> {
        let mut url = self.base.clone();
        url.set_path(&format!("{}{}", self.base.path().trim_end_matches('/'), call.path));
        if !call.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&call.query);
        }
        let mut request = self.http.request(call.method, url).headers(call.headers);
        if let Some(key) = &self.key {
            request = request.header(AUTHORIZATION, key);
        }
        request.body(call.body).send().await.map_err(|error| self.unreachable(&error))
    }

    async fn refused(&self, response: Response) -> Failure {
        let status = response.status().as_u16();
        let header = response.headers().get(RETRY_AFTER).cloned();
        match self.read(response).await {
            Ok(body) => {
                let retry_after = header.as_ref().and_then(|value| value.to_str().ok());
                failure::refusal(status, retry_after, &body)
            }
            Err(failure) => failure,
        }
    }

    async fn read(&self, mut response: Response) -> Result<Vec<u8>, Failure> {
        let mut body = Vec::new();
        while let Some(part) = response.chunk().await.map_err(|error| self.unreachable(&error))? {
            if body.len() + part.len() > MAX_ANSWER {
                let most = MAX_ANSWER >> 20;
                return Err(Failure::refused(format!("the answer is larger than {most} MiB")));
            }
            body.extend_from_slice(&part);
        }
        Ok(body)
    }

    fn unreachable(&self, error: &reqwest::Error) -> Failure {
        Failure::Unreachable(format!(
            "cannot reach {}: {}; is hooklog running there? --url or HOOKLOG_URL names another place",
            self.base(),
            innermost(error),
        ))
    }

    fn silent(&self, waited: Duration) -> Failure {
        let seconds = waited.as_secs();
        Failure::Unreachable(format!("{} has not answered within {seconds} s", self.base()))
    }
}

/// An answer that goes on.
pub(crate) struct Incoming {
    response: Response,
}

impl Incoming {
    /// Its next part; `None` at its end.
    ///
    /// # Errors
    /// For a person, why there is no next part: the connection broke, or was silent for too long.
    pub(crate) async fn part(&mut self) -> Result<Option<impl AsRef<[u8]>>, String> {
        match tokio::time::timeout(SILENCE, self.response.chunk()).await {
            Ok(part) => part.map_err(|error| innermost(&error)),
            Err(_) => Err(format!("silent for {} s", SILENCE.as_secs())),
        }
    }
}

/// What is behind an error of the library, which itself says little more than that there is one.
fn innermost(error: &reqwest::Error) -> String {
    if error.is_timeout() && error.is_connect() {
        return format!("no connection within {} s", CONNECT.as_secs());
    }
    let mut cause = error.source();
    while let Some(deeper) = cause.and_then(|cause| cause.source()) {
        cause = Some(deeper);
    }
    cause.map_or_else(|| "the connection broke".to_owned(), ToString::to_string)
}

/// TLS with the system's roots; none are read for a URL that needs none.
fn tls(is_needed: bool) -> Result<rustls::ClientConfig, Failure> {
    let mut roots = rustls::RootCertStore::empty();
    if is_needed {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if roots.is_empty() {
            let why = "https needs the system's root certificates, and there are none; install \
                       ca-certificates, or name a file in SSL_CERT_FILE";
            return Err(Failure::Usage(why.to_owned()));
        }
    }
    // Given whole, so that no process-wide crypto provider has to be installed.
    let provider = rustls::crypto::ring::default_provider();
    let config = rustls::ClientConfig::builder_with_provider(provider.into())
        .with_safe_default_protocol_versions()
        .map_err(|error| Failure::Usage(format!("cannot set up TLS: {error}")))?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(url: &str, key: Option<&str>) -> String {
        Client::new(url, key).err().and_then(|failure| failure.line()).unwrap_or_default()
    }

    #[test]
    fn a_url_is_one_that_can_be_called_and_holds_no_password() {
        assert_eq!(refused("http://127.0.0.1:8000/below/", Some("k")), "");
        for (url, why) in [
            ("127.0.0.1:8000", "not a URL"),
            ("localhost:8000", "only http and https"),
            ("ftp://a", "only http and https"),
            ("http://me:hunter2@a", "a password has no place"),
            ("http://a/?b", "nothing may follow"),
        ] {
            let said = refused(url, None);
            assert!(said.contains(why) && !said.contains("hunter2"), "{url}: {said}");
        }
        assert!(refused("http://a", Some("a\nb")).contains("not visible ASCII"));
    }
}
