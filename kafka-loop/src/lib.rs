//! Everything that hooklog does with librdkafka, and the only crate that links it.
//!
//! - [`consumer_loop`]: one thread owns a consumer; it polls, tracks offsets, commits the
//!   frontier, and serves rebalances. A role plugs its decisions in.
//! - [`producer`]: an idempotent producer whose acknowledgements can be awaited.
//! - [`subscription_table`]: the compacted configuration topic, kept in memory.
//! - [`topic_tail`]: a topic's records from now on, for whoever looks.
//! - [`log_trimmer`]: where logs and groups are, and the deletion of old records.
//! - [`log_reader`]: reads partitions from any offset on.
//! - [`topic_setup`]: topics are created and checked before a role starts.
//!
//! It deliberately decides nothing about deliveries.

mod assignment;
mod client;
mod commit;
mod committer;
pub mod consumer_loop;
pub mod log_end;
pub mod log_reader;
pub mod log_trimmer;
pub mod producer;
mod rebalance;
mod recall;
pub mod record;
mod role;
mod settings;
pub mod subscription_table;
mod ticket;
pub mod topic_reader;
pub mod topic_setup;
pub mod topic_tail;

pub use crate::settings::{KafkaSettings, Profile};
pub use crate::ticket::{PartitionKey, Ticket};
