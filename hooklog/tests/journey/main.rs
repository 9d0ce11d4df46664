//! Whole journeys: the real binary, real Kafka, real PostgreSQL, a real receiver.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod command_line;
mod delivery;
mod faults;
mod idempotency;
mod kafka_native;
mod lanes;
mod made_anew;
mod metrics_page;
mod own_settings;
mod public_records;
mod running;
mod sdk;
mod settings;
mod shutdown;
