//! How a receiver treats a call. Pure: what is drawn is an argument.

use std::time::Duration;

use crate::draw::Draw;

/// A receiver's nature. A call that no rule of it takes is answered 200.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Behaviour {
    Good,
    /// Answers after a while, well within the timeout.
    Slow,
    /// Answers many calls 500 or 503.
    Flaky,
    /// Answers many calls 429 with `Retry-After: 1`.
    Throttling,
    /// Answers a few calls 410.
    Leaving,
    /// Answers many calls 404.
    Missing,
    /// Takes some calls and never answers. Few enough for its lane to keep up: what it cannot
    /// take would be put aside for up to ten minutes.
    Silent,
    /// Cuts many connections in the middle.
    Resetting,
    /// Begins some answers and does not get on with them.
    Dripping,
    /// Its answers never end.
    Endless,
    /// Nobody listens for some seconds, again and again.
    Absent,
}

/// What is done with one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reply {
    /// This status after this wait; a second of `Retry-After` if asked for.
    Status { status: u16, after: Duration, retry_after: bool },
    /// Nothing is sent until the caller goes away.
    Silence,
    /// The connection is cut.
    Cut,
    /// A 200 whose body never gets on.
    Drip,
    /// A 200 whose body never ends.
    Flood,
}

/// How long an [`Behaviour::Absent`] receiver is there, and how long it is not.
pub const PRESENT: Duration = Duration::from_secs(6);
pub const ABSENT: Duration = Duration::from_secs(4);

impl Behaviour {
    /// What this receiver does with the next call.
    pub fn reply(self, draw: &mut Draw) -> Reply {
        let status = |status| Reply::Status { status, after: Duration::ZERO, retry_after: false };
        let good = status(200);
        match self {
            Self::Good | Self::Absent => good,
            Self::Slow => {
                let after = draw.between(Duration::from_millis(20), Duration::from_millis(400));
                Reply::Status { status: 204, after, retry_after: false }
            }
            Self::Flaky if draw.chance(30) => status(if draw.chance(50) { 500 } else { 503 }),
            Self::Throttling if draw.chance(25) => {
                Reply::Status { status: 429, after: Duration::ZERO, retry_after: true }
            }
            Self::Leaving if draw.chance(4) => status(410),
            Self::Missing if draw.chance(40) => status(404),
            Self::Silent if draw.chance(12) => Reply::Silence,
            Self::Resetting if draw.chance(40) => Reply::Cut,
            Self::Dripping if draw.chance(12) => Reply::Drip,
            Self::Endless => Reply::Flood,
            _ => good,
        }
    }
}
