//! Replays: a range of deliveries, delivered again.
//!
//! A replay is a row in Postgres. One gateway at a time works on it, by a lease; whoever takes it
//! over goes on where it stood. Each new delivery's id derives from the replay and the original,
//! and it is noted in `replay_deliveries` before its record is written and until it is seen to
//! have ended, so that a kill anywhere leads to no second delivery, and no more than
//! [`pace::MOST_UNFINISHED`] of a replay are ever on their way.
//!
//! | file | concept |
//! |---|---|
//! | `store` | replays as clients see and change them |
//! | `work_store` | what the one who works on a replay reads and writes |
//! | `range` | the deliveries of a range, page by page |
//! | `pace` | pure: how many may be on their way |
//! | `worker` | takes replays over and works them off |

mod pace;
mod range;
pub(crate) mod store;
mod work_store;
pub(crate) mod worker;
