//! retry-scheduler
