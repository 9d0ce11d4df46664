//! The owner of the lanes, on the loop's thread: what comes in goes to its lane, what is picked
//! goes to the runtime as a call, and what the runtime reports comes back here.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use fault_point::Defect;
use kafka_loop::consumer_loop::Role;
use kafka_loop::record::Record;
use kafka_loop::{PartitionKey, Ticket};
use pipeline::delivery::Delivery;
use pipeline::subscription::Subscription;
use tokio::runtime::Handle;

use crate::courier::{Courier, Work};
use crate::decision::{self, Decision};
use crate::lanes::{CallEnd, LaneRules, Lanes, Slot, Spill};
use crate::planted;
use crate::repeats::Window;

/// What the runtime reports. There are never more of them than records under way, which the
/// loop bounds.
enum Report {
    /// A delivery's subscription has arrived in the version that it names, or has not in time.
    Looked { work: Box<Work>, known: Option<Arc<Subscription>> },
    /// A call has ended. Its outcome is not written yet.
    Ended { slot: Slot, end: CallEnd },
    /// A call's outcome is acknowledged, and whatever follows from it.
    Confirmed,
    /// The same of what is done instead of a call.
    Written,
}

/// What is done instead of a call, and is not being written yet.
enum Aside {
    /// The lanes gave it back; small, for there may be all that they held.
    Spilled(Spill<Box<Work>>),
    Instead(Box<Work>, Box<Decision>),
}

impl Aside {
    fn work(&self) -> &Work {
        match self {
            Self::Spilled(spill) => &spill.work,
            Self::Instead(work, _) => work,
        }
    }

    fn into_work(self) -> Box<Work> {
        match self {
            Self::Spilled(spill) => spill.work,
            Self::Instead(work, _) => work,
        }
    }
}

/// How many of these are written at once, and how many may wait for that before nothing more is
/// taken in. While Kafka is away all that is queued is put aside.
const MOST_WRITING: usize = 2_048;
const MOST_ASIDE: usize = 8_192;
/// Between two looks at how the lanes stand.
const CENSUS_EVERY: Duration = Duration::from_secs(1);

/// How reports reach the loop's thread.
struct Reports {
    sender: Sender<Report>,
    owner: Thread,
}

impl Reports {
    fn send(&self, report: Report) {
        // The loop has ended when nobody receives: there is nobody left to tell.
        let _ = self.sender.send(report);
        self.owner.unpark();
    }
}

pub(crate) struct Dispatcher {
    courier: Arc<Courier>,
    runtime: Handle,
    lanes: Lanes<Box<Work>>,
    aside: VecDeque<Aside>,
    writing: usize,
    /// One for each partition that records came from and that is still this process's.
    windows: HashMap<PartitionKey, Window>,
    sender: Sender<Report>,
    reports: Receiver<Report>,
    /// Calls that run, or whose outcome is not acknowledged; a crash repeats them.
    unconfirmed: usize,
    max_unconfirmed: usize,
    next_census_at: Instant,
}

impl Dispatcher {
    pub fn new(
        courier: Courier,
        lanes: Lanes<Box<Work>>,
        in_flight: usize,
        runtime: Handle,
    ) -> Self {
        let (sender, reports) = channel();
        Self {
            courier: Arc::new(courier),
            runtime,
            lanes,
            aside: VecDeque::new(),
            writing: 0,
            windows: HashMap::new(),
            sender,
            reports,
            unconfirmed: 0,
            // While Kafka is away calls come to an end too, or else every one is repeated.
            max_unconfirmed: in_flight.saturating_mul(2),
            next_census_at: Instant::now(),
        }
    }

    /// Must be asked on the loop's thread.
    fn reporter(&self) -> Reports {
        Reports { sender: self.sender.clone(), owner: thread::current() }
    }

    /// Enters a delivery once its subscription is known; if that is to be waited for, the wait is
    /// the runtime's.
    fn take_in(&mut self, work: Box<Work>, now: Instant) {
        let (id, version) = (work.delivery.subscription_id, work.delivery.subscription_version);
        let known = self.courier.table().get(id).filter(|known| known.version >= version);
        if known.is_some() {
            return self.enter(work, known, now);
        }
        let (courier, reports) = (Arc::clone(&self.courier), self.reporter());
        self.runtime.spawn(async move {
            let known = courier.known_in_time(&work.delivery).await;
            reports.send(Report::Looked { work, known });
        });
    }

    /// Queues a delivery in its lane, or carries out what is to be done instead.
    fn enter(&mut self, work: Box<Work>, known: Option<Arc<Subscription>>, now: Instant) {
        match self.courier.callable(&work.delivery, known) {
            Err(instead) => self.aside.push_back(Aside::Instead(work, instead)),
            Ok(subscription) => {
                let bytes = work.record.weight();
                self.lanes.admit(subscription.id, rules(&subscription), work, bytes, now);
                self.put_aside();
            }
        }
    }

    /// Queues what the lanes gave back for being written.
    fn put_aside(&mut self) {
        self.aside.extend(self.lanes.take_spilled().into_iter().map(Aside::Spilled));
    }

