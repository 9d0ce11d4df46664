//! `GET /openapi.json` and the interactive page at `GET /docs`.
//!
//! Everything that the page needs is in the binary: its policy lets a browser load nothing from
//! anywhere else.

use std::borrow::Cow;
use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::{Html, IntoResponse, Response};
use bytes::Bytes;
use http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderName, HeaderValue};
use utoipa_swagger_ui::{Config, SwaggerFile};

use crate::config::IngestSettings;
use crate::contract_a::rejection::Rejection;
use crate::gateway::Gateway;
use crate::refusal::Refusal;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const PAGE: &str = include_str!("page.html");
/// Swagger UI sets styles in attributes, and its images are part of its style sheet.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
     frame-ancestors 'none'; base-uri 'none'",
);

/// The document as it is answered, and the page's settings; one per process.
pub(crate) struct ApiPages {
    document: Bytes,
    viewer: Arc<Config<'static>>,
}

impl ApiPages {
    /// # Errors
    /// The document cannot be written as JSON.
    pub(crate) fn new(ingest: &IngestSettings) -> Result<Self, serde_json::Error> {
        let viewer = Config::from("/openapi.json")
            .use_base_layout()
            // Swagger UI would send the document to a service of its makers to be judged.
            .validator_url("none")
            .deep_linking(true)
            .doc_expansion("list");
        let document = serde_json::to_vec(&super::document(ingest))?.into();
        Ok(Self { document, viewer: Arc::new(viewer) })
    }
}

/// `GET /openapi.json`
pub(crate) async fn document(State(gateway): State<Arc<Gateway>>) -> Response {
    ([(CONTENT_TYPE, JSON)], gateway.pages.document.clone()).into_response()
}

/// `GET /docs`
pub(crate) async fn page() -> impl IntoResponse {
    (guards(), Html(PAGE))
}

/// `GET /docs/{file}`: what the page is made of.
pub(crate) async fn file(
    State(gateway): State<Arc<Gateway>>,
    name: Result<Path<String>, PathRejection>,
) -> Result<Response, Rejection> {
    let name = name.map(|Path(name)| name).unwrap_or_default();
    match utoipa_swagger_ui::serve(&name, gateway.pages.viewer.clone()) {
        Ok(Some(SwaggerFile { bytes, content_type, .. })) => {
            let bytes = match bytes {
                Cow::Borrowed(embedded) => Bytes::from_static(embedded),
                Cow::Owned(made) => made.into(),
            };
            Ok((guards(), [(CONTENT_TYPE, content_type)], bytes).into_response())
        }
        Ok(None) | Err(_) => Err(Refusal::NO_ROUTE.into()),
    }
}

fn guards() -> [(HeaderName, HeaderValue); 2] {
    [
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ]
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use http::{Request, StatusCode};
    use http_body_util::BodyExt;
    use hyper::service::Service;

    use super::super::tests::{service, written};
    use super::*;

    async fn get(path: &str) -> (StatusCode, http::HeaderMap, String) {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let (head, body) = service().call(request).await.unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        (head.status, head.headers, String::from_utf8_lossy(&body).into_owned())
    }

    #[tokio::test]
    async fn the_document_is_answered_as_json() {
        let (status, headers, body) = get("/openapi.json").await;
        assert_eq!((status, &headers[CONTENT_TYPE]), (StatusCode::OK, &JSON));
        assert_eq!(serde_json::from_str::<serde_json::Value>(&body).unwrap(), written(&[]));
    }

    #[tokio::test]
    async fn the_page_loads_only_what_is_answered_here_and_no_browser_would_let_it() {
        for path in ["/docs", "/docs/"] {
            let (status, headers, page) = get(path).await;
            assert_eq!((status, page.as_str()), (StatusCode::OK, PAGE), "{path}");
            assert_eq!(headers[CONTENT_SECURITY_POLICY], POLICY);
        }
        let loads = PAGE.split("href=\"").skip(1).chain(PAGE.split("src=\"").skip(1));
        let loads: Vec<_> = loads.map(|rest| rest.split('"').next().unwrap()).collect();
        assert_eq!(loads.len(), 6);
        for file in loads {
            assert!(file.starts_with("/docs/"), "{file}");
            let (status, headers, body) = get(file).await;
            assert_eq!(status, StatusCode::OK, "{file}");
            assert_eq!(headers[X_CONTENT_TYPE_OPTIONS], "nosniff");
            assert!(!body.is_empty());
        }
    }

    #[tokio::test]
    async fn the_page_shows_this_document_and_sends_it_to_nobody() {
        let (_, _, settings) = get("/docs/swagger-initializer.js").await;
        assert!(settings.contains(r#""url": "/openapi.json""#), "{settings}");
        assert!(settings.contains(r#""validatorUrl": "none""#), "{settings}");
        assert!(!settings.contains("//petstore"), "{settings}");
    }

    #[tokio::test]
    async fn a_file_that_there_is_none_of_is_no_route() {
        let (status, _, body) = get("/docs/nothing.js").await;
        assert_eq!((status, body.as_str()), (StatusCode::NOT_FOUND, r#"{"detail":"Not Found"}"#));
    }
}
