//! hooklog's own routes, under `/v1`: where everything new goes.
//!
//! JSON in and out; every error is a problem document with a stable code ([`problem`]).
//!
//! | file | concept |
//! |---|---|
//! | `problem`, `path` | errors, and ids in paths |
//! | `events` | the routes that events come in by |
//! | `event_request`, `event_item`, `item_splitter` | pure: which form a request has, what an item says, where items end |
//! | `publish`, `batch`, `idempotency` | one event to the broker, many of them, and each key once |
//! | `subscriptions`, `subscription_actions` | the routes that subscriptions are configured by |
//! | `subscription_patch`, `subscription_fields`, `subscription_signing`, `subscription_verification`, `signing_keys`, `values` | pure: from what a client says to the subscription that it wants |
//! | `subscription_change` | one change that others may be making too |
//! | `subscription_shape`, `timestamp` | how it looks in an answer |
//! | `deliveries`, `delivery_search`, `delivery_shape` | deliveries: the routes, what a search looks for, how they look |
//! | `delivery_actions` | one delivery: again, or no more |
//! | `health`, `stats` | how receivers do, and the numbers of the installation |
//! | `replays`, `replay_request`, `replay_shape` | many of them again: the routes, what is asked for, how it looks |
//! | `stream` | outcomes as they happen |
//! | `query` | the parameters of a query |
//! | `json_body`, `etag`, `page`, `cursor` | bodies, versions and pages |

pub(crate) mod batch;
mod cursor;
pub(crate) mod deliveries;
pub(crate) mod delivery_actions;
mod delivery_documented;
mod delivery_search;
mod delivery_shape;
pub(crate) mod documented;
mod etag;
mod event_item;
mod event_request;
pub(crate) mod events;
pub(crate) mod health;
mod health_shape;
pub(crate) mod idempotency;
mod item_splitter;
mod json_body;
mod page;
mod path;
pub(crate) mod problem;
mod publish;
mod query;
mod read_documented;
mod replay_request;
mod replay_shape;
pub(crate) mod replays;
mod signing_keys;
pub(crate) mod stats;
mod stats_shape;
pub(crate) mod stream;
mod stream_documented;
pub(crate) mod subscription_actions;
mod subscription_change;
mod subscription_documented;
mod subscription_fields;
mod subscription_patch;
mod subscription_shape;
mod subscription_signing;
mod subscription_verification;
pub(crate) mod subscriptions;
mod timestamp;
mod values;
