//! The row of one delivery, and how two tellings of the same delivery become one.
//!
//! A row has independent parts, and each has its own rule for which telling wins:
//!
//! - *content* (payload, content type, attributes, what is replayed, the event's type): the first
//!   `deliveries` record; until one is seen, what an outcome says of the event.
//! - *standing* (state, reason, next attempt): `delivered` before any other terminal state,
//!   that before any that is not terminal; among terminal ones the first, among the others the
//!   higher (release, attempt), and the first of equals.
//! - *last call*: that of a delivered outcome before any other, then the latest.
//! - *attempts*: the highest number.
//!
//! Within each of the two topics a delivery's records come in order; how the topics interleave,
//! and where batches end, changes nothing (`any_interleaving_and_any_batches_give_equal_rows`
//! in `fold`). PostgreSQL applies the same rules to the row that it has: `store::upsert`
//! (`postgres_merges_rows_as_the_fold_does` in `tests/projection.rs`).

use bytes::Bytes;
use jiff::Timestamp;
use pipeline::ids::{DeliveryId, MessageId, SubscriptionId};
use pipeline::outcome::{Reason, State};
use serde_json::Value;

/// What names a row: the id, and the time whose UTC day is its partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DeliveryKey {
    pub id: DeliveryId,
    /// In whole microseconds, as PostgreSQL keeps it.
    pub accepted_at: Timestamp,
}

/// What is known of one delivery. Its texts have no NUL, its times whole microseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryRow {
    pub key: DeliveryKey,
    pub origin: Origin,
    /// `None` until a `deliveries` record was seen.
    pub content: Option<Content>,
    pub standing: Standing,
    /// The highest number of an attempt that was made.
    pub attempts: i32,
    pub last_call: Option<LastCall>,
}

/// What every record of a delivery says of where it comes from and goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    pub subscription_id: SubscriptionId,
    pub message_id: MessageId,
    pub event_type: Option<String>,
}

/// What only the delivery's own record says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    pub content_type: String,
    pub payload: Bytes,
    /// The CloudEvents attributes, an object of texts; `None` without any.
    pub attributes: Option<Value>,
    pub replay_of: Option<DeliveryId>,
}

/// How the delivery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    pub state: State,
    pub reason: Option<Reason>,
    /// The release and the attempt that the state speaks of; both 0 before the first outcome,
    /// whose attempt is at least 1.
    pub release: i32,
    pub attempt: i32,
    pub next_attempt_at: Option<Timestamp>,
}

/// The call to the receiver that is shown as the last one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastCall {
    pub attempted_at: Timestamp,
    pub http_status: Option<i32>,
    pub error: Option<String>,
}

impl Standing {
    /// Before any outcome.
    pub const fn untold() -> Self {
        Self { state: State::Pending, reason: None, release: 0, attempt: 0, next_attempt_at: None }
    }

    /// Whether this one, told later, replaces `known`.
    fn wins_over(&self, known: &Self) -> bool {
        let (rank, known_rank) = (rank(self.state), rank(known.state));
        let both_open = rank == 0 && known_rank == 0;
        rank > known_rank
            || (both_open && (self.release, self.attempt) > (known.release, known.attempt))
    }
}

/// States of a higher rank are never left for those of a lower one.
const fn rank(state: State) -> u8 {
    match state {
        State::Pending | State::Retrying => 0,
        State::DeadLettered | State::Cancelled => 1,
        State::Delivered => 2,
    }
}

impl DeliveryRow {
    /// Takes in what was told later of the same delivery.
    pub fn merge(&mut self, later: Self) {
        if self.content.is_none() && later.content.is_some() {
            self.origin = later.origin;
            self.content = later.content;
        }
        // Before the states are merged: a call counts as delivered by the state it came with.
        if let Some(call) = later.last_call {
            let wins = self.last_call.as_ref().is_none_or(|known| {
                (later.standing.state == State::Delivered, call.attempted_at)
                    > (self.standing.state == State::Delivered, known.attempted_at)
            });
            if wins {
                self.last_call = Some(call);
            }
        }
        if later.standing.wins_over(&self.standing) {
            self.standing = later.standing;
        }
        self.attempts = self.attempts.max(later.attempts);
    }
}
