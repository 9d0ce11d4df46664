//! The operations listener: health and metrics of this process, apart from the public API.

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::Readiness;

/// Answers until `shutdown` is cancelled.
pub(crate) async fn serve(
    listener: TcpListener,
    readiness: Readiness,
    shutdown: CancellationToken,
) -> std::io::Result<()> {
    let routes = Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics_page))
        .with_state(readiness);
    axum::serve(listener, routes).with_graceful_shutdown(shutdown.cancelled_owned()).await
}

async fn ready(State(readiness): State<Readiness>) -> Response {
    let roles = readiness.roles();
    let all = roles.iter().all(|(_, ready)| *ready);
    let status = if all { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let roles: serde_json::Map<String, Value> =
        roles.into_iter().map(|(role, ready)| (role.to_owned(), Value::Bool(ready))).collect();
    (status, Json(json!({ "ready": all, "roles": roles }))).into_response()
}

async fn metrics_page(State(readiness): State<Readiness>) -> Response {
    match readiness.page().text() {
        Ok(text) => ([(CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "write the metrics' page");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
