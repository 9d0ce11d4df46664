//! How a delivery and its attempts look in an answer.

use jiff::Timestamp;
use pipeline::ids::{DeliveryId, SubscriptionId};
use serde::Serialize;
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::contract_b::timestamp::{isoformat, optional_isoformat};
use crate::json_fields;
use crate::standing::{Standing, Verdict};
use crate::status_store::{Attempt, DeliveryStatus};

/// A delivery with its attempts, oldest first. The seed documents the id by one name and
/// answers it by the other.
#[derive(Debug, Serialize)]
pub(crate) struct TaskShape {
    task_id: DeliveryId,
    id: DeliveryId,
    subscription_id: SubscriptionId,
    payload: Option<Payload>,
    status: &'static str,
    attempts_count: i32,
    #[serde(serialize_with = "isoformat")]
    created_at: Timestamp,
    #[serde(serialize_with = "optional_isoformat")]
    last_attempt_at: Option<Timestamp>,
    #[serde(serialize_with = "optional_isoformat")]
    next_attempt_at: Option<Timestamp>,
    last_http_status: Option<i32>,
    last_error: Option<String>,
    attempts: Vec<AttemptShape>,
}

/// One call to a receiver.
#[derive(Debug, Serialize)]
pub(crate) struct AttemptShape {
    id: Uuid,
    delivery_task_id: DeliveryId,
    attempt_number: i32,
    outcome: &'static str,
    http_status: Option<i32>,
    error_details: Option<String>,
    #[serde(serialize_with = "isoformat")]
    timestamp: Timestamp,
}

/// What is delivered: the JSON value as it was written, or else whatever text it is.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Payload {
    Json(Box<RawValue>),
    Text(String),
}

impl TaskShape {
    /// `payload` is null in the answer where it is not known.
    pub(crate) fn new(delivery: DeliveryStatus, payload: Option<&[u8]>) -> Self {
        Self {
            task_id: delivery.id,
            id: delivery.id,
            subscription_id: delivery.subscription_id,
            payload: payload.map(Payload::of),
            status: status_word(delivery.standing()),
            attempts_count: delivery.attempts_made,
            created_at: delivery.accepted_at,
            last_attempt_at: delivery.last_attempt_at,
            next_attempt_at: delivery.next_attempt_at,
            last_http_status: delivery.last_http_status,
            last_error: delivery.last_error(),
            attempts: delivery.attempts.into_iter().map(AttemptShape::from).collect(),
        }
    }
}

impl From<Attempt> for AttemptShape {
    fn from(attempt: Attempt) -> Self {
        Self {
            id: attempt.id,
            delivery_task_id: attempt.delivery_id,
            attempt_number: attempt.number,
            outcome: outcome_word(attempt.verdict()),
            http_status: attempt.http_status,
            error_details: attempt.error_details(),
            timestamp: attempt.attempted_at,
        }
    }
}

impl Payload {
    fn of(body: &[u8]) -> Self {
        match json_fields::value(body) {
            Ok(value) => Self::Json(value.to_owned()),
            Err(_) => Self::Text(String::from_utf8_lossy(body).into_owned()),
        }
    }
}

/// The seed has a fifth word, `processing`, for the time of a call. Here a delivery is pending
/// or retrying until the call has an outcome.
fn status_word(standing: Standing) -> &'static str {
    match standing {
        Standing::Pending => "pending",
        Standing::Retrying => "retrying",
        Standing::Succeeded => "succeeded",
        Standing::Failed => "failed",
    }
}

fn outcome_word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Succeeded => "success",
        Verdict::Failed => "failed_attempt",
        Verdict::FailedForGood => "permanently_failed",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_standing_and_every_verdict_has_one_of_the_seeds_words() {
        let standings =
            [Standing::Pending, Standing::Retrying, Standing::Succeeded, Standing::Failed];
        assert_eq!(standings.map(status_word), ["pending", "retrying", "succeeded", "failed"]);
        let verdicts = [Verdict::Succeeded, Verdict::Failed, Verdict::FailedForGood];
        assert_eq!(verdicts.map(outcome_word), ["success", "failed_attempt", "permanently_failed"]);
    }

    #[test]
    fn a_payload_is_the_json_value_as_it_was_written_or_else_text() {
        let written = |body: &[u8]| serde_json::to_string(&Payload::of(body)).unwrap();
        assert_eq!(written(b" {\"n\": 1.50, \"m\": 1e999}\n"), r#"{"n": 1.50, "m": 1e999}"#);
        assert_eq!(written(b"[\"\\ud800\"]"), r#"["\ud800"]"#);
        assert_eq!(written(b"a=b&c"), r#""a=b&c""#);
        assert_eq!(written(b"\xff\""), "\"\u{fffd}\\\"\"");
        let deep = [b"[".repeat(100_000), b"]".repeat(100_000)].concat();
        assert_eq!(written(&deep).as_bytes(), deep);
    }
}
