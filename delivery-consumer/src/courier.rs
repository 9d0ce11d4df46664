//! What is done about one delivery: the call, and the records that follow from it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use egress::{ClientLimits, EgressClient, UrlRejection};
use fault_point::{CrashPoint, Defect};
use jiff::Timestamp;
use kafka_loop::Ticket;
use kafka_loop::producer::{Message, ProduceError, Producer};
use kafka_loop::record::Record;
use kafka_loop::subscription_table::SubscriptionTable;
use pipeline::cascade::Hop;
use pipeline::dead_letter::DeadLetter;
use pipeline::delivery::{DecodeError, Delivery};
use pipeline::gone::Gone;
use pipeline::outcome::{Outcome, Reason};
use pipeline::subscription::Subscription;
use pipeline::topics::Topics;

use crate::Config;
use crate::decision::{self, CallResult, Decision, Made, Next, Queue, RetryRules};
use crate::figures::Figures;
use crate::lanes::Spill;
use crate::planted;
use crate::request;
use crate::signer::Signer;

/// How long a delivery waits for its subscription's version to reach this process before it is
/// put aside.
const CONFIGURATION_PATIENCE: Duration = Duration::from_secs(2);

/// A delivery under way, with the obligation for its record.
#[derive(Debug)]
pub(crate) struct Work {
    pub record: Record,
    pub delivery: Delivery,
    pub ticket: Ticket,
}

/// Carries deliveries. One per process, shared by all of them.
pub(crate) struct Courier {
    config: Config,
    table: SubscriptionTable,
    producer: Producer,
    client: EgressClient,
    names: Names,
    figures: Figures,
}

/// Topic names, made once.
struct Names {
    deliveries: String,
    outcomes: String,
    dead_letters: String,
    subscriptions: String,
}

impl Courier {
    pub fn new(
        config: &Config,
        table: SubscriptionTable,
        producer: Producer,
        figures: Figures,
    ) -> anyhow::Result<Self> {
        let topics = &config.kafka.topics;
        Ok(Self {
            client: EgressClient::new(Arc::clone(&config.egress), ClientLimits::default())?,
            names: Names {
                deliveries: topics.deliveries(),
                outcomes: topics.outcomes(),
                dead_letters: topics.dead_letters(),
                subscriptions: topics.subscriptions(),
            },
            config: config.clone(),
            table,
            producer,
            figures,
        })
    }

    pub fn figures(&self) -> &Figures {
        &self.figures
    }

    pub fn table(&self) -> &SubscriptionTable {
        &self.table
    }

    /// The subscription in the version that a delivery names, or a later one, once it is here.
    pub async fn known_in_time(&self, delivery: &Delivery) -> Option<Arc<Subscription>> {
        let (id, version) = (delivery.subscription_id, delivery.subscription_version);
        self.table.at_least(id, version, CONFIGURATION_PATIENCE).await
    }

    /// The subscription, if a call may be made to it now.
    ///
    /// # Errors
    /// What is to be done instead.
    pub fn callable(
        &self,
        delivery: &Delivery,
        known: Option<Arc<Subscription>>,
    ) -> Result<Arc<Subscription>, Box<Decision>> {
        let (max_age, tiers) = (self.config.max_delivery_age, self.topics().spill_tiers());
        let is_cancelled = self.table.is_cancelled(delivery);
        decision::callable(delivery, known, is_cancelled, max_age, tiers, Timestamp::now())
    }

    /// What is to be written for a delivery that its lane did not take.
    pub fn spill(&self, spill: &Spill<Box<Work>>) -> Decision {
        let tiers = self.topics().spill_tiers();
        decision::spill_from_lane(&spill.work.delivery, spill, tiers, Timestamp::now())
    }

    /// Makes the call.
    pub async fn call(&self, delivery: &Delivery, subscription: &Subscription) -> Made {
        fault_point::crash(CrashPoint::ConsumerBeforeCall);
        let started_at = Timestamp::now();
        let started = Instant::now();
        let result = self.exchange(delivery, subscription, started_at).await;
        fault_point::crash(CrashPoint::ConsumerAfterCall);
        let latency = started.elapsed();
        self.figures.called(&result, latency);
        Made { target_url: subscription.target_url.clone(), started_at, latency, result }
    }

    /// Writes what follows from a call, and finishes the ticket. Of a delivery that is another
    /// process's by now only the call itself is told.
    pub async fn finish_call(&self, work: Work, subscription: &Subscription, made: Made) {
        if !work.ticket.is_current() {
            self.figures.late_calls.inc();
            let outcome = decision::late(&work.delivery, made);
            if let Err(error) = self.tell(&outcome).await {
                tracing::warn!(%error, delivery = %work.delivery.id, "a late call is not told");
            }
            return work.ticket.forget();
        }
        let written = self.write_after_call(&work.record, &work.delivery, subscription, made).await;
        end(work.ticket, &work.record, written);
    }

    /// Writes what follows from a call.
    pub async fn write_after_call(
        &self,
        record: &Record,
        delivery: &Delivery,
        subscription: &Subscription,
        made: Made,
    ) -> Result<(), ProduceError> {
        let options = &subscription.options;
        let rules = RetryRules {
            policy: options.retry.as_ref().unwrap_or(&self.config.retry_policy),
            retry_on: options.retry_on.as_ref(),
        };
        let gone = decision::is_gone(&made)
            .then_some(Gone { subscription_id: subscription.id, version: subscription.version });
        let decision = decision::after_call(delivery, made, rules, self.topics().tiers());
        if let Some(mark) = gone {
            self.table.mark_gone(mark);
            self.write(&self.names.subscriptions, &mark.key(), &mark.encode()).await?;
        }
        self.write_all(record, &decision).await
    }

