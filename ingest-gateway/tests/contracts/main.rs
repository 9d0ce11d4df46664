//! Contracts A, B and /v1 over real HTTP, with real Kafka and PostgreSQL: the gateway alone, without
//! consumer and projector. One binary, for each one links librdkafka.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod contract_a;
mod contract_b;
mod openssl;
mod presets;
mod projected;
#[path = "../../../signature/tests/published_requests/mod.rs"]
mod published_requests;
mod replay;
mod running;
mod v1;
mod views;
