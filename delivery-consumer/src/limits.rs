//! How many calls a subscription has under way, and how many a second: its own
//! `max_concurrency` and `rate_limit`.
//!
//! Pure core ([`Turnstile`]) and a thin shell ([`Limits`]). Deliveries take their turns in the
//! order in which they asked. One that would wait longer than [`PATIENCE`] is to be put aside
//! instead, so that it holds no slot of the consumer. The state is this process's alone, and
//! exact nevertheless: all work of a subscription is in one partition. Deliberately left to the
//! lanes that will replace this: fairness between subscriptions, and bounds in bytes.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use pipeline::ids::SubscriptionId;
use pipeline::subscription::Options;
use tokio::sync::oneshot;

/// The longest wait for a turn.
const PATIENCE: Duration = Duration::from_secs(2);
/// What a timer may be late by, so that a turn that was promised in time is not lost.
const SLACK: Duration = Duration::from_millis(100);
/// Deliveries of one subscription that wait for a call to end.
const MOST_WAITING: usize = 128;
/// For how long a delivery is put aside.
const SHORTEST_SPILL: Duration = Duration::from_secs(1);
const LONGEST_SPILL: Duration = Duration::from_secs(600);
/// What a call is taken to need until one has ended.
const UNKNOWN_CALL: Duration = Duration::from_millis(100);

/// What a subscription sets; `None` is without bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Bounds {
    max_concurrency: Option<u32>,
    rate_limit: Option<u32>,
}

impl Bounds {
    /// `None` if nothing is bounded. Nought, which nobody can mean, counts as one.
    fn of(options: &Options) -> Option<Self> {
        let max_concurrency = options.max_concurrency.map(|most| most.max(1));
        let rate_limit = options.rate_limit.map(|rate| rate.max(1));
        let any = max_concurrency.is_some() || rate_limit.is_some();
        any.then_some(Self { max_concurrency, rate_limit })
    }

    /// The time between two calls at the full rate, rounded up so that it is never exceeded.
    fn interval(self) -> Duration {
        self.rate_limit.map_or(Duration::ZERO, |rate| {
            Duration::from_nanos(1_000_000_000_u64.div_ceil(u64::from(rate)))
        })
    }

    /// How far the bucket may be ahead of even spacing: a second's calls at once.
    fn burst(self) -> Duration {
        self.rate_limit.map_or(Duration::ZERO, |rate| self.interval() * (rate - 1))
    }
}

/// One subscription's turns. Pure. `W` stands for a delivery that waits.
///
/// The rate is the generic cell rate algorithm (ITU-T I.371), which is a token bucket: a second's
/// calls at once, then evenly spaced.
#[derive(Debug)]
struct Turnstile<W> {
    bounds: Bounds,
    running: u32,
    queue: VecDeque<W>,
    /// When the next call would come if all were evenly spaced.
    even_at: Instant,
    /// What a call needs, smoothed.
    call_time: Duration,
    /// The place in time that the next delivery is put aside to.
    spilled_until: Instant,
}

impl<W> Turnstile<W> {
    fn new(bounds: Bounds, now: Instant) -> Self {
        Self {
            bounds,
            running: 0,
            queue: VecDeque::new(),
            even_at: now,
            call_time: UNKNOWN_CALL,
            spilled_until: now,
        }
    }

    /// Lines a delivery up.
    ///
    /// # Errors
    /// For how long it is to be put aside, since its turn would not come soon enough.
    fn ask(&mut self, waiter: W, now: Instant) -> Result<(), Duration> {
        if self.queue.len() >= MOST_WAITING || self.predicted_wait(now) > PATIENCE {
            return Err(self.spill(now));
        }
        self.queue.push_back(waiter);
        Ok(())
    }

