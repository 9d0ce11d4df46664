//! hooklog's own routes, under `/v1`: where everything new goes.
//!
//! JSON in and out; every error is a problem document with a stable code ([`problem`]).

pub(crate) mod documented;
pub(crate) mod problem;
