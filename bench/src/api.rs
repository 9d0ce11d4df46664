//! The HTTP client that events are sent with.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

/// No answer may take longer.
const TIMEOUT: Duration = Duration::from_secs(10);

/// One pool of connections. Clones share it.
#[derive(Debug, Clone)]
pub struct Api {
    client: Client<HttpConnector, Full<Bytes>>,
}

impl Default for Api {
    fn default() -> Self {
        Self { client: Client::builder(TokioExecutor::new()).build_http() }
    }
}

impl Api {
    /// The status that a resource is answered with; `None` if nobody answers.
    pub async fn get(&self, url: &str) -> Option<u16> {
        self.send(Method::GET, url, &[], Bytes::new()).await
    }

    /// The status that a POST is answered with; `None` if nobody answers.
    pub async fn post(&self, url: &str, headers: &[(&str, &str)], body: Bytes) -> Option<u16> {
        self.send(Method::POST, url, headers, body).await
    }

    async fn send(
        &self,
        method: Method,
        url: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Option<u16> {
        let request = headers
            .iter()
            .fold(Request::builder().method(method).uri(url), |it, (k, v)| it.header(*k, *v));
        let request = request.body(Full::new(body)).ok()?;
        let answered = async {
            let response = self.client.request(request).await.ok()?;
            let status = response.status().as_u16();
            // Read to its end, so that the connection is used again.
            response.into_body().collect().await.ok()?;
            Some(status)
        };
        tokio::time::timeout(TIMEOUT, answered).await.ok().flatten()
    }
}
