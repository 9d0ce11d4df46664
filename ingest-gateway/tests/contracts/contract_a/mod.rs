//! API.md, section A.

mod ingest;
mod limits;
mod status;
mod stores_away;
mod subscriptions;
