//! The row of one call to a receiver.

use jiff::Timestamp;
use pipeline::ids::{DeliveryId, SubscriptionId};
use pipeline::outcome::{Reason, State};

/// One call, keyed by the place of its outcome: no outcome makes two rows. Its texts have no
/// NUL, its times whole microseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptRow {
    pub outcome_partition: i32,
    pub outcome_offset: i64,
    /// The delivery's, so that its attempts are in the partition of the same day.
    pub accepted_at: Timestamp,
    pub delivery_id: DeliveryId,
    pub subscription_id: SubscriptionId,
    pub attempt: i32,
    pub succeeded: bool,
    /// The delivery's state after it.
    pub state: State,
    pub reason: Option<Reason>,
    pub target_url: String,
    pub http_status: Option<i32>,
    pub error_kind: Option<String>,
    pub error: Option<String>,
    pub latency_micros: i64,
    pub response_excerpt: String,
    pub response_truncated: bool,
    pub attempted_at: Timestamp,
    pub next_attempt_at: Option<Timestamp>,
}
