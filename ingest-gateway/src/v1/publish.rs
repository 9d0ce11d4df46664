//! Publishes one event: to every matching subscription through `events`, or to one through
//! `deliveries`. A repeat under the same key gets the answer of the first one.

use std::sync::Arc;

use fault_point::Defect;
use jiff::Timestamp;
use pipeline::cloud_event::CloudEvent;
use pipeline::fan_out::{self, Address, EventDigest, Verdict};
use pipeline::ids::{DeliveryId, SubscriptionId};
use pipeline::payload_filter::Payload;
use pipeline::subscription::Subscription;
use serde::{Serialize, Serializer};
use utoipa::ToSchema;

use crate::gateway::Gateway;
use crate::publisher::NotWritten;
use crate::v1::event_item::Item;
use crate::v1::idempotency::{BodyHash, NoAnswer};

/// Deliveries that an answer lists; the count is told of all.
pub(crate) const MAX_LISTED: usize = 100;

/// Whom an event is for.
#[derive(Debug, Clone)]
pub(crate) enum Target {
    /// Every subscription whose filter lets it through.
    All,
    /// This one, if its filter lets it through.
    One(Arc<Subscription>),
}

/// A delivery of an event that was accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = v1::ListedDelivery)]
pub(crate) struct ListedDelivery {
    #[schema(value_type = Uuid)]
    delivery_id: DeliveryId,
    #[schema(value_type = Uuid)]
    subscription_id: SubscriptionId,
}

/// What became of an event. Clones share the list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = v1::Published)]
pub(crate) struct Published {
    status: Status,
    event_id: String,
    /// Why it is filtered.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<FilteredBy>,
    /// How many deliveries there are. For a fan-out it is a forecast: what matches when the
    /// event is fanned out counts.
    delivery_count: usize,
    /// The first [`MAX_LISTED`] of them.
    #[serde(serialize_with = "as_list")]
    #[schema(value_type = Vec<ListedDelivery>)]
    deliveries: Arc<[ListedDelivery]>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = v1::PublishedStatus)]
#[serde(rename_all = "snake_case")]
enum Status {
    /// The broker has it.
    Accepted,
    /// The one subscription that it is for does not want it: nothing was written.
    Filtered,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = v1::FilteredBy)]
#[serde(rename_all = "snake_case")]
pub(crate) enum FilteredBy {
    EventType,
    Payload,
}

impl Published {
    pub(crate) fn to_all(event_id: String, listed: Vec<ListedDelivery>, count: usize) -> Self {
        Self {
            status: Status::Accepted,
            event_id,
            reason: None,
            delivery_count: count,
            deliveries: listed.into(),
        }
    }

    fn filtered(event_id: String, reason: FilteredBy) -> Self {
        let nothing = Self::to_all(event_id, Vec::new(), 0);
        Self { status: Status::Filtered, reason: Some(reason), ..nothing }
    }

    #[cfg(test)]
    pub(crate) fn event_id(&self) -> &str {
        &self.event_id
    }

    pub(crate) fn deliveries(&self) -> &[ListedDelivery] {
        &self.deliveries
    }

    pub(crate) fn is_filtered(&self) -> bool {
        self.status == Status::Filtered
    }

    /// The same without the list, for an answer that has listed enough.
    pub(crate) fn without_list(self) -> Self {
        Self { deliveries: Arc::new([]), ..self }
    }
}

fn as_list<S: Serializer>(listed: &Arc<[ListedDelivery]>, to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(listed.iter())
}

/// Why an event was not published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotPublished {
    /// The broker did not acknowledge it; it may have it all the same.
    #[error("The event could not be stored. Send it again.")]
    Unavailable,
    /// The key was used for another event.
    #[error("The idempotency key was used for an event with another type or body.")]
    KeyReused,
    /// The event's own extension names no subscription.
    #[error("The extension attribute subscription is no subscription's id.")]
    NoSuchAddress,
}

impl NotPublished {
    /// The stable code of `/v1`.
    pub(crate) const fn code(self) -> &'static str {
        match self {
            Self::Unavailable => "unavailable",
            Self::KeyReused => "idempotency_key_reused",
            Self::NoSuchAddress => "invalid_event",
        }
    }
}

impl From<NotWritten> for NotPublished {
    fn from(_: NotWritten) -> Self {
        Self::Unavailable
    }
}

/// Publishes an event once for each key.
///
/// # Errors
/// [`NotPublished`].
pub(crate) async fn publish(
    gateway: &Gateway,
    item: Item,
    target: &Target,
) -> Result<Published, NotPublished> {
    let Item { event, key } = item;
    let Some(key) = key else { return write(gateway, &event, target).await };
    let scope = match target {
        Target::All => event.source.clone(),
        Target::One(subscription) => format!("{} {}", event.source, subscription.id),
    };
    let hash = BodyHash::of(&event.event_type, &event.data);
    // The cache's future holds what it awaits several times over.
    let made = Box::pin(write(gateway, &event, target));
    match Box::pin(gateway.idempotency.get_or_publish(scope, key, hash, made)).await {
        Ok(answer) => Ok(answer),
        Err(NoAnswer::OtherBody) => Err(NotPublished::KeyReused),
        Err(NoAnswer::NotPublished(error)) => Err(*error),
    }
}

async fn write(
    gateway: &Gateway,
    event: &CloudEvent,
    target: &Target,
) -> Result<Published, NotPublished> {
    let digest = EventDigest::of(event);
    let published = match target {
        Target::All => to_all(gateway, event, digest).await,
        Target::One(subscription) => to_one(gateway, event, digest, subscription).await,
    }?;
    let counter = match published.reason {
        None => &gateway.figures.accepted,
        Some(FilteredBy::EventType) => &gateway.figures.filtered_by_type,
        Some(FilteredBy::Payload) => &gateway.figures.filtered_by_payload,
    };
    counter.inc();
    Ok(published)
}

async fn to_all(
    gateway: &Gateway,
    event: &CloudEvent,
    digest: EventDigest,
) -> Result<Published, NotPublished> {
    let named = match fan_out::address(event) {
        Address::All => None,
        // What is not known here may be known where the event is fanned out.
        Address::One(id) => Some(gateway.lookup.find(id).await.ok().flatten()),
        Address::Unreadable => return Err(NotPublished::NoSuchAddress),
    };
    let recipients = gateway.lookup.wanting(event, named);
    let listed = recipients.iter().take(MAX_LISTED).map(|to| ListedDelivery {
        delivery_id: digest.delivery_id(to.id),
        subscription_id: to.id,
    });
    let answer = Published::to_all(event.id.clone(), listed.collect(), recipients.len());
    gateway.publisher.publish_event(event).await?;
    Ok(answer)
}

async fn to_one(
    gateway: &Gateway,
    event: &CloudEvent,
    digest: EventDigest,
    to: &Subscription,
) -> Result<Published, NotPublished> {
    let filtered = |reason| Ok(Published::filtered(event.id.clone(), reason));
    match fan_out::judge(event, &Payload::new(&event.data), to) {
        Verdict::OtherType if fault_point::defect(Defect::FilterAfterProduce) => {}
        Verdict::OtherType => return filtered(FilteredBy::EventType),
        Verdict::OtherPayload => return filtered(FilteredBy::Payload),
        Verdict::Wanted => {}
    }
    let delivery = fan_out::delivery(event, digest, to, Timestamp::now());
    let listed =
        ListedDelivery { delivery_id: delivery.id, subscription_id: delivery.subscription_id };
    gateway.publisher.publish_delivery(&delivery).await?;
    Ok(Published::to_all(event.id.clone(), vec![listed], 1))
}
