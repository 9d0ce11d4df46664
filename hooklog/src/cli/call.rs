//! A request to the API, before it is made. Pure.

use reqwest::Method;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;

use crate::cli::failure::Failure;

/// A request, before it is made.
pub(crate) struct Call {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) query: Vec<(&'static str, String)>,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

impl Call {
    fn new(method: Method, path: impl Into<String>) -> Self {
        let (query, headers, body) = (Vec::new(), HeaderMap::new(), Vec::new());
        Self { method, path: path.into(), query, headers, body }
    }

    /// `path` begins with a slash and stands behind the base URL.
    pub(crate) fn get(path: impl Into<String>) -> Self {
        Self::new(Method::GET, path)
    }

    pub(crate) fn post(path: impl Into<String>) -> Self {
        Self::new(Method::POST, path)
    }

    pub(crate) fn patch(path: impl Into<String>) -> Self {
        Self::new(Method::PATCH, path)
    }

    pub(crate) fn delete(path: impl Into<String>) -> Self {
        Self::new(Method::DELETE, path)
    }

    /// Adds a parameter that is there.
    pub(crate) fn query(mut self, name: &'static str, value: Option<impl ToString>) -> Self {
        self.query.extend(value.map(|value| (name, value.to_string())));
        self
    }

    /// Adds a header that is there.
    ///
    /// # Errors
    /// [`Failure::Usage`]: it cannot be one.
    pub(crate) fn header(mut self, name: &str, value: Option<&str>) -> Result<Self, Failure> {
        if let Some(value) = value {
            let wrong = || Failure::Usage(format!("{name:?} cannot be a header with that value"));
            let name: HeaderName = name.parse().map_err(|_| wrong())?;
            self.headers.append(name, HeaderValue::from_str(value).map_err(|_| wrong())?);
        }
        Ok(self)
    }

    pub(crate) fn body(mut self, content_type: &str, body: Vec<u8>) -> Result<Self, Failure> {
        self.body = body;
        self.header(CONTENT_TYPE.as_str(), Some(content_type))
    }

    pub(crate) fn json(mut self, body: &Value) -> Self {
        self.body = body.to_string().into_bytes();
        self.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        self
    }
}
