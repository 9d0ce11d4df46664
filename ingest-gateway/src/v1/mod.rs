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

pub(crate) mod batch;
pub(crate) mod documented;
mod event_item;
mod event_request;
pub(crate) mod events;
pub(crate) mod idempotency;
mod item_splitter;
mod path;
pub(crate) mod problem;
mod publish;
