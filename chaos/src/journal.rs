//! What the client wrote down: each event once its last try is over.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use pipeline::ids::{DeliveryId, SubscriptionId};

use crate::evidence::{Marker, Sent, Told};

/// One log for all of the load.
#[derive(Debug, Default)]
pub struct Journal {
    next: AtomicU64,
    pages: Mutex<Pages>,
}

#[derive(Debug, Default)]
pub struct Pages {
    pub sent: Vec<Sent>,
    /// Bytes that are no event and that the broker has acknowledged.
    pub poison: Vec<Bytes>,
    /// How often which way was answered what.
    pub answers: BTreeMap<(&'static str, String), usize>,
    /// Events that were not sent, for too many were under way.
    pub held_back: usize,
}

impl Journal {
    /// A marker that no other event has.
    pub fn marker(&self) -> Marker {
        Marker(self.next.fetch_add(1, Ordering::Relaxed) + 1)
    }

    pub fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts an answer to one try.
    pub fn answered(&self, way: &'static str, status: Option<u16>) {
        let word = status.map_or_else(|| "none".to_owned(), |status| status.to_string());
        *self.pages().answers.entry((way, word)).or_default() += 1;
    }
}

/// An event while its tries go on.
#[derive(Debug)]
pub struct Draft {
    sent: Sent,
    accepted: Option<Vec<(DeliveryId, SubscriptionId)>>,
    refused: Option<u16>,
    unknown: bool,
}

impl Draft {
    pub fn new(marker: Marker, way: &'static str, body: Bytes) -> Self {
        let sent = Sent {
            marker,
            body,
            way,
            told: Told::Unknown,
            tries: 0,
            derived: false,
            must: BTreeSet::new(),
            may: BTreeSet::new(),
        };
        Self { sent, accepted: None, refused: None, unknown: false }
    }

    /// All tries name one event.
    pub fn derived(mut self, derived: bool) -> Self {
        self.sent.derived = derived;
        self
    }

    pub fn must(mut self, whom: impl IntoIterator<Item = SubscriptionId>) -> Self {
        self.sent.must.extend(whom);
        self
    }

    pub fn may(mut self, whom: impl IntoIterator<Item = SubscriptionId>) -> Self {
        self.sent.may.extend(whom);
        self
    }

    pub fn marker(&self) -> Marker {
        self.sent.marker
    }

    pub fn body(&self) -> &Bytes {
        &self.sent.body
    }

    pub fn way(&self) -> &'static str {
        self.sent.way
    }

    /// Whom it has to reach.
    pub fn sure(&self) -> Vec<SubscriptionId> {
        self.sent.must.iter().copied().collect()
    }

    pub fn is_accepted(&self) -> bool {
        self.accepted.is_some()
    }

    /// A try that was answered 202; what it names beside the ids of earlier ones.
    pub fn accept(&mut self, ids: Vec<(DeliveryId, SubscriptionId)>) {
        self.sent.tries += 1;
        self.accepted.get_or_insert_default().extend(ids);
    }

    /// A try that was refused or filtered.
    pub fn refuse(&mut self, status: u16) {
        self.sent.tries += 1;
        self.refused = Some(status);
    }

    /// A try that nobody can say anything about.
    pub fn lose(&mut self) {
        self.sent.tries += 1;
        self.unknown = true;
    }

    /// What all tries come to.
    pub fn close(self) -> Sent {
        let told = match (self.accepted, self.refused) {
            (Some(ids), _) => Told::Accepted(ids),
            (None, Some(status)) if !self.unknown => Told::Refused(status),
            (None, _) => Told::Unknown,
        };
        Sent { told, ..self.sent }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft() -> Draft {
        Draft::new(Marker(1), "test", Bytes::new())
    }

    #[test]
    fn one_acceptance_counts_and_a_refusal_only_if_nothing_is_unknown() {
        let mut accepted = draft();
        accepted.lose();
        accepted.accept(Vec::new());
        let accepted = accepted.close();
        assert_eq!((accepted.told, accepted.tries), (Told::Accepted(Vec::new()), 2));

        let mut refused = draft();
        refused.refuse(404);
        assert_eq!(refused.close().told, Told::Refused(404));

        let mut unknown = draft();
        unknown.lose();
        unknown.refuse(404);
        assert_eq!(unknown.close().told, Told::Unknown);
    }
}
