//! Ids in paths.

use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{FromRequestParts, RawPathParams};
use http::request::Parts;
use pipeline::ids::{DeliveryId, SubscriptionId};
use uuid::Uuid;

use crate::v1::problem::Problem;

/// The subscription that a path names.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SubscriptionPath(pub SubscriptionId);

/// The delivery that a path names.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DeliveryPath(pub DeliveryId);

/// The replay that a path names.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ReplayPath(pub Uuid);

/// What is no id names no subscription.
impl<S: Send + Sync> FromRequestParts<S> for SubscriptionPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let id = id(parts, state).await.ok_or_else(Problem::subscription_not_found)?;
        Ok(Self(SubscriptionId::from_uuid(id)))
    }
}

/// What is no id names no delivery.
impl<S: Send + Sync> FromRequestParts<S> for DeliveryPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let id = id(parts, state).await.ok_or_else(Problem::delivery_not_found)?;
        Ok(Self(DeliveryId::from_uuid(id)))
    }
}

/// What is no id names no replay.
impl<S: Send + Sync> FromRequestParts<S> for ReplayPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        id(parts, state).await.map(Self).ok_or_else(Problem::replay_not_found)
    }
}

async fn id<S: Send + Sync>(parts: &mut Parts, state: &S) -> Option<Uuid> {
    let params: Result<RawPathParams, RawPathParamsRejection> =
        RawPathParams::from_request_parts(parts, state).await;
    let params = params.ok()?;
    let (_, value) = params.iter().find(|(name, _)| *name == "id")?;
    value.parse().ok()
}
