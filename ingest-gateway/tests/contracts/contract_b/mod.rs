//! API.md, section B.

mod cors;
mod ingest;
mod refusals;
mod status;
mod subscriptions;
