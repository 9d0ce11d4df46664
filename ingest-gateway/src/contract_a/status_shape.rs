//! How a delivery and its attempts look in an answer.

use jiff::Timestamp;
use pipeline::ids::{DeliveryId, SubscriptionId};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::contract_a::timestamp::{micros, optional_micros};
use crate::standing::{Standing, Verdict};
use crate::status_store::{Attempt, DeliveryStatus};

/// A delivery with its attempts, oldest first.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = a::Status)]
pub(crate) struct StatusShape {
    #[schema(value_type = Uuid)]
    id: DeliveryId,
    #[schema(value_type = Uuid)]
    subscription_id: SubscriptionId,
    #[serde(serialize_with = "micros")]
    ingested_at: Timestamp,
    #[schema(inline)]
    status: StatusWord,
    #[schema(required)]
    latest_attempt: Option<AttemptShape>,
    attempts: Vec<AttemptShape>,
}

/// One call to a receiver.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = a::Attempt)]
pub(crate) struct AttemptShape {
    id: Uuid,
    #[schema(value_type = Uuid)]
    webhook_id: DeliveryId,
    #[schema(value_type = Uuid)]
    subscription_id: SubscriptionId,
    /// The one that was called.
    #[schema(format = Uri)]
    target_url: String,
    attempt_number: i32,
    #[serde(serialize_with = "micros")]
    attempted_at: Timestamp,
    #[schema(inline)]
    outcome: OutcomeWord,
    #[schema(required)]
    http_status_code: Option<i32>,
    #[schema(required)]
    error_details: Option<String>,
    #[serde(serialize_with = "optional_micros")]
    #[schema(required)]
    next_attempt_at: Option<Timestamp>,
}

/// Where a delivery stands; one that waits for a further attempt is still queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum StatusWord {
    Queued,
    Succeeded,
    Failed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum OutcomeWord {
    Succeeded,
    FailedAttempt,
    /// The last attempt of a delivery that failed.
    PermanentlyFailed,
}

impl From<DeliveryStatus> for StatusShape {
    fn from(delivery: DeliveryStatus) -> Self {
        let status = status_word(delivery.standing());
        let attempts: Vec<AttemptShape> =
            delivery.attempts.into_iter().map(AttemptShape::from).collect();
        Self {
            id: delivery.id,
            subscription_id: delivery.subscription_id,
            ingested_at: delivery.accepted_at,
            status,
            latest_attempt: attempts.last().cloned(),
            attempts,
        }
    }
}

impl From<Attempt> for AttemptShape {
    fn from(attempt: Attempt) -> Self {
        let (outcome, error_details) = (outcome_word(attempt.verdict()), attempt.error_details());
        Self {
            id: attempt.id,
            webhook_id: attempt.delivery_id,
            subscription_id: attempt.subscription_id,
            target_url: attempt.target_url,
            attempt_number: attempt.number,
            attempted_at: attempt.attempted_at,
            outcome,
            http_status_code: attempt.http_status,
            error_details,
            next_attempt_at: attempt.next_attempt_at,
        }
    }
}

fn status_word(standing: Standing) -> StatusWord {
    match standing {
        Standing::Pending | Standing::Retrying => StatusWord::Queued,
        Standing::Succeeded => StatusWord::Succeeded,
        Standing::Failed => StatusWord::Failed,
    }
}

fn outcome_word(verdict: Verdict) -> OutcomeWord {
    match verdict {
        Verdict::Succeeded => OutcomeWord::Succeeded,
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
        assert_eq!(words, json!(["queued", "queued", "succeeded", "failed"]));
        let verdicts = [Verdict::Succeeded, Verdict::Failed, Verdict::FailedForGood];
        let words = serde_json::to_value(verdicts.map(outcome_word)).unwrap();
        assert_eq!(words, json!(["succeeded", "failed_attempt", "permanently_failed"]));
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
            attempts_made: 1,
            last_attempt_at: None,
            last_http_status: None,
            last_error: None,
            next_attempt_at: None,
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
