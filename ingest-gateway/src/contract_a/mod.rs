//! The first seed service's routes: API.md, section A. Frozen: every text, code and field
//! order is a contract, down to the validation errors, which are those of FastAPI and
//! pydantic 2.
//!
//! Shapes and texts only; the rules stand in the modules above, which know no contract.

pub(crate) mod documented;
pub(crate) mod ingest;
mod ingest_body;
pub(crate) mod logs;
mod path;
mod problem;
mod query;
pub(crate) mod rejection;
pub(crate) mod status;
mod status_shape;
mod subscription_body;
mod subscription_shape;
pub(crate) mod subscriptions;
mod timestamp;
