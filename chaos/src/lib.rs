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

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test may panic"))]

pub mod behaviour;
pub mod cast;
pub mod check;
pub mod draw;
pub mod evidence;
pub mod fault;
pub mod schedule;
