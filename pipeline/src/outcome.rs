//! The public stream of what happened to deliveries: the values of `outcomes`.
//!
//! Contract: JSON, one object per record, `schema` 1. Fields may be added; readers ignore what
//! they do not know. Every call to a receiver is one record of kind `attempt`; the other kinds
//! make no call.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ids::{DeliveryId, MessageId, SubscriptionId};

/// The version of the JSON form.
pub const SCHEMA: u32 = 1;

/// What happened to a delivery, once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    pub schema: u32,
    pub delivery_id: DeliveryId,
    pub subscription_id: SubscriptionId,
    pub message_id: MessageId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_type: Option<String>,
    pub accepted_at: Timestamp,
    /// The attempt that was made, or that would have come next.
    pub attempt: u32,
    pub release: u32,
    pub kind: Kind,
    /// The delivery's state after this.
    pub state: State,
    /// Why a delivery ended or was put aside without having been delivered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    pub occurred_at: Timestamp,
    /// When the next attempt is due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_attempt_at: Option<Timestamp>,
    /// The call ended after its record had gone over to another process, which makes it again:
    /// unless it succeeded, the delivery stands where it stood.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub late: bool,
    /// The call, for kind `attempt`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<Call>,
}

/// One HTTP call to a receiver.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Call {
    pub target_url: String,
    pub succeeded: bool,
    /// The status line's code, if there was an answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http_status: Option<u16>,
    /// `http_status`, or what kept an answer from coming: `timeout`, `refused`, `dns`, ...
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_kind: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// From the call's start to its end, in microseconds.
    pub latency_micros: u64,
    /// The beginning of the answer's body as text; invalid UTF-8 is replaced.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub response_excerpt: String,
    #[serde(default)]
    pub response_truncated: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A call was made.
    Attempt,
    /// The delivery was put into a spill tier; its attempt number is unchanged.
    Spill,
    /// The delivery ended without a call.
    End,
}

/// The state of a delivery. Three of them are final, and every accepted delivery reaches one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    Pending,
    Retrying,
    Delivered,
    DeadLettered,
    Cancelled,
}

impl State {
    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::Delivered | Self::DeadLettered | Self::Cancelled)
    }

    /// The word that stands for it in JSON and in Postgres.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Retrying => "retrying",
            Self::Delivered => "delivered",
            Self::DeadLettered => "dead_lettered",
            Self::Cancelled => "cancelled",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The retry policy is used up.
    Exhausted,
    /// The receiver said that it will never take it (410), or the subscription does not retry
    /// such a failure.
    Permanent,
    /// It is older than the maximum delivery age.
    Expired,
    /// The record could not be read.
    Poison,
    /// Its subscription was deleted.
    SubscriptionDeleted,
    /// Somebody has cancelled it.
    CancelRequested,
    /// This process does not know the subscription's current version yet.
    ConfigurationBehind,
    /// Its subscription is paused.
    Paused,
    /// A limit of its subscription, or one that the receiver asked for, would have made it wait
    /// too long for its call.
    Limited,
    /// More of its subscription's deliveries were waiting than there was room or time for.
    Overloaded,
    /// Its receiver's breaker was open.
    BreakerOpen,
}

impl Reason {
    /// The word that stands for it in JSON, in record headers and in Postgres.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Exhausted => "exhausted",
            Self::Permanent => "permanent",
            Self::Expired => "expired",
            Self::Poison => "poison",
            Self::SubscriptionDeleted => "subscription_deleted",
            Self::CancelRequested => "cancel_requested",
            Self::ConfigurationBehind => "configuration_behind",
            Self::Paused => "paused",
            Self::Limited => "limited",
            Self::Overloaded => "overloaded",
            Self::BreakerOpen => "breaker_open",
        }
    }
}

impl Outcome {
    /// The record's value.
    pub fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self)
            .unwrap_or_else(|_| unreachable!("an outcome has only string keys and finite numbers"))
    }

    /// Reads a record's value.
    ///
    /// # Errors
    /// What is not JSON of this form.
    pub fn decode(value: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_in_json_are_those_of_as_str() {
        for state in [
            State::Pending,
            State::Retrying,
            State::Delivered,
            State::DeadLettered,
            State::Cancelled,
        ] {
            assert_eq!(serde_json::to_value(state).unwrap(), state.as_str());
        }
        for reason in [
            Reason::Exhausted,
            Reason::Permanent,
            Reason::Expired,
            Reason::Poison,
            Reason::SubscriptionDeleted,
            Reason::CancelRequested,
            Reason::ConfigurationBehind,
            Reason::Paused,
            Reason::Limited,
            Reason::Overloaded,
            Reason::BreakerOpen,
        ] {
            assert_eq!(serde_json::to_value(reason).unwrap(), reason.as_str());
        }
    }
}
