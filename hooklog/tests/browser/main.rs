//! The dashboard in a real Chromium, on a real hooklog.
//!
//! Without Chromium and its driver these tests say so and pass, so that `./dev test` runs
//! anywhere; with `CI=true` they fail.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod console;
mod driver;
mod every_page;
mod journey;
mod keyboard;
mod page;
mod policy;
#[path = "../journey/running.rs"]
#[expect(dead_code, reason = "journeys need more of it")]
mod running;