    /// The next delivery whose turn it is, and when its call may begin; to be asked until there
    /// is none. Those that have gone by themselves are passed over.
    fn next(&mut self, is_gone: impl Fn(&W) -> bool, now: Instant) -> Option<(W, Instant)> {
        while self.queue.front().is_some_and(&is_gone) {
            self.queue.pop_front();
        }
        if self.bounds.max_concurrency.is_some_and(|most| self.running >= most) {
            return None;
        }
        let waiter = self.queue.pop_front()?;
        self.running += 1;
        let begins_at = self.earliest(0).max(now);
        self.even_at = self.even_at.max(now) + self.bounds.interval();
        Some((waiter, begins_at))
    }

    /// A turn is over; `took` is the time of its call, if it made one.
    fn finished(&mut self, took: Option<Duration>) {
        self.running = self.running.saturating_sub(1);
        if let Some(took) = took {
            self.call_time = (self.call_time * 3 + took) / 4;
        }
    }

    /// For how long a delivery is put aside whose turn did not come in time: each one to a place
    /// in time of its own, as if all that are put aside came back one after the other.
    fn spill(&mut self, now: Instant) -> Duration {
        let free_at = self.spilled_until.max(now + self.predicted_wait(now));
        let delay = free_at.duration_since(now).clamp(SHORTEST_SPILL, LONGEST_SPILL);
        let per_call = self.bounds.max_concurrency.map_or(Duration::ZERO, |n| self.call_time / n);
        let pace = per_call.max(self.bounds.interval());
        self.spilled_until = (now + delay + pace).min(now + LONGEST_SPILL);
        delay
    }

    /// How long a delivery would wait that lines up now.
    fn predicted_wait(&self, now: Instant) -> Duration {
        let ahead = self.queue.len() as u32;
        let for_rate = self.earliest(ahead).saturating_duration_since(now);
        let for_room = match self.bounds.max_concurrency {
            Some(most) if self.running + ahead >= most => self.call_time * (ahead + 1) / most,
            _ => Duration::ZERO,
        };
        for_rate.max(for_room)
    }

    /// When the rate allows the call after `ahead` more.
    fn earliest(&self, ahead: u32) -> Instant {
        let even_at = self.even_at + self.bounds.interval() * ahead;
        even_at.checked_sub(self.bounds.burst()).unwrap_or(even_at)
    }
}

type Turnstiles = HashMap<SubscriptionId, Turnstile<oneshot::Sender<Turn>>>;

/// The turnstiles of every subscription that sets a bound. As many as there are such
/// subscriptions, all of which the subscription table holds too.
#[derive(Debug, Clone, Default)]
pub(crate) struct Limits {
    turnstiles: Arc<Mutex<Turnstiles>>,
}

impl Limits {
    /// Waits for the turn to make one call, at most about two seconds.
    ///
    /// # Errors
    /// For how long the delivery is to be put aside instead.
    pub async fn turn(&self, id: SubscriptionId, options: &Options) -> Result<Turn, Duration> {
        let Some(bounds) = Bounds::of(options) else { return Ok(Turn::unbounded()) };
        let (sender, receiver) = oneshot::channel();
        let now = Instant::now();
        {
            let mut turnstiles = self.lock();
            let turnstile = turnstiles.entry(id).or_insert_with(|| Turnstile::new(bounds, now));
            turnstile.bounds = bounds;
            turnstile.ask(sender, now)?;
        }
        self.hand_out(id);
        let taken = async {
            let mut turn = receiver.await.ok()?;
            // A timer takes up to a millisecond even for what is past.
            if turn.begins_at > Instant::now() {
                tokio::time::sleep_until(turn.begins_at.into()).await;
            }
            turn.begun_at = Some(Instant::now());
            Some(turn)
        };
        // The rate was counted in when it lined up, so this is late only if calls are slow.
        if let Ok(Some(turn)) = tokio::time::timeout(PATIENCE + SLACK, taken).await {
            return Ok(turn);
        }
        let now = Instant::now();
        Err(self.lock().get_mut(&id).map_or(SHORTEST_SPILL, |known| known.spill(now)))
    }

