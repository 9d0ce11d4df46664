//! Ids in paths.

use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{FromRequestParts, RawPathParams};
use http::request::Parts;
use pipeline::ids::SubscriptionId;

use crate::v1::problem::Problem;

/// The subscription that a path names.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SubscriptionPath(pub SubscriptionId);

/// What is no id names no subscription.
impl<S: Send + Sync> FromRequestParts<S> for SubscriptionPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let params: Result<RawPathParams, RawPathParamsRejection> =
            RawPathParams::from_request_parts(parts, state).await;
        let id = params.ok().and_then(|params| {
            let named = params.iter().find(|(name, _)| *name == "id");
            named.and_then(|(_, value)| value.parse().ok())
        });
        id.map(Self).ok_or_else(Problem::subscription_not_found)
    }
}
