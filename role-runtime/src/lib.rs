//! What every process of hooklog has in common: settings first, then logging, signals, the
//! operations listener, and a bounded end.

mod logging;
mod operations;
mod process;
mod readiness;

pub use process::{Role, run_process};
pub use readiness::{Readiness, ReadyFlag};
