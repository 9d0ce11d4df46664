//! hooklog's own contract.

mod batches;
mod events;
mod idempotency;
