//! What a test needs to meet real Kafka, real PostgreSQL and a real receiver.
//!
//! The stack is started once per run of `./dev test`; each [`TestBed`] has a topic prefix and a
//! database of its own in it, so tests run side by side. Everything here panics with a sentence
//! for the developer: it is for tests alone.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "for tests alone")]

mod bed;
mod http;
mod receiver;
mod running;

use std::future::Future;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

pub use bed::TestBed;
pub use http::{Answer, Http};
pub use receiver::{Call, Receiver};
pub use running::Running;

/// Between two looks of [`eventually`].
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Looks until `look` finds something; panics at the deadline.
pub async fn eventually<T, F>(deadline: Duration, mut look: impl FnMut() -> F) -> T
where
    F: Future<Output = Option<T>>,
{
    let end = Instant::now() + deadline;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < end, "nothing was found within {deadline:?}");
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// A loopback address on which nobody listens at this moment.
pub fn free_address() -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("bind a free port");
    listener.local_addr().expect("read the port")
}
