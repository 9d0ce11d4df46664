//! Fault runs against real processes, on a schedule drawn from a printed seed.
//!
//! A run starts a private Kafka and PostgreSQL, the four roles as processes of their own,
//! receivers of every bad habit and a steady load; hurts all of them; lets them come to rest; and
//! judges what the client, the receivers, the topics and the tables have to say by the
//! invariants of SECURITY.md 4.
//!
//! | file | concept |
//! |---|---|
//! | `draw` | pure: numbers from a seed |
//! | `cast`, `behaviour` | pure: who is subscribed, and how receivers behave |
//! | `fault`, `schedule` | pure: what is done to whom, and when |
//! | `evidence`, `check` | pure: what a run knows at its end, and what it must not show |
//! | `fleet`, `footprint`, `stores` | the processes that are hurt |
//! | `world`, `storm` | all of them, and a schedule that is carried out |
//! | `receiver`, `client`, `api`, `load`, `http_load`, `journal` | the world around them |
//! | `rest` | when nothing moves any more |
//! | `topics_dump`, `tier_log`, `group_commits`, `tables_dump` | the evidence of the stores |
//! | `run`, `report`, `story` | one run, and what it says |

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test may panic"))]

pub mod api;
pub mod behaviour;
pub mod cast;
pub mod check;
pub mod client;
pub mod draw;
pub mod evidence;
pub mod fault;
pub mod fleet;
pub mod footprint;
pub mod group_commits;
pub mod http_load;
pub mod journal;
pub mod load;
pub mod receiver;
pub mod report;
pub mod rest;
pub mod run;
pub mod schedule;
pub mod stores;
pub mod storm;
pub mod story;
pub mod tables_dump;
pub mod tier_log;
pub mod topics_dump;
pub mod world;