    /// Gives turns to whoever's it is.
    fn hand_out(&self, id: SubscriptionId) {
        loop {
            let now = Instant::now();
            let is_gone = oneshot::Sender::is_closed;
            let next = self.lock().get_mut(&id).and_then(|known| known.next(is_gone, now));
            let Some((waiter, begins_at)) = next else { return };
            let place = Some((self.clone(), id));
            // Whoever has gone just now drops the turn, and with that passes it on.
            drop(waiter.send(Turn { place, begins_at, begun_at: None }));
        }
    }

    fn finished(&self, id: SubscriptionId, took: Option<Duration>) {
        if let Some(turnstile) = self.lock().get_mut(&id) {
            turnstile.finished(took);
        }
        self.hand_out(id);
    }

    fn lock(&self) -> MutexGuard<'_, Turnstiles> {
        self.turnstiles.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Leave to make one call. Dropping it ends the turn, whether a call was made or not.
#[derive(Debug)]
pub(crate) struct Turn {
    place: Option<(Limits, SubscriptionId)>,
    begins_at: Instant,
    begun_at: Option<Instant>,
}

impl Turn {
    fn unbounded() -> Self {
        Self { place: None, begins_at: Instant::now(), begun_at: None }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some((limits, id)) = self.place.take() {
            limits.finished(id, self.begun_at.map(|begun_at| begun_at.elapsed()));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use proptest::prelude::*;

    use super::*;

    const NOBODY_GONE: fn(&usize) -> bool = |_| false;

    fn bounds(max_concurrency: Option<u32>, rate_limit: Option<u32>) -> Bounds {
        Bounds::of(&options(max_concurrency, rate_limit)).unwrap()
    }

    fn options(max_concurrency: Option<u32>, rate_limit: Option<u32>) -> Options {
        Options { max_concurrency, rate_limit, ..Options::default() }
    }

    fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn a_second_of_calls_goes_at_once_and_the_rest_evenly() {
        let start = Instant::now();
        let mut turnstile = Turnstile::new(bounds(None, Some(4)), start);
        let mut begun = Vec::new();
        for waiter in 0..8 {
            turnstile.ask(waiter, start).unwrap();
            let (_, begins_at) = turnstile.next(NOBODY_GONE, start).unwrap();
            begun.push(begins_at.duration_since(start).as_millis());
        }
        assert_eq!(begun, [0, 0, 0, 0, 250, 500, 750, 1_000]);
    }

    #[test]
    fn whoever_would_wait_too_long_is_put_aside_to_a_time_of_its_own() {
        let start = Instant::now();
        let mut turnstile = Turnstile::new(bounds(Some(1), Some(1)), start);
        for waiter in 0..3 {
            turnstile.ask(waiter, start).unwrap();
        }
        let delays: Vec<Duration> =
            (3..6).map(|waiter| turnstile.ask(waiter, start).unwrap_err()).collect();
        assert_eq!(delays, [3, 4, 5].map(Duration::from_secs));
        let furthest = (6..2_000).map(|waiter| turnstile.ask(waiter, start).unwrap_err()).last();
        assert_eq!(furthest, Some(LONGEST_SPILL));
    }

    #[test]
    fn slow_calls_let_fewer_wait() {
        let start = Instant::now();
        let waits = |took: Option<Duration>| {
            let mut turnstile = Turnstile::new(bounds(Some(2), None), start);
            turnstile.running = 3;
            turnstile.finished(took);
            (0..1_000).take_while(|&waiter| turnstile.ask(waiter, start).is_ok()).count()
        };
        assert_eq!(waits(None), 40);
        assert_eq!(waits(Some(millis(1_700))), 8);
        assert_eq!(waits(Some(Duration::from_secs(30))), 0);
        assert_eq!(waits(Some(Duration::ZERO)), 53);
    }

    #[test]
    fn those_who_are_gone_cost_no_turn() {
        let start = Instant::now();
        let mut turnstile = Turnstile::new(bounds(None, Some(1)), start);
        for waiter in 0..3 {
            turnstile.ask(waiter, start).unwrap();
        }
        assert_eq!(turnstile.next(|&waiter| waiter < 2, start), Some((2, start)));
        assert_eq!(turnstile.next(NOBODY_GONE, start), None);
    }

    proptest! {
        #[test]
        fn calls_stay_within_both_bounds_and_in_order_and_nobody_is_forgotten(
            most in prop::option::of(1_u32..4),
            rate in prop::option::of(1_u32..20),
            asks in prop::collection::vec((0_u64..400, 1_u64..900), 1..60),
        ) {
            prop_assume!(most.is_some() || rate.is_some());
            let (start, bounds) = (Instant::now(), bounds(most, rate));
            let mut turnstile = Turnstile::new(bounds, start);
            let mut asked_at = start;
            let mut arrivals: VecDeque<(Instant, usize)> = VecDeque::new();
            for (waiter, (gap, _)) in asks.iter().enumerate() {
                asked_at += millis(*gap);
                arrivals.push_back((asked_at, waiter));
            }
            let (mut put_aside, mut begun) = (0, Vec::new());
            let mut running: Vec<(Instant, Duration)> = Vec::new();
            let mut now = start;
            while now < start + Duration::from_secs(120) {
                while arrivals.front().is_some_and(|(at, _)| *at <= now) {
                    let (_, waiter) = arrivals.pop_front().unwrap();
                    if let Err(delay) = turnstile.ask(waiter, now) {
                        prop_assert!(delay >= SHORTEST_SPILL && delay <= LONGEST_SPILL);
                        put_aside += 1;
                    }
                }
                running.retain(|(ends_at, took)| {
                    let ended = *ends_at <= now;
                    if ended {
                        turnstile.finished(Some(*took));
                    }
                    !ended
                });
                while let Some((waiter, begins_at)) = turnstile.next(NOBODY_GONE, now) {
                    let took = millis(asks[waiter].1);
                    begun.push((waiter, begins_at));
                    running.push((begins_at + took, took));
                }
                prop_assert!(most.is_none_or(|most| running.len() <= most as usize));
                now += millis(10);
            }
            prop_assert_eq!(begun.len() + put_aside, asks.len());
            prop_assert!(begun.windows(2).all(|pair| pair[0].0 < pair[1].0));
            if let Some(rate) = rate {
                for (first, (_, from)) in begun.iter().enumerate() {
                    for (last, (_, to)) in begun.iter().enumerate().skip(first) {
                        let earned = to.duration_since(*from).as_nanos() / bounds.interval().as_nanos();
                        prop_assert!(((last - first) as u128) < u128::from(rate) + earned);
                    }
                }
            }
        }
    }

    fn id() -> SubscriptionId {
        "01935b5e-7f6a-7c61-8d2e-0a1b2c3d4e60".parse().unwrap()
    }

    #[tokio::test]
    async fn a_turn_passes_on_when_it_is_dropped() {
        let (limits, one) = (Limits::default(), options(Some(1), None));
        let first = limits.turn(id(), &one).await.unwrap();
        let mut gone = Box::pin(limits.turn(id(), &one));
        let mut second = pin!(limits.turn(id(), &one));
        let mut context = Context::from_waker(Waker::noop());
        assert!(gone.as_mut().poll(&mut context).is_pending());
        assert!(second.as_mut().poll(&mut context).is_pending());
        drop(gone);
        drop(first);
        assert!(matches!(second.as_mut().poll(&mut context), Poll::Ready(Ok(_))));
    }

    #[tokio::test]
    async fn without_bounds_every_turn_comes_at_once() {
        let limits = Limits::default();
        let _first = limits.turn(id(), &Options::default()).await.unwrap();
        assert!(limits.turn(id(), &Options::default()).await.is_ok());
    }
}
