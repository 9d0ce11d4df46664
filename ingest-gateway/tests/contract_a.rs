//! Contract A over real HTTP, with real Kafka and PostgreSQL: the gateway alone, without
//! consumer and projector.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "contract_a/ingest.rs"]
mod ingest;
#[path = "contract_a/limits.rs"]
mod limits;
#[path = "contract_a/running.rs"]
mod running;
#[path = "contract_a/status.rs"]
mod status;
#[path = "contract_a/stores_away.rs"]
mod stores_away;
#[path = "contract_a/subscriptions.rs"]
mod subscriptions;
