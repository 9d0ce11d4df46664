//! The second seed service's routes: API.md, section B. Frozen: every text, code and field
//! order is a contract, down to the validation errors, which are those of marshmallow 3.
//!
//! Shapes and texts only; the rules stand in the modules above, which know no contract.

pub(crate) mod documented;
mod field_errors;
pub(crate) mod ingest;
mod json_body;
mod path;
pub(crate) mod rejection;
pub(crate) mod status;
mod status_shape;
mod subscription_body;
mod subscription_shape;
pub(crate) mod subscriptions;
mod timestamp;
