//! Load, programmable receivers, floors, and reports of ratios.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test may panic"))]

pub mod board;
pub mod mark;
pub mod receiver;
pub mod tally;
