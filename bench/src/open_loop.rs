//! A load that keeps its pace whatever becomes of what it has sent.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

use pipeline::subscription::Subscription;

use crate::board::Board;
use crate::mark::Cohort;
use crate::source::Source;
use crate::tally::Micros;

/// Bytes of each event's body.
pub const BODY_BYTES: usize = 256;

/// Evenly spaced events to one subscription.
#[derive(Debug, Clone, Copy)]
pub struct Traffic<'a> {
    pub to: &'a Subscription,
    pub cohort: Cohort,
    pub per_second: f64,
}

/// The same traffic to each of several subscriptions, `per_second` in all.
pub fn spread(
    to: &[Subscription],
    cohort: Cohort,
    per_second: f64,
) -> impl Iterator<Item = Traffic<'_>> {
    let each = per_second / to.len().max(1) as f64;
    to.iter().map(move |to| Traffic { to, cohort, per_second: each })
}

/// From the first to the last instant of a phase.
#[derive(Debug, Clone, Copy)]
pub struct Span {
    pub from: Micros,
    pub to: Micros,
}

/// Sends all traffic for `length`, each event at its instant or as soon after it as possible;
/// what counts is the instant. Returns at the end of the phase, whatever is still on its way.
pub async fn run(
    board: &Board,
    source: &Source,
    traffic: &[Traffic<'_>],
    length: Duration,
) -> Span {
    let started_at = Instant::now();
    let end = started_at + length;
    let mut next: BinaryHeap<Reverse<(Instant, usize)>> = first_instants(traffic, started_at);
    while let Some(Reverse((at, index))) = next.pop() {
        if at >= end {
            continue;
        }
        if at > Instant::now() {
            tokio::time::sleep_until(at.into()).await;
        }
        let Traffic { to, cohort, per_second } = traffic[index];
        let mark = board.intend(cohort, at);
        source.send(to, mark.body(BODY_BYTES)).await;
        next.push(Reverse((at + Duration::from_secs_f64(1.0 / per_second), index)));
    }
    tokio::time::sleep_until(end.into()).await;
    Span { from: board.at(started_at), to: board.at(end) }
}

/// Spreads the first events over their interval, so that a thousand subscriptions do not beat in
/// time.
fn first_instants(traffic: &[Traffic<'_>], from: Instant) -> BinaryHeap<Reverse<(Instant, usize)>> {
    let count = traffic.len().max(1) as f64;
    let first = traffic.iter().enumerate().filter(|(_, it)| it.per_second > 0.0).map(|(i, it)| {
        // Neighbours in the list are far apart in time: the golden ratio's multiples are even.
        let part = (i as f64 * 0.618_033_988_749_895 + 0.5 / count).fract();
        Reverse((from + Duration::from_secs_f64(part / it.per_second), i))
    });
    first.collect()
}
