//! One record from intake to its acknowledgements.

use std::sync::Arc;
use std::time::{Duration, Instant};

use egress::{ClientLimits, EgressClient, UrlRejection};
use jiff::Timestamp;
use kafka_loop::Ticket;
use kafka_loop::producer::{Message, ProduceError, Producer};
use kafka_loop::record::Record;
use kafka_loop::subscription_table::SubscriptionTable;
use pipeline::cascade::Hop;
use pipeline::dead_letter::DeadLetter;
use pipeline::delivery::{DecodeError, Delivery};
use pipeline::outcome::Reason;
use pipeline::subscription::Subscription;
use pipeline::topics::Topics;

use crate::Config;
use crate::decision::{self, CallResult, Decision, Made, Next, Queue, RetryRules};
use crate::limits::Limits;
use crate::request;
use crate::signer::Signer;

/// How long a delivery waits for its subscription's version to reach this process before it is
/// put aside.
const CONFIGURATION_PATIENCE: Duration = Duration::from_secs(2);

/// Carries records. One per process, shared by all deliveries under way.
pub(crate) struct Courier {
    config: Config,
    table: SubscriptionTable,
    producer: Producer,
    client: EgressClient,
    limits: Limits,
    names: Names,
}

/// Topic names, made once.
struct Names {
    deliveries: String,
    outcomes: String,
    dead_letters: String,
}

impl Courier {
    pub fn new(
        config: &Config,
        table: SubscriptionTable,
        producer: Producer,
    ) -> anyhow::Result<Self> {
        let topics = &config.kafka.topics;
        Ok(Self {
            client: EgressClient::new(Arc::clone(&config.egress), ClientLimits::default())?,
            names: Names {
                deliveries: topics.deliveries(),
                outcomes: topics.outcomes(),
                dead_letters: topics.dead_letters(),
            },
            config: config.clone(),
            limits: Limits::default(),
            table,
            producer,
        })
    }

    /// Does everything that a record asks for, given what was read in it, and finishes its ticket once that is
    /// acknowledged. If an effect cannot be written the ticket is dropped: the process stops,
    /// and the record is read again.
    pub async fn carry(
        &self,
        record: Record,
        delivery: Result<Delivery, DecodeError>,
        ticket: Ticket,
    ) {
        let place = format!("{}/{} offset {}", record.topic, record.partition, record.offset);
        match self.effects_of(&record, delivery).await {
            Ok(()) => ticket.finish(),
            Err(error) => tracing::error!(
                place,
                error = format!("{:#}", anyhow::Error::new(error)),
                "an effect was not written"
            ),
        }
    }

    async fn effects_of(
        &self,
        record: &Record,
        delivery: Result<Delivery, DecodeError>,
    ) -> Result<(), ProduceError> {
        let delivery = match delivery {
            Ok(delivery) => delivery,
            Err(error) => {
                return self.bury(record, Reason::Poison, error.to_string()).await;
            }
        };
        let decision = self.decide(&delivery).await;
        self.carry_out(record, &delivery, decision).await
    }

    async fn decide(&self, delivery: &Delivery) -> Decision {
        let known = self
            .table
            .at_least(
                delivery.subscription_id,
                delivery.subscription_version,
                CONFIGURATION_PATIENCE,
            )
            .await;
        let subscription = match self.callable(delivery, known) {
            Ok(subscription) => subscription,
            Err(instead) => return *instead,
        };
        let turn = match self.limits.turn(subscription.id, &subscription.options).await {
            Ok(turn) => turn,
            Err(delay) => {
                let tiers = self.topics().spill_tiers();
                return decision::spill(delivery, Reason::Limited, delay, tiers, Timestamp::now());
            }
        };
        // Waiting for a turn takes time: what counts is what is set when the call is made.
        let subscription = match self.callable(delivery, self.table.get(subscription.id)) {
            Ok(subscription) => subscription,
            Err(instead) => return *instead,
        };
        let made = self.call(delivery, &subscription).await;
        drop(turn);
        let options = &subscription.options;
        let rules = RetryRules {
            policy: options.retry.as_ref().unwrap_or(&self.config.retry_policy),
            retry_on: options.retry_on.as_ref(),
        };
        decision::after_call(delivery, made, rules, self.topics().tiers())
    }

    /// The subscription, if a call may be made to it now.
    fn callable(
        &self,
        delivery: &Delivery,
        known: Option<Arc<Subscription>>,
    ) -> Result<Arc<Subscription>, Box<Decision>> {
        let (max_age, tiers) = (self.config.max_delivery_age, self.topics().spill_tiers());
        decision::callable(delivery, known, max_age, tiers, Timestamp::now())
    }

    async fn call(&self, delivery: &Delivery, subscription: &Subscription) -> Made {
        let started_at = Timestamp::now();
        let started = Instant::now();
        let result = self.exchange(delivery, subscription, started_at).await;
        Made {
            target_url: subscription.target_url.clone(),
            started_at,
            latency: started.elapsed(),
            result,
        }
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
    async fn carry_out(
        &self,
        record: &Record,
        delivery: &Delivery,
        decision: Decision,
    ) -> Result<(), ProduceError> {
        let key = delivery.subscription_id.to_string();
        let outcome = decision.outcome.encode();
        let outcome = self.write(&self.names.outcomes, &key, &outcome);
        let next = async {
            match &decision.next {
                Next::Nothing => Ok(()),
                Next::DeadLetter { reason, detail } => {
                    self.bury(record, *reason, detail.clone()).await
                }
                Next::Again { hop, delivery, queue } => {
                    let topic = self.topic_of(*hop, *queue);
                    self.write(&topic, &key, &delivery.encode()).await
                }
            }
        };
        tokio::try_join!(outcome, next)?;
        Ok(())
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

fn denied(rejection: &UrlRejection) -> CallResult {
    CallResult::Failed { kind: egress::FailureKind::Denied.as_str(), detail: rejection.to_string() }
}
