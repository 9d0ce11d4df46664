//! How to reach PostgreSQL.

use std::fmt;
use std::time::Duration;

use ::settings::{Environment, SettingError};
use tokio_postgres::Config;
use tokio_postgres::config::SslMode;

/// Under which name a session is seen in `pg_stat_activity`.
const APPLICATION_NAME: &str = "hooklog";
/// For one address of the server; a name may have several.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// A peer that has vanished is noticed after about this and a few intervals.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(10);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(5);
const KEEPALIVE_RETRIES: u32 = 3;
/// What was sent and never acknowledged ends the connection after this.
const UNACKNOWLEDGED_TIMEOUT: Duration = Duration::from_secs(20);

/// What a role needs to know of PostgreSQL.
#[derive(Clone)]
pub struct DatabaseSettings {
    config: Config,
    connections: usize,
}

impl DatabaseSettings {
    /// Reads `DATABASE_URL` and `HOOKLOG_DATABASE_CONNECTIONS`.
    ///
    /// # Errors
    /// The first one that cannot be used. The error never shows the URL, which may hold a
    /// password.
    pub fn from_environment(env: &Environment) -> Result<Self, SettingError> {
        let expected = "a URL such as postgres://user:password@host:5432/database";
        let mut config: Config = env.parsed("DATABASE_URL", expected)?;
        if config.get_hosts().is_empty() || config.get_dbname().is_none() {
            return Err(env.invalid("DATABASE_URL", expected));
        }
        if config.get_ssl_mode() == SslMode::Require {
            let expected = "a URL without sslmode=require: there is no TLS to PostgreSQL yet";
            return Err(env.invalid("DATABASE_URL", expected));
        }
        if config.get_application_name().is_none() {
            config.application_name(APPLICATION_NAME);
        }
        config
            .connect_timeout(CONNECT_TIMEOUT)
            .keepalives(true)
            .keepalives_idle(KEEPALIVE_IDLE)
            .keepalives_interval(KEEPALIVE_INTERVAL)
            .keepalives_retries(KEEPALIVE_RETRIES)
            .tcp_user_timeout(UNACKNOWLEDGED_TIMEOUT);
        let connections = env.count("HOOKLOG_DATABASE_CONNECTIONS")?;
        Ok(Self { config, connections })
    }

    /// The same, with names looked up in `schema` and nowhere else; it needs no quotes.
    #[must_use]
    pub fn in_schema(&self, schema: &str) -> Self {
        let mut config = self.config.clone();
        let given = config.get_options().map(|given| format!("{given} ")).unwrap_or_default();
        config.options(format!("{given}-c search_path={schema}"));
        Self { config, connections: self.connections }
    }

    /// How to open a connection of one's own.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// `HOOKLOG_DATABASE_CONNECTIONS`: the most that one pool opens.
    pub fn connections(&self) -> usize {
        self.connections
    }
}

impl fmt::Debug for DatabaseSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DatabaseSettings")
            .field("hosts", &self.config.get_hosts())
            .field("ports", &self.config.get_ports())
            .field("database", &self.config.get_dbname())
            .field("connections", &self.connections)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<DatabaseSettings, SettingError> {
        let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        DatabaseSettings::from_environment(&Environment::from_pairs(pairs).unwrap())
    }

    #[test]
    fn the_defaults_are_usable() {
        let settings = read(&[]).unwrap();
        assert_eq!(settings.connections(), 16);
        assert_eq!(settings.config().get_dbname(), Some("hooklog"));
        assert_eq!(settings.config().get_connect_timeout(), Some(&CONNECT_TIMEOUT));
    }

    #[test]
    fn a_bad_value_is_refused_by_its_name() {
        for (name, value) in [
            ("DATABASE_URL", ""),
            ("DATABASE_URL", "http://u:hunter2@h/d"),
            ("DATABASE_URL", "postgres://u:hunter2@h:port/d"),
            ("DATABASE_URL", "postgres://u:hunter2@h/d?sslmode=require"),
            ("HOOKLOG_DATABASE_CONNECTIONS", "0"),
        ] {
            let said = read(&[(name, value)]).unwrap_err().to_string();
            assert!(said.starts_with(name), "{said}");
            assert!(!said.contains("hunter2"), "{said}");
        }
    }

    #[test]
    fn the_password_is_not_shown() {
        let settings = read(&[("DATABASE_URL", "postgres://u:hunter2@h/d")]).unwrap();
        let shown = format!("{settings:?}");
        assert!(!shown.contains("hunter2") && shown.contains("\"h\""), "{shown}");
    }
}
