//! The gateway's life: from a bound listener to an end that loses nothing.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use kafka_loop::KafkaSettings;
use kafka_loop::log_end::LogEnds;
use kafka_loop::producer::Producer;
use kafka_loop::subscription_table::SubscriptionTable;
use kafka_loop::topic_setup;
use metrics::Page;
use role_runtime::ReadyFlag;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::cancellation_sweep::CancellationSweep;
use crate::config::Config;
use crate::delivery_lookup::DeliveryLookup;
use crate::figures::Figures;
use crate::front_door::FrontDoor;
use crate::gateway::{Gate, Gateway};
use crate::gone_receivers;
use crate::health_store::HealthStore;
use crate::inbound_verifiers::InboundVerifiers;
use crate::made_anew::OriginalStore;
use crate::openapi::pages::ApiPages;
use crate::outbox_relay::OutboxRelay;
use crate::outcome_tail::OutcomeTail;
use crate::own_delivery_store::OwnDeliveryStore;
use crate::own_subscription_store::OwnSubscriptionStore;
use crate::projection_lag::ProjectionLag;
use crate::projection_wait::{ProjectionWait, ProjectionWatch};
use crate::publisher::Publisher;
use crate::replay::store::ReplayStore;
use crate::replay::worker::ReplayWorker;
use crate::roll_up::RollUp;
use crate::router::router;
use crate::server;
use crate::stats_store::StatsStore;
use crate::status_store::StatusStore;
use crate::storage::Storage;
use crate::subscription_changes::SubscriptionChanges;
use crate::subscription_lookup::SubscriptionLookup;
use crate::subscription_store::SubscriptionStore;
use crate::v1::batch::BatchTurns;
use crate::v1::idempotency::IdempotentAnswers;

/// For records that were sent and are not acknowledged when the last request has ended.
const FLUSH: Duration = Duration::from_secs(1);

/// Runs the gateway until `shutdown` is cancelled.
///
/// The listener is bound first. Until the topics are there and every subscription is known,
/// requests are answered 503 with `Retry-After`, and `ready` stays down; Postgres need not be
/// there at all. On shutdown no new connection is taken, running requests finish, then the
/// rest ends. A crash loses nothing that was answered 202 or 201.
///
/// # Errors
/// The address is taken, topics are unfit, or a part of the gateway has died.
pub async fn run(
    config: Config,
    ready: ReadyFlag,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let listen = config.server.listen;
    let listener = TcpListener::bind(listen)
        .await
        .with_context(|| format!("bind {listen} (HOOKLOG_LISTEN)"))?;
    let header_read_timeout = config.server.header_read_timeout;
    let kafka = config.kafka.clone();
    let Parts { gateway, front_door, table, producer, relay, gone, watch, sweep, replays, counts } =
        parts(config, ready.page())?;
    let (gate, streams_end) = (gateway.gate.clone(), gateway.outcomes.shutdown.clone());

    // Requests need the background until the last of them has ended, so that it ends later.
    let stop_serving = shutdown.child_token();
    let stop_background = CancellationToken::new();
    let mut serving = JoinSet::new();
    serving.spawn(server::serve(
        listener,
        router(Arc::new(gateway)),
        header_read_timeout,
        stop_serving.clone(),
    ));
    let mut background = JoinSet::new();
    background.spawn(follow(kafka.clone(), table.clone(), stop_background.clone()));
    background.spawn(watch_projection(watch, stop_background.clone()));
    // Takes nothing new in as soon as a shutdown is asked for, like the listener.
    background.spawn(front_door.run(kafka, stop_serving.clone()));
    background.spawn(pause_gone(table.clone(), gone, stop_background.clone()));
    background.spawn(sweep.run(stop_background.clone()));
    background.spawn(replays.run(stop_background.clone()));
    background.spawn(counts.run(stop_background.clone()));
    background.spawn(open(table, gate, ready, relay, stop_background.clone()));

    let failed = producer.failed();
    let ended = tokio::select! {
        // First: on shutdown the server ends too, and is not to be mistaken for a dead one.
        biased;
        () = shutdown.cancelled() => Ok(()),
        () = failed.cancelled() => Err(anyhow::anyhow!("the producer cannot go on")),
        Some(ended) = serving.join_next() => died(ended.map(Ok)),
        Some(ended) = background.join_next() => died(ended),
    };
    stop_serving.cancel();
    // They would never end by themselves.
    streams_end.cancel();
    while serving.join_next().await.is_some() {}
    stop_background.cancel();
    let mut rest = Ok(());
    while let Some(task) = background.join_next().await {
        rest = rest.and(task.context("a part of the gateway has died").flatten());
    }
    let flushed = tokio::task::spawn_blocking(move || producer.flush(FLUSH)).await;
    if !matches!(flushed, Ok(Ok(()))) {
        tracing::warn!("records that nobody waits for were not acknowledged in time");
    }
    ended.and(rest)
}

