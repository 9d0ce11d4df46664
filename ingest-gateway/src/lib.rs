//! The gateway: takes events over HTTP and from Kafka, keeps subscriptions, and tells what became of
//! deliveries.
//!
//! Owns the HTTP surface ([`router`]), the truth about subscriptions in Postgres and its way
//! into the compacted topic ([`outbox_relay`]), and the acceptance of events.
//!
//! Promises: a 202 means that the broker has the delivery, byte for byte as it was received, or
//! in the canonical form if that is what was signed. Taking an event in touches no database;
//! without Postgres only configuration and status answer 503. Without the broker an event is
//! answered 503 within the produce timeout.
//!
//! It deliberately calls no receiver and writes no status: the consumer and the projector do. Of
//! what they tell it keeps counts.
//!
//! | file | concept |
//! |---|---|
//! | `config`, `run`, `gateway` | settings, the role's life, what the handlers share |
//! | `server`, `request_body`, `cors` | connections, bodies with every bound, pages of others |
//! | `router` | the whole HTTP surface |
//! | `openapi` | the API document, and the page that shows it |
//! | `dashboard` | the page for operators, as files |
//! | `contract_a`, `contract_b` | the two older services' routes: shapes and texts |
//! | `v1` | hooklog's own routes |
//! | `json_fields`, `subscription_fields` | what of a body is read, and by which rules |
//! | `ingest`, `inbound_signature`, `inbound_verifiers` | what is decided about an event |
//! | `event_type`, `provider_event_type` | where an event's type stands |
//! | `front_door` | from an event in Kafka to its deliveries |
//! | `publisher` | from an accepted event to an acknowledged record |
//! | `subscription_store`, `subscription_changes`, `outbox_relay` | subscriptions: rows, and their way into every process |
//! | `own_subscription`, `own_subscription_store` | what `/v1` knows of them besides |
//! | `subscription_lookup` | subscriptions in memory |
//! | `status_store`, `delivery_lookup`, `projection_wait`, `standing` | what the projection knows, and whether it is up to date |
//! | `own_delivery_store` | what `/v1` shows of deliveries |
//! | `health_store`, `stats_store`, `latency_histogram`, `projection_lag` | how receivers and the installation do |
//! | `roll_up` | keeps the counts that those rest on up to date |
//! | `made_anew`, `cancellation_sweep` | deliveries made anew of ones that ended; the end of cancellations |
//! | `replay` | many of them made anew, bit by bit |
//! | `outcome_tail` | outcomes as they happen |
//! | `figures` | what the gateway tells of itself |
//! | `storage`, `refusal` | statements with bounds, and what is answered when nothing else can be |

mod cancellation_sweep;
mod config;
mod contract_a;
mod contract_b;
mod cors;
mod dashboard;
mod delivery_lookup;
mod event_type;
mod figures;
mod front_door;
mod gateway;
mod gone_receivers;
mod health_store;
mod inbound_signature;
mod inbound_verifiers;
mod ingest;
mod json_fields;
mod latency_histogram;
mod made_anew;
mod openapi;
mod outbox_relay;
mod outcome_tail;
mod own_delivery_store;
mod own_subscription;
mod own_subscription_store;
mod projection_lag;
mod projection_wait;
mod provider_event_type;
#[cfg(test)]
#[path = "../../signature/tests/published_requests/mod.rs"]
mod published_requests;
mod publisher;
mod refusal;
mod replay;
mod request_body;
mod roll_up;
mod router;
mod run;
mod server;
mod standing;
mod stats_store;
mod status_store;
mod storage;
mod subscription_changes;
mod subscription_fields;
mod subscription_lookup;
mod subscription_store;
mod v1;

pub use config::{Config, IngestSettings, NamedHeader, RequestLimits, ServerSettings};
pub use cors::CorsOrigins;
pub use run::run;
