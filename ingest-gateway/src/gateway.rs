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
use crate::contract_a::rejection::Rejection;
use crate::inbound_secrets::InboundSecrets;
use crate::projection_wait::ProjectionWait;
use crate::publisher::Publisher;
use crate::request_body;
use crate::status_store::StatusStore;
use crate::subscription_lookup::SubscriptionLookup;
use crate::subscription_store::SubscriptionStore;

/// The parts that requests are answered with; one per process.
pub(crate) struct Gateway {
    pub limits: RequestLimits,
    pub ingest: IngestSettings,
    /// Every subscription in memory.
    pub table: SubscriptionTable,
    /// What the ingest path asks.
    pub lookup: SubscriptionLookup,
    pub secrets: InboundSecrets,
    pub publisher: Publisher,
    pub egress: EgressPolicy,
    /// The truth about subscriptions: what configuration routes ask.
    pub store: SubscriptionStore,
    /// Wakes the relay after a change.
    pub outbox_filled: Arc<Notify>,
    pub status: StatusStore,
    pub projection: ProjectionWait,
    pub gate: Gate,
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

/// Answers 503 while the gate is closed.
pub(crate) async fn refuse_until_open(
    State(gate): State<Gate>,
    request: Request,
    next: Next,
) -> Response {
    if gate.is_open() {
        next.run(request).await
    } else {
        request_body::discard(request.into_body()).await;
        Rejection::Unavailable("hooklog is starting.").into_response()
    }
}