pub(crate) struct Parts {
    pub gateway: Gateway,
    front_door: FrontDoor,
    table: SubscriptionTable,
    producer: Producer,
    relay: OutboxRelay,
    gone: SubscriptionChanges,
    watch: ProjectionWatch,
    sweep: CancellationSweep,
    replays: ReplayWorker,
    counts: RollUp,
}

/// Makes everything; nothing of it needs Kafka or Postgres to be there.
pub(crate) fn parts(config: Config, page: &Page) -> anyhow::Result<Parts> {
    let Config { server, ingest, cors, kafka, database, egress, max_delivery_age, status_wait } =
        config;
    let topics = &kafka.topics;
    let producer = Producer::shown(&kafka, Some(ingest.produce_timeout), page, "ingest-gateway")?;
    let storage = Storage::new(database::pool(&database)?);
    let outbox_filled = Arc::new(Notify::new());
    let relay = OutboxRelay::new(
        storage.clone(),
        producer.clone(),
        topics.subscriptions(),
        outbox_filled.clone(),
    );
    let log_ends = LogEnds::new(&kafka)?;
    let (projection, watch) =
        ProjectionWait::new(status_wait, storage.clone(), log_ends, topics.deliveries());
    let (table, store) = (SubscriptionTable::new(), SubscriptionStore::new(storage.clone()));
    let own = OwnSubscriptionStore::new(storage.clone());
    let own_deliveries = OwnDeliveryStore::new(storage.clone());
    let originals = OriginalStore::new(storage.clone());
    let (replay_store, replay_storage) = (ReplayStore::new(storage.clone()), storage.clone());
    let sweep = CancellationSweep::new(
        table.clone(),
        producer.clone(),
        topics.subscriptions(),
        max_delivery_age,
    );
    let health = HealthStore::new(storage.clone());
    let stats = StatsStore::new(storage.clone());
    let status = StatusStore::new(storage.clone());
    let lag = ProjectionLag::new(projection.clone());
    let counts = RollUp::new(storage, topics.outcomes());
    let publisher = Publisher::new(producer.clone(), topics, ingest.produce_timeout);
    let idempotency =
        IdempotentAnswers::new(ingest.idempotency_window, ingest.idempotency_cache as u64);
    let lookup = SubscriptionLookup::new(table.clone(), store.clone());
    let replay_made = Arc::new(Notify::new());
    let replays = ReplayWorker {
        storage: replay_storage,
        publisher: Publisher::new(producer.clone(), topics, ingest.produce_timeout),
        lookup: lookup.clone(),
        projection: projection.clone(),
        max_delivery_age,
        made: Arc::clone(&replay_made),
    };
    let front_door = FrontDoor::new(&kafka, table.clone(), lookup.clone(), page)?;
    let changes = |store, own| {
        SubscriptionChanges::new(store, own, table.clone(), Arc::clone(&outbox_filled))
    };
    let gone = changes(store.clone(), own.clone());
    let gateway = Gateway {
        limits: server.requests,
        verifiers: InboundVerifiers::new(&ingest.signature_header.text),
        pages: ApiPages::new(&ingest).context("write the API document")?,
        ingest,
        cors,
        lookup,
        publisher,
        idempotency,
        batch_turns: BatchTurns::default(),
        egress,
        changes: changes(store.clone(), own.clone()),
        store,
        own,
        deliveries: DeliveryLookup::new(status.clone(), projection),
        own_deliveries,
        health,
        stats,
        lag,
        originals,
        replays: replay_store,
        replay_made,
        outcomes: OutcomeTail::new(kafka.clone()),
        table: table.clone(),
        status,
        gate: Gate::default(),
        figures: Figures::new(page),
    };
    Ok(Parts { gateway, front_door, table, producer, relay, gone, watch, sweep, replays, counts })
}

/// Waits for the topics, then keeps the table up to date.
async fn follow(
    kafka: KafkaSettings,
    table: SubscriptionTable,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    if topic_setup::prepare(&kafka, &stop).await? {
        table.follow(&kafka, stop).await?;
    }
    Ok(())
}

async fn pause_gone(
    table: SubscriptionTable,
    changes: SubscriptionChanges,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    gone_receivers::pause(table, changes, stop).await;
    Ok(())
}

async fn watch_projection(watch: ProjectionWatch, stop: CancellationToken) -> anyhow::Result<()> {
    stop.run_until_cancelled(watch.run()).await.unwrap_or(Ok(()))
}

/// Opens for requests once every subscription is known, then relays changes.
async fn open(
    table: SubscriptionTable,
    gate: Gate,
    ready: ReadyFlag,
    relay: OutboxRelay,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    if stop.run_until_cancelled(table.complete()).await.is_some() {
        gate.open();
        ready.raise();
        relay.run(stop).await;
    }
    Ok(())
}

/// A part that ended although nobody asked it to.
fn died(ended: Result<anyhow::Result<()>, JoinError>) -> anyhow::Result<()> {
    ended.context("a part of the gateway has died")??;
    bail!("a part of the gateway ended by itself")
}
