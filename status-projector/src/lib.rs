//! Projects what happens to deliveries into PostgreSQL: one row per delivery, one row per call.
//!
//! Reads `deliveries` and `outcomes`. Rows and the offsets that they come from change in one
//! transaction, so no record counts twice and none is left out, however often and wherever the
//! process dies; the group's offsets in Kafka only show the lag. Whatever cannot become a row
//! is set aside in `projector_rejects`, and its partition moves on. While PostgreSQL is away
//! the projector waits, and nothing else does.
//!
//! It deliberately writes nothing to Kafka, and decides nothing about deliveries.
//!
//! | file | concept |
//! |---|---|
//! | `reading` | what one record says, in rows; or why it is refused |
//! | `delivery_row`, `attempt_row` | the rows, and which of two tellings wins |
//! | `fold` | from a batch of records to the rows of one transaction |
//! | `store` | that transaction |
//! | `day_partitions` | the tables of the days that occur |
//! | `writer` | one transaction at a time, until it is written: retries, bisection |
//! | `days`, `day_keeper` | which days are kept; the tables of the next and of the last ones |
//! | `rebuild` | the projection made anew from the log, beside the one that is there |
//! | `checksum` | one number for a projection's rows, to compare two of them |
//! | `gatherer` | the consumer loop's side: offsets to start at, batches |
//! | `janitor` | what of the work topics nobody needs any more |
//! | `janitor_task` | one janitor in the installation, a round at a time |
//! | `lag_task` | how far the projection is behind |
//! | `watched` | what a projector tells of itself |

pub mod attempt_row;
pub mod checksum;
mod config;
mod day_keeper;
mod day_partitions;
mod days;
pub mod delivery_row;
pub mod fold;
mod gatherer;
mod janitor;
pub mod janitor_task;
mod lag_task;
mod projection;
pub mod reading;
pub mod rebuild;
pub mod store;
pub mod watched;
mod writer;

#[cfg(test)]
#[path = "../tests/story/mod.rs"]
mod test_story;

pub use config::Config;
pub use day_keeper::DaysKept;
pub use projection::{run, run_watched};
