//! The gateway: takes events over HTTP, keeps subscriptions, and tells what became of
//! deliveries.
//!
//! Owns the HTTP surface ([`router`]), the truth about subscriptions in Postgres and its way
//! into the compacted topic ([`outbox_relay`]), and the acceptance of events.
//!
//! Promises: a 202 means that the broker has the delivery, byte for byte as it was received.
//! Taking an event in touches no database; without Postgres only configuration and status
//! answer 503. Without the broker an event is answered 503 within the produce timeout.
//!
//! It deliberately calls no receiver and writes no status: the consumer and the projector do.
//!
//! | file | concept |
//! |---|---|
//! | `config`, `run`, `gateway` | settings, the role's life, what the handlers share |
//! | `server`, `request_body` | connections and bodies, with every bound |
//! | `router` | the whole HTTP surface |
//! | `contract_a` | the first seed service's routes and shapes |
//! | `publisher`, `inbound_secrets` | from an accepted event to an acknowledged record |
//! | `subscription_store`, `outbox_relay` | subscriptions: rows, and their way into the topic |
//! | `status_store`, `projection_wait` | what the projection knows, and whether it is up to date |

mod config;
mod contract_a;
mod gateway;
mod inbound_secrets;
mod outbox_relay;
mod projection_wait;
mod publisher;
mod request_body;
mod router;
mod run;
mod server;
mod status_store;
mod storage;
mod subscription_lookup;
mod subscription_store;

pub use config::{Config, IngestSettings, RequestLimits, ServerSettings};
pub use run::run;
