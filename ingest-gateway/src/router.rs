//! The whole HTTP surface on one screen.

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::response::IntoResponse;
use axum::routing::{MethodRouter, any, get, post};

use crate::dashboard;
use crate::figures::{RequestFigures, hands_over_events, measure};
use crate::gateway::{Gateway, refuse_until_open};
use crate::openapi::pages;
use crate::refusal::{Refusal, no_method, no_route};
use crate::{contract_a as a, contract_b as b, v1};

type Routes<const N: usize> = [(&'static str, MethodRouter<Arc<Gateway>>); N];

/// Each route has an operation in the API document; so has each of [`routes_b`] and [`routes_v1`].
pub(crate) fn routes_a() -> Routes<6> {
    [
        ("/subscriptions", get(a::subscriptions::list).post(a::subscriptions::create)),
        (
            "/subscriptions/{id}",
            get(a::subscriptions::read)
                .put(a::subscriptions::replace)
                .delete(a::subscriptions::delete),
        ),
        ("/subscriptions/{id}/logs", get(a::logs::of_subscription)),
        ("/ingest/{id}", post(a::ingest::ingest)),
        ("/status/{id}", get(a::status::status)),
        ("/logs", get(a::logs::all)),
    ]
}

pub(crate) fn routes_b() -> Routes<5> {
    [
        ("/subscriptions", get(b::subscriptions::list).post(b::subscriptions::create)),
        (
            "/subscriptions/{id}",
            get(b::subscriptions::read)
                .put(b::subscriptions::amend)
                .delete(b::subscriptions::delete),
        ),
        ("/ingest/{id}", post(b::ingest::ingest)),
        ("/status/delivery_tasks/{id}", get(b::status::delivery_task)),
        ("/status/subscriptions/{id}/attempts", get(b::status::attempts)),
    ]
}

pub(crate) fn routes_v1() -> Routes<19> {
    [
        ("/events", post(v1::events::to_all)),
        ("/subscriptions/{id}/events", post(v1::events::to_one)),
        ("/subscriptions", get(v1::subscriptions::list).post(v1::subscriptions::create)),
        (
            "/subscriptions/{id}",
            get(v1::subscriptions::read)
                .patch(v1::subscriptions::patch)
                .delete(v1::subscriptions::delete),
        ),
        ("/subscriptions/{id}/pause", post(v1::subscription_actions::pause)),
        ("/subscriptions/{id}/resume", post(v1::subscription_actions::resume)),
        ("/subscriptions/{id}/rotate-secret", post(v1::subscription_actions::rotate_secret)),
        ("/subscriptions/{id}/test", post(v1::subscription_actions::test)),
        ("/subscriptions/{id}/health", get(v1::health::of_subscription)),
        ("/health", get(v1::health::list)),
        ("/stats", get(v1::stats::read)),
        ("/deliveries", get(v1::deliveries::list)),
        ("/deliveries/{id}", get(v1::deliveries::read)),
        ("/deliveries/{id}/retry", post(v1::delivery_actions::retry)),
        ("/deliveries/{id}/cancel", post(v1::delivery_actions::cancel)),
        ("/replays", get(v1::replays::list).post(v1::replays::create)),
        ("/replays/{id}", get(v1::replays::read)),
        ("/replays/{id}/cancel", post(v1::replays::cancel)),
        ("/stream", get(v1::stream::stream)),
    ]
}

fn routes_of_pages() -> Routes<5> {
    [
        ("/", get(dashboard::page)),
        ("/dashboard/{*file}", get(dashboard::file)),
        ("/openapi.json", get(pages::document)),
        ("/docs", get(pages::page)),
        ("/docs/{file}", get(pages::file)),
    ]
}

pub(crate) fn router(gateway: Arc<Gateway>) -> Router {
    let at_root = routes_a().into_iter().chain(routes_of_pages());
    let a = contract::<a::rejection::Rejection>(at_root, &gateway, &gateway.figures.a);
    let v1 = contract::<v1::problem::Problem>(routes_v1(), &gateway, &gateway.figures.v1);
    let mut b = contract::<b::rejection::Rejection>(routes_b(), &gateway, &gateway.figures.b);
    let own_headers = [&gateway.ingest.signature_header, &gateway.ingest.event_type_header];
    if let Some(cors) = gateway.cors.layer(own_headers.map(|header| header.name.clone())) {
        b = b.layer(cors);
    }
    a.nest("/api", b.clone())
        .nest("/api/v1", b)
        .nest("/v1", v1)
        // The one path under each prefix that is not nested.
        .route("/api/", any(no_route::<b::rejection::Rejection>))
        .route("/v1/", any(no_route::<v1::problem::Problem>))
        .with_state(gateway)
}

/// A contract's routes; whatever no handler has is answered in the words of `R`.
fn contract<R: From<Refusal> + IntoResponse + 'static>(
    routes: impl IntoIterator<Item = (&'static str, MethodRouter<Arc<Gateway>>)>,
    gateway: &Gateway,
    figures: &Arc<RequestFigures>,
) -> Router<Arc<Gateway>> {
    routes
        .into_iter()
        .fold(Router::new(), |router, (path, methods)| {
            let methods = match hands_over_events(path) {
                true => methods.route_layer(from_fn_with_state(Arc::clone(figures), measure)),
                false => methods,
            };
            if path == "/" || path.contains("{*") {
                return router.route(path, methods);
            }
            // With and without a trailing slash: a redirect would lose the body of a POST.
            router.route(&format!("{path}/"), methods.clone()).route(path, methods)
        })
        .fallback(no_route::<R>)
        .method_not_allowed_fallback(no_method::<R>)
        .layer(from_fn_with_state(gateway.gate.clone(), refuse_until_open::<R>))
}
