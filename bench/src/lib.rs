//! Load, programmable receivers, and reports of ratios.
//!
//! A scenario runs the real binaries on a private Kafka and PostgreSQL, and puts its trouble
//! beside the same load without it, in one run and by turns: machines differ, and one machine
//! differs from minute to minute, so only ratios mean something. Loads go to loopback and end
//! by themselves. Nothing here judges hooklog's correctness; that is for `chaos` and the tests.
//!
//! | file | concept |
//! |---|---|
//! | `mark`, `tally` | pure: which event a body is, and when it was meant to come and came |
//! | `board` | all tallies on one clock |
//! | `receiver` | receivers that behave well or badly |
//! | `source`, `open_loop`, `api` | how events get in: straight into Kafka at a fixed pace, or over HTTP |
//! | `installation`, `role_process` | the stores and the processes that are measured |
//! | `report` | pure: figures, ratios and goals |
//! | `scenario` | one file for each question |

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test may panic"))]

pub mod api;
pub mod board;
pub mod installation;
pub mod mark;
pub mod open_loop;
pub mod receiver;
pub mod report;
pub mod role_process;
pub mod scenario;
pub mod source;
pub mod tally;
