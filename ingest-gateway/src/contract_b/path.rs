//! The id in a route's path. What is no UUID names nothing, and is answered as an unknown id.

use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use pipeline::ids::{DeliveryId, SubscriptionId};
use uuid::Uuid;

use crate::contract_b::rejection::Rejection;

/// What the handlers get; a segment may not even be UTF-8.
pub(crate) type Segment = Result<Path<String>, PathRejection>;

/// # Errors
/// The segment is no UUID.
pub(crate) fn subscription(segment: Segment) -> Result<SubscriptionId, Rejection> {
    uuid(segment).map(SubscriptionId::from_uuid).ok_or(Rejection::SubscriptionNotFound)
}

/// # Errors
/// The segment is no UUID.
pub(crate) fn delivery_task(segment: Segment) -> Result<DeliveryId, Rejection> {
    uuid(segment).map(DeliveryId::from_uuid).ok_or(Rejection::DeliveryTaskNotFound)
}

fn uuid(segment: Segment) -> Option<Uuid> {
    Uuid::parse_str(&segment.ok()?.0).ok()
}
