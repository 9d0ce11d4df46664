//! The whole HTTP surface on one screen.

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodRouter, get, post};

use crate::contract_a::{ingest, logs, rejection, status, subscriptions};
use crate::gateway::{Gateway, refuse_until_open};

pub(crate) fn router(gateway: Arc<Gateway>) -> Router {
    let gate = gateway.gate.clone();
    let a: [(&str, MethodRouter<Arc<Gateway>>); 6] = [
        ("/subscriptions", get(subscriptions::list).post(subscriptions::create)),
        (
            "/subscriptions/{id}",
            get(subscriptions::read).put(subscriptions::replace).delete(subscriptions::delete),
        ),
        ("/subscriptions/{id}/logs", get(logs::of_subscription)),
        ("/ingest/{id}", post(ingest::ingest)),
        ("/status/{id}", get(status::status)),
        ("/logs", get(logs::all)),
    ];
    a.into_iter()
        .fold(Router::new(), |router, (path, methods)| {
            // With and without a trailing slash: a redirect would lose the body of a POST.
            router.route(&format!("{path}/"), methods.clone()).route(path, methods)
        })
        .fallback(rejection::not_found)
        .method_not_allowed_fallback(rejection::method_not_allowed)
        .layer(from_fn_with_state(gate, refuse_until_open))
        .with_state(gateway)
}
