//! What the gateway is told by its environment.

use std::net::SocketAddr;
use std::time::Duration;

use database::DatabaseSettings;
use egress::EgressPolicy;
use http::HeaderName;
use kafka_loop::KafkaSettings;
use settings::{Environment, SettingError};
use tokio_postgres::config::Host;

use crate::cors::CorsOrigins;

/// The gateway's settings.
#[derive(Debug)]
pub struct Config {
    pub server: ServerSettings,
    pub ingest: IngestSettings,
    pub cors: CorsOrigins,
    pub kafka: KafkaSettings,
    pub database: DatabaseSettings,
    /// Judges the URLs of subscriptions.
    pub egress: EgressPolicy,
    /// `HOOKLOG_MAX_DELIVERY_AGE`: after it, and a while, a cancellation has nothing left to say.
    pub max_delivery_age: Duration,
    /// `HOOKLOG_STATUS_WAIT`: how long a status read waits for the projection to catch up.
    pub status_wait: Duration,
}

/// How connections are taken.
#[derive(Debug, Clone, Copy)]
pub struct ServerSettings {
    /// `HOOKLOG_LISTEN`.
    pub listen: SocketAddr,
    /// `HOOKLOG_HEADER_READ_TIMEOUT`; also the longest that an idle connection is kept.
    pub header_read_timeout: Duration,
    pub requests: RequestLimits,
}

/// How much of a request body is taken, and for how long.
#[derive(Debug, Clone, Copy)]
pub struct RequestLimits {
    /// `HOOKLOG_MAX_BODY`, in bytes.
    pub max_body: usize,
    /// `HOOKLOG_BODY_READ_TIMEOUT`, for the whole body; in a batch from one part to the next.
    pub body_read_timeout: Duration,
    /// `HOOKLOG_MAX_BATCH`: items of a batch.
    pub max_batch: usize,
    /// `HOOKLOG_MAX_BATCH_BODY`: a batch's body, in bytes. Each item has the bound of a body.
    pub max_batch_bytes: usize,
}

/// How events are taken in.
#[derive(Debug, Clone)]
pub struct IngestSettings {
    /// `HOOKLOG_PRODUCE_TIMEOUT`: until then the broker has acknowledged, or the answer is 503.
    pub produce_timeout: Duration,
    /// `WEBHOOK_SECRET_HEADER`: where a producer's signature stands.
    pub signature_header: NamedHeader,
    /// `WEBHOOK_EVENT_TYPE_HEADER`: where an event's type stands, for contract B.
    pub event_type_header: NamedHeader,
    /// `HOOKLOG_IDEMPOTENCY_WINDOW`: how long an answer is given again under its key.
    pub idempotency_window: Duration,
    /// `HOOKLOG_IDEMPOTENCY_CACHE`: bytes of such answers.
    pub idempotency_cache: usize,
}

/// A header that the operator has given its name.
#[derive(Debug, Clone)]
pub struct NamedHeader {
    pub name: HeaderName,
    /// The name as it was written, for answers that tell it.
    pub text: String,
}

impl NamedHeader {
    fn from_environment(env: &Environment, name: &'static str) -> Result<Self, SettingError> {
        Ok(Self { name: env.parsed(name, "a header name")?, text: env.text(name).to_owned() })
    }
}

impl Config {
    /// Reads the settings.
    ///
    /// # Errors
    /// The first one that cannot be used.
    pub fn from_environment(env: &Environment) -> Result<Self, SettingError> {
        let kafka = KafkaSettings::from_environment(env)?;
        let address = "a socket address such as 127.0.0.1:8000";
        let listen: SocketAddr = env.parsed("HOOKLOG_LISTEN", address)?;
        let operations: SocketAddr = env.parsed("HOOKLOG_OPS_LISTEN", address)?;
        // Only literals are judged when a subscription is made; names are judged, together
        // with what our own names resolve to, where they are dialled.
        let brokers = kafka.brokers.split(',').filter_map(|broker| broker.parse().ok());
        let database = DatabaseSettings::from_environment(env)?;
        let own =
            [listen, operations].into_iter().chain(brokers).chain(postgres(&database)).collect();
        Ok(Self {
            server: ServerSettings {
                listen,
                header_read_timeout: env.duration("HOOKLOG_HEADER_READ_TIMEOUT")?,
                requests: RequestLimits {
                    max_body: env.bytes("HOOKLOG_MAX_BODY")?,
                    body_read_timeout: env.duration("HOOKLOG_BODY_READ_TIMEOUT")?,
                    max_batch: env.count("HOOKLOG_MAX_BATCH")?,
                    max_batch_bytes: env.bytes("HOOKLOG_MAX_BATCH_BODY")?,
                },
            },
            ingest: IngestSettings {
                produce_timeout: env.duration("HOOKLOG_PRODUCE_TIMEOUT")?,
                signature_header: NamedHeader::from_environment(env, "WEBHOOK_SECRET_HEADER")?,
                event_type_header: NamedHeader::from_environment(env, "WEBHOOK_EVENT_TYPE_HEADER")?,
                idempotency_window: env.duration("HOOKLOG_IDEMPOTENCY_WINDOW")?,
                idempotency_cache: env.bytes("HOOKLOG_IDEMPOTENCY_CACHE")?,
            },
            cors: CorsOrigins::from_environment(env)?,
            kafka,
            database,
            egress: EgressPolicy::from_settings(env, own)?,
            max_delivery_age: env.duration("HOOKLOG_MAX_DELIVERY_AGE")?,
            status_wait: env.duration("HOOKLOG_STATUS_WAIT")?,
        })
    }
}

/// The addresses of Postgres that are written as such.
fn postgres(database: &DatabaseSettings) -> Vec<SocketAddr> {
    let config = database.config();
    let port = |at: usize| config.get_ports().get(at).or(config.get_ports().first()).copied();
    let address = |(at, host): (usize, &Host)| match host {
        Host::Tcp(host) => Some(SocketAddr::new(host.parse().ok()?, port(at).unwrap_or(5_432))),
        Host::Unix(_) => None,
    };
    config.get_hosts().iter().enumerate().filter_map(address).collect()
}
