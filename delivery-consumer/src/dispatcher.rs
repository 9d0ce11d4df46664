//! The owner of the lanes, on the loop's thread: what comes in goes to its lane, what is picked
//! goes to the runtime as a call, and what the runtime reports comes back here.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, Thread};
use std::time::Instant;

use fault_point::Defect;
use kafka_loop::consumer_loop::Role;
use kafka_loop::record::Record;
use kafka_loop::{PartitionKey, Ticket};
use pipeline::delivery::Delivery;
use pipeline::subscription::Subscription;
use tokio::runtime::Handle;

use crate::courier::{Courier, Work};
use crate::decision::{self, Decision};
use crate::lanes::{CallEnd, LaneRules, Lanes, Slot};
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
}

/// How reports reach the loop's thread.
#[derive(Clone)]
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
    lanes: Lanes<Work>,
    /// One for each partition that records came from and that is still this process's.
    windows: HashMap<PartitionKey, Window>,
    sender: Sender<Report>,
    reports: Receiver<Report>,
    /// Calls that run, or whose outcome is not acknowledged; a crash repeats them.
    unconfirmed: usize,
    max_unconfirmed: usize,
}

impl Dispatcher {
    pub fn new(courier: Courier, lanes: Lanes<Work>, in_flight: usize, runtime: Handle) -> Self {
        let (sender, reports) = channel();
        Self {
            courier: Arc::new(courier),
            runtime,
            lanes,
            windows: HashMap::new(),
            sender,
            reports,
            unconfirmed: 0,
            // While Kafka is away calls come to an end too, or else every one is repeated.
            max_unconfirmed: in_flight.saturating_mul(2),
        }
    }

    /// Must be asked on the loop's thread.
    fn reporter(&self) -> Reports {
        Reports { sender: self.sender.clone(), owner: thread::current() }
    }

    /// Enters a delivery once its subscription is known; if that is to be waited for, the wait is
    /// the runtime's.
    fn take_in(&mut self, work: Work, now: Instant) {
        let (id, version) = (work.delivery.subscription_id, work.delivery.subscription_version);
        let known = self.courier.table().get(id).filter(|known| known.version >= version);
        if known.is_some() {
            return self.enter(work, known, now);
        }
        let (courier, reports) = (Arc::clone(&self.courier), self.reporter());
        self.runtime.spawn(async move {
            let known = courier.known_in_time(&work.delivery).await;
            reports.send(Report::Looked { work: Box::new(work), known });
        });
    }

    /// Queues a delivery in its lane, or carries out what is to be done instead.
    fn enter(&mut self, work: Work, known: Option<Arc<Subscription>>, now: Instant) {
        match self.courier.callable(&work.delivery, known) {
            Err(instead) => self.carry_out(work, *instead),
            Ok(subscription) => {
                let bytes = work.record.weight();
                self.lanes.admit(subscription.id, rules(&subscription), work, bytes, now);
                self.put_aside();
            }
        }
    }

    fn put_aside(&mut self) {
        for spill in self.lanes.take_spilled() {
            let decision = self.courier.spill(&spill);
            self.carry_out(spill.work, decision);
        }
    }

    fn carry_out(&self, work: Work, decision: Decision) {
        let courier = Arc::clone(&self.courier);
        self.runtime.spawn(async move { courier.carry_out(work, decision).await });
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
                    self.carry_out(work, *instead);
                }
                Ok(subscription) => self.call(slot, work, subscription),
            }
        }
    }

    fn call(&mut self, slot: Slot, work: Work, subscription: Arc<Subscription>) {
        self.unconfirmed += 1;
        let (courier, reports) = (Arc::clone(&self.courier), self.reporter());
        if fault_point::defect(Defect::FinishBeforeCall) {
            self.runtime.spawn(async move {
                let end = planted::finish_before_call(&courier, work, &subscription).await;
                reports.send(Report::Ended { slot, end });
                reports.send(Report::Confirmed);
            });
            return;
        }
        self.runtime.spawn(async move {
            let made = courier.call(&work.delivery, &subscription).await;
            let end = decision::call_end(&made);
            reports.send(Report::Ended { slot, end });
            courier.finish_call(work, &subscription, made).await;
            reports.send(Report::Confirmed);
        });
    }

    fn hear(&mut self, now: Instant) {
        while let Ok(report) = self.reports.try_recv() {
            match report {
                Report::Looked { work, known } => {
                    if self.windows.contains_key(&work.ticket.partition()) {
                        self.enter(*work, known, now);
                    } else {
                        work.ticket.forget();
                    }
                }
                Report::Ended { slot, end } => self.lanes.ended(slot, end, now),
                Report::Confirmed => self.unconfirmed -= 1,
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
            return ticket.finish();
        }
        self.take_in(Work { record, delivery, ticket }, Instant::now());
    }

    fn turn(&mut self, now: Instant) -> anyhow::Result<Option<Instant>> {
        self.hear(now);
        self.lanes.advance(now);
        self.put_aside();
        self.start_calls(now);
        Ok(self.lanes.wake_at())
    }

    fn forget(&mut self, partitions: &[PartitionKey]) {
        for key in partitions {
            self.windows.remove(key);
        }
        let theirs = |work: &Work| partitions.contains(&work.ticket.partition());
        for work in self.lanes.forget(theirs, Instant::now()) {
            if fault_point::defect(Defect::FinishOnRevoke) {
                work.ticket.finish();
                continue;
            }
            work.ticket.forget();
        }
    }
}
