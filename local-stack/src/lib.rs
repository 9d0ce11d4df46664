//! A real Kafka and a real PostgreSQL as local processes, for development and tests only.
//!
//! Owns: the pinned artifacts and their cache, the servers' settings, their start, readiness
//! and stop. Promises: whatever happens to the process that owns a [`Stack`], nothing of it
//! keeps running; every wait has a named bound; without network it works once the artifacts
//! are cached. Deliberately absent: containers, Kafka and SQL client libraries, and anything
//! that production runs on.
//!
//! The binary of the same name is what `./dev` calls, and it is also the guard under which
//! the servers run: a test that starts a [`Stack`] needs it built.

mod account;
mod artifact;
pub mod cache;
mod download;
pub mod guard;
pub mod guarded;
pub mod java;
mod kafka;
mod kafka_probe;
pub mod one_shot;
pub mod port;
mod postgres;
mod postgres_bundle;
mod postgres_probe;
pub mod process;
mod progress;
mod stack;
pub mod wait;

pub use kafka::KafkaError;
pub use postgres::PostgresError;
pub use stack::{
    KAFKA_PORT_VARIABLE, Options, POSTGRES_PORT_VARIABLE, Stack, StackError, forget_data,
};