    fn write_aside(&mut self) {
        while self.writing < MOST_WRITING
            && let Some(aside) = self.aside.pop_front()
        {
            self.writing += 1;
            let (courier, reports) = (Arc::clone(&self.courier), self.reporter());
            let (work, decision) = match aside {
                Aside::Instead(work, decision) => (work, decision),
                Aside::Spilled(spill) => {
                    let decision = Box::new(self.courier.spill(&spill));
                    (spill.work, decision)
                }
            };
            self.runtime.spawn(async move {
                courier.carry_out(*work, &decision).await;
                reports.send(Report::Written);
            });
        }
    }

    fn start_calls(&mut self, now: Instant) {
        while self.unconfirmed < self.max_unconfirmed
            && let Some((slot, work)) = self.lanes.pick(now)
        {
            // Waiting takes time: what counts is what is set when the call is made.
            let known = self.courier.table().get(work.delivery.subscription_id);
            match self.courier.callable(&work.delivery, known) {
                Err(instead) => {
                    self.lanes.withdrawn(slot, now);
                    self.aside.push_back(Aside::Instead(work, instead));
                }
                Ok(subscription) => self.call(slot, work, subscription),
            }
        }
    }

    fn call(&mut self, slot: Slot, work: Box<Work>, subscription: Arc<Subscription>) {
        self.unconfirmed += 1;
        let (courier, reports) = (Arc::clone(&self.courier), self.reporter());
        if fault_point::defect(Defect::FinishBeforeCall) {
            self.runtime.spawn(async move {
                let end = planted::finish_before_call(&courier, *work, &subscription).await;
                reports.send(Report::Ended { slot, end });
                reports.send(Report::Confirmed);
            });
            return;
        }
        self.runtime.spawn(async move {
            let made = courier.call(&work.delivery, &subscription).await;
            let end = decision::call_end(&made);
            reports.send(Report::Ended { slot, end });
            courier.finish_call(*work, &subscription, made).await;
            reports.send(Report::Confirmed);
        });
    }

    fn take_census(&mut self, now: Instant) {
        if self.next_census_at <= now {
            self.next_census_at = now + CENSUS_EVERY;
            let aside = self.aside.len() + self.writing;
            self.courier.figures().looked(self.lanes.census(now), aside);
        }
    }

    fn hear(&mut self, now: Instant) {
        while let Ok(report) = self.reports.try_recv() {
            match report {
                Report::Looked { work, known } => {
                    if self.windows.contains_key(&work.ticket.partition()) {
                        self.enter(work, known, now);
                    } else {
                        work.ticket.forget();
                    }
                }
                Report::Ended { slot, end } => self.lanes.ended(slot, end, now),
                Report::Confirmed => self.unconfirmed -= 1,
                Report::Written => self.writing -= 1,
            }
        }
    }
}

fn rules(subscription: &Subscription) -> LaneRules {
    LaneRules {
        max_concurrency: subscription.options.max_concurrency,
        rate_limit: subscription.options.rate_limit,
    }
}

impl Role for Dispatcher {
    fn wants(&mut self, _: PartitionKey, _: Instant) -> bool {
        self.aside.len() < MOST_ASIDE
    }

    fn remember(&mut self, partition: PartitionKey, record: &Record) {
        // What cannot be read has been buried, and is not suppressed either when it is repeated.
        if let Ok(done) = Delivery::decode(record.value.clone().unwrap_or_default()) {
            self.windows.entry(partition).or_default().remember(&done);
        }
    }

    fn take(&mut self, record: Record, ticket: Ticket) {
        let delivery = match Delivery::decode(record.value.clone().unwrap_or_default()) {
            Ok(delivery) => delivery,
            Err(error) => {
                let courier = Arc::clone(&self.courier);
                self.runtime.spawn(async move { courier.bury_poison(record, error, ticket).await });
                return;
            }
        };
        if !self.windows.entry(ticket.partition()).or_default().take_in(&delivery) {
            tracing::debug!(
                delivery = %delivery.id, release = delivery.release,
                partition = record.partition, offset = record.offset, "a repeat is suppressed"
            );
            self.courier.figures().repeats.inc();
            return ticket.finish();
        }
        self.take_in(Box::new(Work { record, delivery, ticket }), Instant::now());
    }

    fn turn(&mut self, now: Instant) -> anyhow::Result<Option<Instant>> {
        self.hear(now);
        self.lanes.advance(now);
        self.put_aside();
        self.start_calls(now);
        self.write_aside();
        self.take_census(now);
        Ok(self.lanes.wake_at())
    }

    fn forget(&mut self, partitions: &[PartitionKey]) {
        for key in partitions {
            self.windows.remove(key);
        }
        let theirs = |work: &Work| partitions.contains(&work.ticket.partition());
        let mut forgotten = self.lanes.forget(|work| theirs(work), Instant::now());
        for aside in std::mem::take(&mut self.aside) {
            if theirs(aside.work()) {
                forgotten.push(aside.into_work());
            } else {
                self.aside.push_back(aside);
            }
        }
        for work in forgotten {
            if fault_point::defect(Defect::FinishOnRevoke) {
                work.ticket.finish();
                continue;
            }
            work.ticket.forget();
        }
    }
}
