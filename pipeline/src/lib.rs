//! What all of hooklog's roles agree on: the record contract, topics, ids, the event filters,
//! the retry policy, the cascade of delay tiers, and the offset tracker.
//!
//! Architecture invariant: this crate is pure. It does no I/O, reads no clock, draws no random
//! number and does not link librdkafka; whoever calls it passes `now` in.

pub mod cancellation;
pub mod cascade;
pub mod cloud_event;
pub mod cloud_event_http;
pub mod commit_metadata;
pub mod custom_headers;
pub mod dead_letter;
pub mod delivery;
mod delivery_wire;
pub mod fan_out;
pub mod filter;
pub mod gone;
pub mod ids;
pub mod outcome;
pub mod payload_filter;
mod payload_filter_cost;
pub mod retry_after;
pub mod retry_on;
pub mod retry_policy;
pub mod subscription;
pub mod tier;
pub mod topics;
pub mod tracker;
