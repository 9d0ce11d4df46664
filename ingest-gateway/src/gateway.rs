//! What the handlers share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use egress::EgressPolicy;
use kafka_loop::subscription_table::SubscriptionTable;
use tokio::sync::Notify;

use crate::config::{IngestSettings, RequestLimits};
use crate::cors::CorsOrigins;
use crate::delivery_lookup::DeliveryLookup;
use crate::figures::Figures;
use crate::health_store::HealthStore;
use crate::inbound_verifiers::InboundVerifiers;
use crate::made_anew::OriginalStore;
use crate::openapi::pages::ApiPages;
use crate::outcome_tail::OutcomeTail;
use crate::own_delivery_store::OwnDeliveryStore;
use crate::own_subscription_store::OwnSubscriptionStore;
use crate::projection_lag::ProjectionLag;
use crate::publisher::Publisher;
use crate::refusal::Refusal;
use crate::replay::store::ReplayStore;
use crate::request_body;
use crate::stats_store::StatsStore;
use crate::status_store::StatusStore;
use crate::subscription_changes::SubscriptionChanges;
use crate::subscription_lookup::SubscriptionLookup;
use crate::subscription_store::SubscriptionStore;
use crate::v1::batch::BatchTurns;
use crate::v1::idempotency::IdempotentAnswers;

/// The parts that requests are answered with; one per process.
pub(crate) struct Gateway {
    pub limits: RequestLimits,
    pub ingest: IngestSettings,
    pub cors: CorsOrigins,
    pub pages: ApiPages,
    /// Subscriptions in memory: what the ingest path asks.
    pub lookup: SubscriptionLookup,
    pub verifiers: InboundVerifiers,
    pub publisher: Publisher,
    pub idempotency: IdempotentAnswers,
    pub batch_turns: BatchTurns,
    pub egress: EgressPolicy,
    /// The truth about subscriptions: what configuration routes ask.
    pub store: SubscriptionStore,
    /// The same with everything that `/v1` shows.
    pub own: OwnSubscriptionStore,
    /// The only way to change it.
    pub changes: SubscriptionChanges,
    pub status: StatusStore,
    pub deliveries: DeliveryLookup,
    /// Deliveries with everything that `/v1` shows.
    pub own_deliveries: OwnDeliveryStore,
    pub health: HealthStore,
    pub stats: StatsStore,
    pub lag: ProjectionLag,
    /// Deliveries as what is made anew of them needs them.
    pub originals: OriginalStore,
    pub replays: ReplayStore,
    /// Tells the worker of a new replay.
    pub replay_made: Arc<Notify>,
    /// Outcomes as they happen.
    pub outcomes: OutcomeTail,
    /// What the compacted topic tells, cancellations included.
    pub table: SubscriptionTable,
    pub gate: Gate,
    pub figures: Figures,
}

/// Closed until this process knows every subscription, so that none of them is answered 404
/// at start, and an event is not taken before its topic is there.
#[derive(Debug, Clone, Default)]
pub(crate) struct Gate {
    open: Arc<AtomicBool>,
}

impl Gate {
    pub(crate) fn open(&self) {
        self.open.store(true, Ordering::Release);
    }

    fn is_open(&self) -> bool {
        self.open.load(Ordering::Acquire)
    }
}

/// Answers 503 while the gate is closed, in the words of contract `R`.
pub(crate) async fn refuse_until_open<R: From<Refusal> + IntoResponse>(
    State(gate): State<Gate>,
    request: Request,
    next: Next,
) -> Response {
    if gate.is_open() {
        next.run(request).await
    } else {
        request_body::discard(request.into_body()).await;
        R::from(Refusal::STARTING).into_response()
    }
}