    /// Writes what is done instead of a call, and finishes the ticket; what is another process's
    /// by now is left to that.
    pub async fn carry_out(&self, work: Work, decision: &Decision) {
        if !work.ticket.is_current() {
            return work.ticket.forget();
        }
        let written = self.write_all(&work.record, decision).await;
        end(work.ticket, &work.record, written);
    }

    /// Gives a record up that cannot be read, and finishes its ticket.
    pub async fn bury_poison(&self, record: Record, error: DecodeError, ticket: Ticket) {
        let buried = self.bury(&record, Reason::Poison, error.to_string()).await;
        if buried.is_ok() {
            self.figures.dead_letters.count(Reason::Poison.as_str());
        }
        end(ticket, &record, buried);
    }

    async fn exchange(
        &self,
        delivery: &Delivery,
        subscription: &Subscription,
        now: Timestamp,
    ) -> CallResult {
        let target = match self.config.egress.judge_url(&subscription.target_url) {
            Ok(target) => target,
            Err(rejection) => return denied(&rejection),
        };
        let signer = match Signer::of(subscription, now) {
            Ok(signer) => signer,
            Err(error) => {
                let kind = decision::UNUSABLE_SECRET;
                return CallResult::Failed { kind, detail: error.to_string() };
            }
        };
        let options = &subscription.options;
        let headers = request::headers(delivery, &options.headers, &signer, now);
        let own_timeout =
            options.timeout_seconds.map(|seconds| Duration::from_secs(seconds.into()));
        let timeout = own_timeout.unwrap_or(self.config.call_timeout);
        match self.client.post(&target, headers, delivery.body.clone(), timeout).await {
            Ok(response) => CallResult::Answered {
                status: response.status,
                retry_after: response.retry_after.map(|value| value.as_bytes().to_vec()),
                excerpt: String::from_utf8_lossy(&response.excerpt).into_owned(),
                truncated: response.truncated,
            },
            Err(failure) => CallResult::Failed {
                kind: failure.kind.as_str(),
                detail: failure.detail().to_owned(),
            },
        }
    }

    /// Writes the outcome and what follows from it, side by side, and waits for both.
    async fn write_all(&self, record: &Record, decision: &Decision) -> Result<(), ProduceError> {
        let outcome = async {
            self.tell(&decision.outcome).await?;
            fault_point::crash(CrashPoint::ConsumerAfterOutcome);
            Ok(())
        };
        let next = async {
            match &decision.next {
                Next::Nothing => return Ok(()),
                Next::DeadLetter { reason, detail } => {
                    self.bury(record, *reason, detail.clone()).await?;
                }
                Next::Again { hop, delivery, queue } => {
                    let topic = self.topic_of(*hop, *queue);
                    let key = delivery.subscription_id.to_string();
                    if fault_point::defect(Defect::RetryNotAwaited) {
                        planted::write_later(&self.producer, topic, key, delivery.encode());
                        return Ok(());
                    }
                    self.write(&topic, &key, &delivery.encode()).await?;
                }
            }
            fault_point::crash(CrashPoint::ConsumerAfterNext);
            Ok(())
        };
        tokio::try_join!(outcome, next)?;
        self.figures.written(decision);
        Ok(())
    }

    async fn tell(&self, outcome: &Outcome) -> Result<(), ProduceError> {
        let key = outcome.subscription_id.to_string();
        self.write(&self.names.outcomes, &key, &outcome.encode()).await
    }

    fn topic_of(&self, hop: Hop, queue: Queue) -> String {
        match (hop, queue) {
            (Hop::Release, _) => self.names.deliveries.clone(),
            (Hop::Hold(tier), Queue::Retries) => self.topics().retries(tier),
            (Hop::Hold(tier), Queue::Spills) => self.topics().spills(tier),
        }
    }

    /// Gives a record up: its bytes go to `dead-letters` as they are.
    async fn bury(
        &self,
        record: &Record,
        reason: Reason,
        detail: String,
    ) -> Result<(), ProduceError> {
        if reason == Reason::Poison {
            tracing::warn!(
                topic = %record.topic, partition = record.partition, offset = record.offset,
                detail, "a record is not readable and goes to dead-letters"
            );
        }
        let letter = DeadLetter {
            reason,
            detail,
            topic: record.topic.to_string(),
            partition: record.partition,
            offset: record.offset,
        };
        let headers = letter.headers();
        let headers: Vec<(&str, &[u8])> =
            headers.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
        let message = Message {
            topic: &self.names.dead_letters,
            key: record.key.as_deref().unwrap_or_default(),
            value: record.value.as_deref().unwrap_or_default(),
            headers: &headers,
        };
        self.producer.write(message).await.map(|_| ())
    }

    async fn write(&self, topic: &str, key: &str, value: &[u8]) -> Result<(), ProduceError> {
        let message = Message { topic, key: key.as_bytes(), value, headers: &[] };
        self.producer.write(message).await.map(|_| ())
    }

    fn topics(&self) -> &Topics {
        &self.config.kafka.topics
    }
}

/// Ends a ticket after its effects. If one cannot be written the ticket is dropped: the process
/// stops, and the record is read again.
fn end(ticket: Ticket, record: &Record, effects: Result<(), ProduceError>) {
    match effects {
        Ok(()) => {
            fault_point::crash(CrashPoint::ConsumerBeforeFinish);
            ticket.finish();
        }
        Err(error) => tracing::error!(
            topic = %record.topic, partition = record.partition, offset = record.offset,
            error = format!("{:#}", anyhow::Error::new(error)),
            "an effect was not written"
        ),
    }
}

fn denied(rejection: &UrlRejection) -> CallResult {
    CallResult::Failed { kind: egress::FailureKind::Denied.as_str(), detail: rejection.to_string() }
}
