//! How a delivery and its attempts look in an answer.

use jiff::Timestamp;
use pipeline::ids::{DeliveryId, SubscriptionId};
use pipeline::outcome::State;
use serde::Serialize;
use uuid::Uuid;

use crate::contract_a::timestamp::{micros, optional_micros};
use crate::status_store::{Attempt, DeliveryStatus};

/// A delivery with its attempts, oldest first.
#[derive(Debug, Serialize)]
pub(crate) struct StatusShape {
    id: DeliveryId,
    subscription_id: SubscriptionId,
    #[serde(serialize_with = "micros")]
    ingested_at: Timestamp,
    status: &'static str,
    latest_attempt: Option<AttemptShape>,
    attempts: Vec<AttemptShape>,
}

/// One call to a receiver.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct AttemptShape {
    id: Uuid,
    webhook_id: DeliveryId,
    subscription_id: SubscriptionId,
    target_url: String,
    attempt_number: i32,
    #[serde(serialize_with = "micros")]
    attempted_at: Timestamp,
    outcome: &'static str,
    http_status_code: Option<i32>,
    error_details: Option<String>,
    #[serde(serialize_with = "optional_micros")]
    next_attempt_at: Option<Timestamp>,
}

impl From<DeliveryStatus> for StatusShape {
    fn from(delivery: DeliveryStatus) -> Self {
        let attempts: Vec<AttemptShape> =
            delivery.attempts.into_iter().map(AttemptShape::from).collect();
        Self {
            id: delivery.id,
            subscription_id: delivery.subscription_id,
            ingested_at: delivery.accepted_at,
            status: status_word(&delivery.state),
            latest_attempt: attempts.last().cloned(),
            attempts,
        }
    }
}

impl From<Attempt> for AttemptShape {
    fn from(attempt: Attempt) -> Self {
        let answered = || attempt.http_status.map(|status| format!("HTTP {status}"));
        let error_details =
            if attempt.succeeded { None } else { attempt.error.clone().or_else(answered) };
        Self {
            id: attempt.id,
            webhook_id: attempt.delivery_id,
            subscription_id: attempt.subscription_id,
            target_url: attempt.target_url,
            attempt_number: attempt.number,
            attempted_at: attempt.attempted_at,
            outcome: outcome_word(attempt.succeeded, &attempt.state),
            http_status_code: attempt.http_status,
            error_details,
            next_attempt_at: attempt.next_attempt_at,
        }
    }
}

fn is(state: &str, one_of: &[State]) -> bool {
    one_of.iter().any(|known| known.as_str() == state)
}

/// The seed has three words for a delivery's state; one that retries is still queued, and it
/// knows no cancelling.
fn status_word(state: &str) -> &'static str {
    if is(state, &[State::Delivered]) {
        "succeeded"
    } else if is(state, &[State::DeadLettered, State::Cancelled]) {
        "failed"
    } else {
        "queued"
    }
}

/// `state` is the delivery's after the attempt.
fn outcome_word(succeeded: bool, state: &str) -> &'static str {
    if succeeded {
        "succeeded"
    } else if status_word(state) == "failed" {
        "permanently_failed"
    } else {
        "failed_attempt"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_has_one_of_the_seeds_words() {
        for (state, word) in [
            (State::Pending, "queued"),
            (State::Retrying, "queued"),
            (State::Delivered, "succeeded"),
            (State::DeadLettered, "failed"),
            (State::Cancelled, "failed"),
        ] {
            assert_eq!(status_word(state.as_str()), word);
        }
    }

    #[test]
    fn the_last_attempt_of_a_failed_delivery_failed_permanently() {
        assert_eq!(outcome_word(true, "delivered"), "succeeded");
        assert_eq!(outcome_word(false, "retrying"), "failed_attempt");
        assert_eq!(outcome_word(false, "dead_lettered"), "permanently_failed");
    }

    #[test]
    fn the_fields_stand_in_the_contracts_order() {
        let at = Timestamp::UNIX_EPOCH;
        let attempt = Attempt {
            id: Uuid::nil(),
            delivery_id: DeliveryId::from_uuid(Uuid::nil()),
            subscription_id: SubscriptionId::from_uuid(Uuid::nil()),
            number: 1,
            succeeded: false,
            state: "retrying".to_owned(),
            target_url: "https://example.com/".to_owned(),
            http_status: Some(500),
            error: None,
            attempted_at: at,
            next_attempt_at: None,
        };
        let delivery = DeliveryStatus {
            id: attempt.delivery_id,
            subscription_id: attempt.subscription_id,
            accepted_at: at,
            state: "retrying".to_owned(),
            attempts: vec![attempt],
        };
        let written = serde_json::to_string(&StatusShape::from(delivery)).unwrap();
        let nil = "00000000-0000-0000-0000-000000000000";
        let at = "1970-01-01T00:00:00.000000Z";
        let attempt = format!(
            "{{\"id\":\"{nil}\",\"webhook_id\":\"{nil}\",\"subscription_id\":\"{nil}\",\
             \"target_url\":\"https://example.com/\",\"attempt_number\":1,\
             \"attempted_at\":\"{at}\",\"outcome\":\"failed_attempt\",\
             \"http_status_code\":500,\"error_details\":\"HTTP 500\",\"next_attempt_at\":null}}"
        );
        assert_eq!(
            written,
            format!(
                "{{\"id\":\"{nil}\",\"subscription_id\":\"{nil}\",\"ingested_at\":\"{at}\",\
                 \"status\":\"queued\",\"latest_attempt\":{attempt},\"attempts\":[{attempt}]}}"
            )
        );
    }
}
