//! The dashboard: `GET /` and what that page loads, all of it in the binary.
//!
//! The page speaks to `/v1` (and, to send events by hand, to the older contracts) with the key that
//! a person gives it; this module only hands out files. Its policy lets a browser load scripts,
//! styles and data from here alone, and run nothing that stands in the page itself. A browser asks
//! each time whether a file is still the same, so that after an upgrade no page is made of two
//! versions.
//!
//! There is no build step: what stands beside this file is what a browser gets.

use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use axum::response::{IntoResponse, Response};
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use sha2::{Digest, Sha256};

use crate::contract_a::rejection::Rejection;
use crate::refusal::Refusal;

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src 'self' data:; connect-src 'self'; form-action 'none'; frame-ancestors 'none'; \
    base-uri 'none'";

/// A file under `/dashboard/`, by the rest of its path.
type File = (&'static str, &'static str);

macro_rules! files {
    ($($path:literal),* $(,)?) => { &[$(($path, include_str!($path))),*] };
}

const PAGE: File = ("index.html", include_str!("index.html"));
const FILES: &[File] = files![
    "favicon.svg",
    "styles/base.css",
    "styles/charts.css",
    "styles/controls.css",
    "styles/frame.css",
    "styles/palette.css",
    "styles/panels.css",
    "styles/tables.css",
    "scripts/api.js",
    "scripts/app.js",
    "scripts/attempt_list.js",
    "scripts/chart.js",
    "scripts/connection.js",
    "scripts/delivery_table.js",
    "scripts/dialogs.js",
    "scripts/dom.js",
    "scripts/fields.js",
    "scripts/format.js",
    "scripts/health.js",
    "scripts/moment.js",
    "scripts/notice.js",
    "scripts/outcome_feed.js",
    "scripts/payload_view.js",
    "scripts/pieces.js",
    "scripts/poll.js",
    "scripts/preferences.js",
    "scripts/replay_state.js",
    "scripts/retry_field.js",
    "scripts/send_lookup.js",
    "scripts/send_publish.js",
    "scripts/send_result.js",
    "scripts/send_signed.js",
    "scripts/signing.js",
    "scripts/stream.js",
    "scripts/subscription_actions.js",
    "scripts/subscription_fields.js",
    "scripts/subscription_names.js",
    "scripts/table.js",
    "scripts/tabs.js",
    "scripts/theme.js",
    "scripts/verification_field.js",
    "scripts/views/deliveries.js",
    "scripts/views/delivery.js",
    "scripts/views/overview.js",
    "scripts/views/replay.js",
    "scripts/views/replay_form.js",
    "scripts/views/replays.js",
    "scripts/views/send.js",
    "scripts/views/settings.js",
    "scripts/views/subscription.js",
    "scripts/views/subscription_form.js",
    "scripts/views/subscriptions.js",
];

/// `GET /`
pub(crate) async fn page(headers: HeaderMap) -> Response {
    answer(&headers, PAGE)
}

/// `GET /dashboard/{*file}`
pub(crate) async fn file(
    path: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Result<Response, Rejection> {
    let path = path.map(|Path(path)| path).unwrap_or_default();
    let found = FILES.iter().find(|(known, _)| *known == path);
    found.map(|file| answer(&headers, *file)).ok_or_else(|| Refusal::NO_ROUTE.into())
}

fn answer(asked: &HeaderMap, (path, text): File) -> Response {
    let tag = tag(text);
    let known = asked.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    // A proxy that compresses makes the tag a weak one.
    let is_known = known
        .flat_map(|value| value.split(','))
        .any(|known| known.trim().trim_start_matches("W/") == tag);
    let head = (guards(), [(ETAG, tag)]);
    if is_known {
        return (StatusCode::NOT_MODIFIED, head).into_response();
    }
    (head, [(CONTENT_TYPE, media_type(path))], text).into_response()
}

fn tag(text: &str) -> String {
    // Of the hash the beginning is enough to tell versions apart.
    let beginning = Sha256::digest(text.as_bytes()).into_iter().take(8);
    let number = beginning.fold(0_u64, |number, byte| number << 8 | u64::from(byte));
    format!("\"{number:016x}\"")
}

fn media_type(path: &str) -> &'static str {
    match path.rsplit_once('.') {
        Some((_, "html")) => "text/html; charset=utf-8",
        Some((_, "css")) => "text/css; charset=utf-8",
        Some((_, "js")) => "text/javascript; charset=utf-8",
        Some((_, "svg")) => "image/svg+xml",
        _ => "application/octet-stream",
    }
}

fn guards() -> [(HeaderName, HeaderValue); 4] {
    [
        (CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
        (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        (CACHE_CONTROL, HeaderValue::from_static("no-cache")),
    ]
}

#[cfg(test)]
mod palette_tests;
#[cfg(test)]
mod tests;
