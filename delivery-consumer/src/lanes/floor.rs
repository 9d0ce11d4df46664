//! What all lanes share: slots, bytes, turns and timers. Pure.
//!
//! Lanes that can make a call stand in a ring and are served by deficit round robin (Shreedhar
//! and Varghese, 1995) in bytes. Suspect lanes stand in the same ring and are passed over while
//! all of them together hold their part of the slots.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use pipeline::ids::SubscriptionId;

/// How many bytes a lane may send in one turn, beside what it saved.
pub(super) const QUANTUM: usize = 8 << 10;

/// Where a lane stands.
#[derive(Debug, Clone, Default)]
pub(super) struct Place {
    /// Its number in the ring and whether it stands there as a suspect.
    turn: Option<(u64, bool)>,
    timer: Option<Instant>,
    /// Calls of it that are counted as suspect.
    suspect_calls: usize,
    deficit: usize,
}

#[derive(Debug, Default)]
pub(super) struct Floor {
    pub running: usize,
    pub suspect_calls: usize,
    pub queued: usize,
    pub bytes: usize,
    trusted: BTreeMap<u64, SubscriptionId>,
    suspects: BTreeMap<u64, SubscriptionId>,
    timers: BTreeSet<(Instant, SubscriptionId)>,
    next_turn: u64,
}

impl Floor {
    /// Enters where a lane stands now: whether it can make a call, whether it is suspect, how
    /// many calls of it run, and when it is to be looked at again.
    pub fn settle(
        &mut self,
        id: SubscriptionId,
        place: &mut Place,
        ready: bool,
        suspect: bool,
        running: usize,
        timer: Option<Instant>,
    ) {
        let suspect_calls = if suspect { running } else { 0 };
        self.suspect_calls = self.suspect_calls + suspect_calls - place.suspect_calls;
        place.suspect_calls = suspect_calls;
        match place.turn {
            Some((turn, _)) if !ready => {
                self.leave(place);
                debug_assert!(!self.trusted.contains_key(&turn));
            }
            Some((turn, stands_as)) if stands_as != suspect => {
                self.ring(stands_as).remove(&turn);
                self.ring(suspect).insert(turn, id);
                place.turn = Some((turn, suspect));
            }
            None if ready => self.stand_last(id, place, suspect),
            Some(_) | None => {}
        }
        if place.timer != timer {
            if let Some(old) = place.timer.take() {
                self.timers.remove(&(old, id));
            }
            if let Some(new) = timer {
                self.timers.insert((new, id));
            }
            place.timer = timer;
        }
    }

    /// Whose turn it is; `most_suspect` is how many calls all suspects may have under way.
    pub fn first(&self, most_suspect: usize) -> Option<SubscriptionId> {
        let trusted = self.trusted.first_key_value();
        let may = self.suspect_calls < most_suspect;
        let suspect = self.suspects.first_key_value().filter(|_| may);
        match (trusted, suspect) {
            (Some((turn, _)), Some((other, id))) if other < turn => Some(*id),
            (Some((_, id)), _) | (None, Some((_, id))) => Some(*id),
            (None, None) => None,
        }
    }

    /// Takes `cost` from the lane whose turn it is; false if it must save for another round, and
    /// stands last now.
    pub fn pay(&mut self, id: SubscriptionId, place: &mut Place, cost: usize) -> bool {
        if let Some(rest) = place.deficit.checked_sub(cost) {
            place.deficit = rest;
            return true;
        }
        place.deficit += QUANTUM;
        if let Some((turn, suspect)) = place.turn.take() {
            self.ring(suspect).remove(&turn);
            self.stand_last(id, place, suspect);
        }
        false
    }

    /// The lanes whose time has come to be looked at, at most one of them.
    pub fn due(&mut self, now: Instant) -> Option<SubscriptionId> {
        self.timers.first().filter(|(at, _)| *at <= now).map(|(_, id)| *id)
    }

    pub fn next_timer(&self) -> Option<Instant> {
        self.timers.first().map(|(at, _)| *at)
    }

    fn stand_last(&mut self, id: SubscriptionId, place: &mut Place, suspect: bool) {
        let turn = self.next_turn;
        self.next_turn += 1;
        self.ring(suspect).insert(turn, id);
        place.turn = Some((turn, suspect));
    }

    /// What a lane saved is for the turns that it stands in line for.
    fn leave(&mut self, place: &mut Place) {
        if let Some((turn, suspect)) = place.turn.take() {
            self.ring(suspect).remove(&turn);
        }
        place.deficit = 0;
    }

    fn ring(&mut self, suspect: bool) -> &mut BTreeMap<u64, SubscriptionId> {
        if suspect { &mut self.suspects } else { &mut self.trusted }
    }
}
