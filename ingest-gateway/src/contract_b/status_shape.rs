//! How a delivery and its attempts look in an answer.

use jiff::Timestamp;
use pipeline::ids::{DeliveryId, SubscriptionId};
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::contract_b::timestamp::{isoformat, optional_isoformat};
use crate::json_fields;
use crate::standing::{Standing, Verdict};
use crate::status_store::{Attempt, DeliveryStatus};

/// A delivery with its attempts, oldest first.
// The seed documents the id by one name and answers it by the other.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = b::DeliveryTask)]
pub(crate) struct TaskShape {
    #[schema(value_type = Uuid)]
    task_id: DeliveryId,
    /// The same.
    #[schema(value_type = Uuid)]
    id: DeliveryId,
    #[schema(value_type = Uuid)]
    subscription_id: SubscriptionId,
    /// What is delivered: the JSON value, or else its text; null if it is not kept any more.
    #[schema(value_type = Value)]
    payload: Option<Payload>,
    #[schema(inline)]
    status: StatusWord,
    attempts_count: i32,
    #[serde(serialize_with = "isoformat")]
    created_at: Timestamp,
    #[serde(serialize_with = "optional_isoformat")]
    #[schema(required)]
    last_attempt_at: Option<Timestamp>,
    #[serde(serialize_with = "optional_isoformat")]
    #[schema(required)]
    next_attempt_at: Option<Timestamp>,
    #[schema(required)]
    last_http_status: Option<i32>,
    #[schema(required)]
    last_error: Option<String>,
    attempts: Vec<AttemptShape>,
}

/// One call to a receiver.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = b::Attempt)]
pub(crate) struct AttemptShape {
    id: Uuid,
    #[schema(value_type = Uuid)]
    delivery_task_id: DeliveryId,
    attempt_number: i32,
    #[schema(inline)]
    outcome: OutcomeWord,
    #[schema(required)]
    http_status: Option<i32>,
    #[schema(required)]
    error_details: Option<String>,
    #[serde(serialize_with = "isoformat")]
    timestamp: Timestamp,
}

/// Where a delivery stands.
// The seed has a fifth word, `processing`, for the time of a call. Here a delivery is pending or
// retrying until the call has an outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum StatusWord {
    Pending,
    Retrying,
    Succeeded,
    Failed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum OutcomeWord {
    Success,
    FailedAttempt,
    /// The last attempt of a delivery that failed.
    PermanentlyFailed,
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

fn status_word(standing: Standing) -> StatusWord {
    match standing {
        Standing::Pending => StatusWord::Pending,
        Standing::Retrying => StatusWord::Retrying,
        Standing::Succeeded => StatusWord::Succeeded,
        Standing::Failed => StatusWord::Failed,
    }
}

fn outcome_word(verdict: Verdict) -> OutcomeWord {
    match verdict {
        Verdict::Succeeded => OutcomeWord::Success,
        Verdict::Failed => OutcomeWord::FailedAttempt,
        Verdict::FailedForGood => OutcomeWord::PermanentlyFailed,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_standing_and_every_verdict_has_one_of_the_seeds_words() {
        let standings =
            [Standing::Pending, Standing::Retrying, Standing::Succeeded, Standing::Failed];
        let words = serde_json::to_value(standings.map(status_word)).unwrap();
        assert_eq!(words, json!(["pending", "retrying", "succeeded", "failed"]));
        let verdicts = [Verdict::Succeeded, Verdict::Failed, Verdict::FailedForGood];
        let words = serde_json::to_value(verdicts.map(outcome_word)).unwrap();
        assert_eq!(words, json!(["success", "failed_attempt", "permanently_failed"]));
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
