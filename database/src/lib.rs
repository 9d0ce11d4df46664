//! How hooklog reaches PostgreSQL: settings, the pool, and the schema's migrations.
//!
//! Promises: no wait here is without a bound, and a password is never shown. It deliberately
//! knows no table: each role has its own statements, and the schema stands in `migrations/`.

mod migration;
mod pool;
mod settings;

pub use migration::migrate;
pub use pool::pool;
pub use settings::DatabaseSettings;
