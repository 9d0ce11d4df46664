//! Reads hooklog's settings from the environment.
//!
//! Owns the names, the defaults and the wording of a refusal. A value is looked up by name in
//! what the process was given, then under its older alias, then in `defaults.env`, which is
//! also the documentation. A bad value is an error that names the variable and says what was
//! expected; nothing is guessed.
//!
//! It deliberately knows no role: each crate reads the few settings it needs into its own
//! small config struct.

mod defaults;
mod environment;
mod error;
mod quantity;

pub use defaults::DEFAULTS_FILE;
pub use environment::Environment;
pub use error::SettingError;
