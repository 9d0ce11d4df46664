//! Everything that a run knows at its end, as plain data: what the checkers read.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use pipeline::delivery::Delivery;
use pipeline::ids::{DeliveryId, SubscriptionId};
use pipeline::outcome::{Outcome, State};

use crate::cast::Member;
use crate::fault::Role;

/// What makes each event's body unlike every other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Marker(pub u64);

impl Marker {
    /// Reads the marker out of a body, whatever its form.
    pub fn in_body(body: &[u8]) -> Option<Self> {
        const BEFORE: &[u8] = b"\"marker\":";
        let at = body.windows(BEFORE.len()).position(|window| window == BEFORE)? + BEFORE.len();
        let digits = body.get(at..)?.iter().take_while(|byte| byte.is_ascii_digit());
        let text: Vec<u8> = digits.copied().collect();
        std::str::from_utf8(&text).ok()?.parse().ok().map(Self)
    }
}

/// What the client was told about an event in the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// A 202 or a broker's acknowledgement, with the deliveries that it names.
    Accepted(Vec<(DeliveryId, SubscriptionId)>),
    /// Refused or filtered: nothing of it may ever be seen.
    Refused(u16),
    /// A 503, or no answer to at least one try: it may be there or not.
    Unknown,
}

/// One event as the client knows it.
#[derive(Debug, Clone)]
pub struct Sent {
    pub marker: Marker,
    /// What a receiver is to get.
    pub body: Bytes,
    /// Which way it went, for reports.
    pub way: &'static str,
    pub told: Told,
    /// Requests that may each have made a delivery of their own for a subscription.
    pub tries: usize,
    /// All tries name one event: at most one delivery for each subscription.
    pub derived: bool,
    /// Whom it has to reach if it is accepted.
    pub must: BTreeSet<SubscriptionId>,
    /// Who else may get it.
    pub may: BTreeSet<SubscriptionId>,
}

/// How a receiver ended a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answered {
    /// A whole answer with this status, or as much of it as the caller wanted.
    Status(u16),
    /// None, or not all of it.
    Not,
}

impl Answered {
    pub fn is_success(self) -> bool {
        matches!(self, Self::Status(200..=299))
    }
}

/// One call as its receiver logged it, before the answer was written.
#[derive(Debug, Clone)]
pub struct Call {
    pub subscription: SubscriptionId,
    pub message_id: String,
    pub timestamp: String,
    pub signature: String,
    pub body: Bytes,
    pub received_at: Timestamp,
    pub answered: Answered,
}

/// A record's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    pub partition: i32,
    pub offset: i64,
}

/// A record with its place and the broker's time of its append.
#[derive(Debug, Clone)]
pub struct Placed<T> {
    pub place: Place,
    pub appended_at_millis: i64,
    pub value: T,
}

/// A record of `dead-letters`.
#[derive(Debug, Clone)]
pub struct DeadLetter {
    /// `None` if its bytes are no delivery.
    pub delivery: Option<DeliveryId>,
    pub reason: String,
    pub value: Bytes,
}

/// A commit of a consumer group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    pub group: String,
    pub topic: String,
    pub partition: i32,
    pub offset: i64,
    /// What above the offset is finished, as the commit's metadata says.
    pub finished: Vec<Range<i64>>,
    pub committed_at_millis: i64,
}

/// A row of `deliveries`, with how many rows `delivery_attempts` has for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    pub id: DeliveryId,
    pub state: String,
    pub attempts: i32,
    pub calls: i64,
}

/// A digest of each row of both tables, by its key.
pub type Digests = BTreeMap<String, String>;

/// What a process takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Footprint {
    pub resident_kib: u64,
    pub descriptors: u64,
    pub threads: u64,
}

/// A subscription as it was made.
#[derive(Debug, Clone)]
pub struct Subscribed {
    pub id: SubscriptionId,
    pub member: Member,
    /// Every key that it has ever signed with.
    pub secrets: Vec<String>,
    pub deleted: bool,
}

/// An end of a process that nobody had asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnEnd {
    pub process: String,
    pub how: String,
}

/// What the faults may have repeated at most.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RepeatBound {
    /// Calls that consumers had in hand, or had not committed, when they lost them.
    pub lost: usize,
    /// Calls of consumers that had lost the record already and could not know.
    pub belated: usize,
}

/// All of it.
#[derive(Debug, Default)]
pub struct Evidence {
    pub subscriptions: Vec<Subscribed>,
    pub sent: Vec<Sent>,
    pub poison: Vec<Bytes>,
    pub calls: Vec<Call>,
    pub deliveries: Vec<Placed<Delivery>>,
    pub outcomes: Vec<Placed<Outcome>>,
    /// Records of all tiers: what waited.
    pub waiting: Vec<Placed<Delivery>>,
    /// Some of them were gone before they were read.
    pub waiting_has_gaps: bool,
    pub dead_letters: Vec<DeadLetter>,
    /// In the order in which they were made, as far as one partition of offsets goes.
    pub commits: Vec<Commit>,
    /// The ends of the topics that groups read: `(topic, partition)` and the next offset.
    pub ends: BTreeMap<(String, i32), i64>,
    /// The group that reads a topic.
    pub readers: BTreeMap<String, String>,
    pub deliveries_topic: String,
    pub rows: Vec<Row>,
    /// Both tables as they stand, and rebuilt from the log.
    pub tables: Option<(Digests, Digests)>,
    pub repeats: RepeatBound,
    pub footprints: Vec<(Role, String, Footprint, Footprint)>,
    pub own_ends: Vec<OwnEnd>,
    /// Processes that took too long to end after SIGTERM.
    pub late_ends: Vec<(String, Duration)>,
    /// What had not come to rest within the bound.
    pub unrest: Option<String>,
}

impl Evidence {
    pub fn subscription(&self, id: SubscriptionId) -> Option<&Subscribed> {
        self.subscriptions.iter().find(|subscribed| subscribed.id == id)
    }

    pub fn sent_by_marker(&self) -> HashMap<Marker, &Sent> {
        self.sent.iter().map(|sent| (sent.marker, sent)).collect()
    }

    /// The outcomes of each delivery, by the broker's order within its partition.
    pub fn outcomes_by_delivery(&self) -> HashMap<DeliveryId, Vec<&Placed<Outcome>>> {
        let mut by_delivery: HashMap<DeliveryId, Vec<&Placed<Outcome>>> = HashMap::new();
        for outcome in &self.outcomes {
            by_delivery.entry(outcome.value.delivery_id).or_default().push(outcome);
        }
        by_delivery
    }

    pub fn calls_by_message(&self) -> HashMap<&str, Vec<&Call>> {
        let mut by_message: HashMap<&str, Vec<&Call>> = HashMap::new();
        for call in &self.calls {
            by_message.entry(call.message_id.as_str()).or_default().push(call);
        }
        by_message
    }
}

/// The one terminal state that several terminal outcomes come to: delivered wins, else the
/// first (DESIGN 5).
pub fn end_state(outcomes: &[&Placed<Outcome>]) -> Option<State> {
    let mut ends = outcomes.iter().map(|placed| placed.value.state).filter(|s| s.is_terminal());
    let first = ends.clone().next();
    ends.find(|state| *state == State::Delivered).or(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marker_is_found_in_any_body() {
        assert_eq!(Marker::in_body(br#"{"payload":{"marker":42,"x":1}}"#), Some(Marker(42)));
        assert_eq!(Marker::in_body(br#"{"marker":7}"#), Some(Marker(7)));
        assert_eq!(Marker::in_body(b"no marker"), None);
        assert_eq!(Marker::in_body(br#""marker":"#), None);
    }
}
