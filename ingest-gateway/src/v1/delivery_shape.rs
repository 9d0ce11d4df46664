//! How a delivery and its calls look in an answer. Every field is there, in this order.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use pipeline::ids::{DeliveryId, SubscriptionId};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::own_delivery_store::{OwnAttempt, OwnDelivery, OwnDeliveryStory};
use crate::v1::timestamp::{micros, optional_micros};

/// A delivery.
// The fields stand in the contract's order.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = v1::Delivery)]
pub(crate) struct DeliveryShape<'a> {
    #[schema(value_type = Uuid)]
    id: DeliveryId,
    #[schema(value_type = Uuid)]
    subscription_id: SubscriptionId,
    /// What its receiver sees as `webhook-id`: that of the original for a retry by hand.
    message_id: Uuid,
    #[schema(required)]
    event_type: Option<&'a str>,
    /// `pending`, `retrying`, `delivered`, `dead_lettered` or `cancelled`.
    status: &'a str,
    /// Why it has ended without having been delivered, or why it was put aside.
    #[schema(required)]
    reason: Option<&'a str>,
    /// How many calls were made.
    attempts: i32,
    #[serde(serialize_with = "micros")]
    accepted_at: Timestamp,
    #[serde(serialize_with = "optional_micros")]
    #[schema(required)]
    last_attempt_at: Option<Timestamp>,
    #[serde(serialize_with = "optional_micros")]
    #[schema(required)]
    next_attempt_at: Option<Timestamp>,
    #[schema(required)]
    last_http_status: Option<i32>,
    /// `http_status` for an answer that is no 2xx, or what kept an answer from coming.
    #[schema(required)]
    last_error_kind: Option<&'a str>,
    #[schema(required)]
    last_error: Option<&'a str>,
    /// The delivery that this one repeats.
    #[schema(required)]
    replay_of: Option<Uuid>,
    #[schema(required)]
    content_type: Option<&'a str>,
    /// Null if the payload is not stored.
    #[schema(required)]
    payload_bytes: Option<i32>,
}

/// A delivery with its payload and every call.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = v1::DeliveryStory)]
pub(crate) struct DeliveryStoryShape<'a> {
    #[serde(flatten)]
    delivery: DeliveryShape<'a>,
    /// Null if it is not stored.
    #[schema(required)]
    payload: Option<PayloadShape<'a>>,
    /// Its calls, oldest first.
    timeline: Vec<AttemptShape<'a>>,
}

/// The beginning of what is delivered, or all of it.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
#[schema(as = v1::Payload)]
pub(crate) struct PayloadShape<'a> {
    /// `utf-8`, or `base64` for bytes that are no such text.
    encoding: &'static str,
    data: Cow<'a, str>,
    /// Whether there is more of it.
    truncated: bool,
}

/// One call to a receiver.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = v1::Attempt)]
pub(crate) struct AttemptShape<'a> {
    number: i32,
    /// The delivery's, after this call.
    status: &'a str,
    succeeded: bool,
    target_url: &'a str,
    #[schema(required)]
    http_status: Option<i32>,
    #[schema(required)]
    error_kind: Option<&'a str>,
    #[schema(required)]
    error: Option<&'a str>,
    latency_ms: f64,
    /// The beginning of the answer's body, as text.
    response_excerpt: &'a str,
    response_truncated: bool,
    #[serde(serialize_with = "micros")]
    attempted_at: Timestamp,
    #[serde(serialize_with = "optional_micros")]
    #[schema(required)]
    next_attempt_at: Option<Timestamp>,
}

impl<'a> From<&'a OwnDelivery> for DeliveryShape<'a> {
    fn from(delivery: &'a OwnDelivery) -> Self {
        Self {
            id: delivery.id,
            subscription_id: delivery.subscription_id,
            message_id: delivery.message_id,
            event_type: delivery.event_type.as_deref(),
            status: &delivery.state,
            reason: delivery.reason.as_deref(),
            attempts: delivery.attempts,
            accepted_at: delivery.accepted_at,
            last_attempt_at: delivery.last_attempt_at,
            next_attempt_at: delivery.next_attempt_at,
            last_http_status: delivery.last_http_status,
            last_error_kind: delivery.last_error_kind.as_deref(),
            last_error: delivery.last_error.as_deref(),
            replay_of: delivery.replay_of,
            content_type: delivery.content_type.as_deref(),
            payload_bytes: delivery.payload_bytes,
        }
    }
}

impl<'a> From<&'a OwnDeliveryStory> for DeliveryStoryShape<'a> {
    fn from(story: &'a OwnDeliveryStory) -> Self {
        let whole = story.delivery.payload_bytes.unwrap_or_default();
        let payload = story.payload.as_deref();
        Self {
            delivery: DeliveryShape::from(&story.delivery),
            payload: payload.map(|bytes| PayloadShape::of(bytes, bytes.len() < whole as usize)),
            timeline: story.calls.iter().map(AttemptShape::from).collect(),
        }
    }
}

impl<'a> From<&'a OwnAttempt> for AttemptShape<'a> {
    fn from(attempt: &'a OwnAttempt) -> Self {
        Self {
            number: attempt.number,
            status: &attempt.state,
            succeeded: attempt.succeeded,
            target_url: &attempt.target_url,
            http_status: attempt.http_status,
            error_kind: attempt.error_kind.as_deref(),
            error: attempt.error.as_deref(),
            latency_ms: attempt.latency_micros as f64 / 1_000.0,
            response_excerpt: &attempt.response_excerpt,
            response_truncated: attempt.response_truncated,
            attempted_at: attempt.attempted_at,
            next_attempt_at: attempt.next_attempt_at,
        }
    }
}

impl<'a> PayloadShape<'a> {
    /// `truncated` says that more bytes follow: they may begin within a character.
    fn of(bytes: &'a [u8], truncated: bool) -> Self {
        let text = match str::from_utf8(bytes) {
            Ok(text) => Some(text),
            Err(error) if truncated && error.error_len().is_none() => {
                str::from_utf8(&bytes[..error.valid_up_to()]).ok()
            }
            Err(_) => None,
        };
        match text {
            Some(text) => Self { encoding: "utf-8", data: text.into(), truncated },
            None => Self { encoding: "base64", data: STANDARD.encode(bytes).into(), truncated },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_is_text_where_it_is_text_and_no_character_is_cut() {
        let of = |bytes: &'static [u8], truncated| {
            let payload = PayloadShape::of(bytes, truncated);
            (payload.encoding, payload.data.into_owned(), payload.truncated)
        };
        assert_eq!(of(b"{\"a\":\0}", false), ("utf-8", "{\"a\":\0}".into(), false));
        assert_eq!(of("aé".as_bytes(), true), ("utf-8", "aé".into(), true));
        assert_eq!(of(&"aé".as_bytes()[..2], true), ("utf-8", "a".into(), true));
        assert_eq!(of(&"aé".as_bytes()[..2], false), ("base64", "YcM=".into(), false));
        assert_eq!(of(b"\xffa", true), ("base64", "/2E=".into(), true));
        assert_eq!(of(b"", false), ("utf-8", String::new(), false));
    }
}
