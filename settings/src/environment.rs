//! The values in force: what was given, over the defaults.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::Duration;

use crate::defaults::{COMMAND_LINE, DEVELOPMENT_PREFIXES, alias_of, table};
use crate::{SettingError, quantity};

/// The settings in force for this process.
#[derive(Debug, Clone)]
pub struct Environment {
    defaults: BTreeMap<&'static str, &'static str>,
    given: BTreeMap<String, String>,
}

impl Environment {
    /// Takes the settings from the process's environment.
    ///
    /// # Errors
    /// A `HOOKLOG_` variable that does not exist, or a value that is not UTF-8.
    pub fn from_process() -> Result<Self, SettingError> {
        let mut pairs = Vec::new();
        for (name, value) in std::env::vars_os() {
            let Ok(name) = name.into_string() else { continue };
            match value.into_string() {
                Ok(value) => pairs.push((name, value)),
                Err(_) if is_setting(&name) => {
                    return Err(SettingError::NotText { variable: name });
                }
                Err(_) => {}
            }
        }
        Self::from_pairs(pairs)
    }

    /// Takes the settings from name and value pairs; what is not a setting is left out.
    ///
    /// # Errors
    /// A `HOOKLOG_` variable that does not exist.
    pub fn from_pairs(
        pairs: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, SettingError> {
        let defaults = table();
        let mut given = BTreeMap::new();
        for (name, value) in pairs {
            if !is_setting(&name) {
                continue;
            }
            if name.starts_with("HOOKLOG_") && !defaults.contains_key(name.as_str()) {
                let nearest = nearest_name(&name, defaults.keys().copied());
                return Err(SettingError::Unknown { variable: name, nearest });
            }
            given.insert(name, value);
        }
        Ok(Self { defaults, given })
    }

    /// The value as text, trimmed; empty if there is none.
    pub fn text(&self, name: &'static str) -> &str {
        let given = |name: &str| self.given.get(name).map(|value| value.trim());
        given(name)
            .or_else(|| alias_of(name).and_then(given))
            .or_else(|| self.defaults.get(name).copied())
            .unwrap_or_else(|| unreachable!("{name} is missing from defaults.env"))
    }

    /// The items of a comma separated list, trimmed, empty ones left out.
    pub fn list(&self, name: &'static str) -> Vec<&str> {
        self.text(name).split(',').map(str::trim).filter(|item| !item.is_empty()).collect()
    }

    /// A value of any type that can be read from text; `expected` completes "expected ...".
    ///
    /// # Errors
    /// [`SettingError::Invalid`] if the type does not take the text.
    pub fn parsed<T: FromStr>(
        &self,
        name: &'static str,
        expected: &'static str,
    ) -> Result<T, SettingError> {
        self.text(name).parse().map_err(|_| self.invalid(name, expected))
    }

    /// A whole number of at least one.
    ///
    /// # Errors
    /// [`SettingError::Invalid`] for anything else.
    pub fn count(&self, name: &'static str) -> Result<usize, SettingError> {
        let expected = "a whole number of at least 1";
        match self.parsed(name, expected)? {
            0 => Err(self.invalid(name, expected)),
            count => Ok(count),
        }
    }

    /// A switch.
    ///
    /// # Errors
    /// [`SettingError::Invalid`] unless it is `true` or `false`.
    pub fn flag(&self, name: &'static str) -> Result<bool, SettingError> {
        self.parsed(name, "true or false")
    }

    /// A duration such as `250ms`, `10s`, `7d`.
    ///
    /// # Errors
    /// [`SettingError::Invalid`] if it has no unit, is negative or over a year.
    pub fn duration(&self, name: &'static str) -> Result<Duration, SettingError> {
        quantity::duration(self.text(name))
            .ok_or_else(|| self.invalid(name, "a duration such as 250ms, 10s, 5m or 7d"))
    }

    /// Durations in a comma separated list.
    ///
    /// # Errors
    /// [`SettingError::Invalid`] if one of them is no duration, or there is none.
    pub fn durations(&self, name: &'static str) -> Result<Vec<Duration>, SettingError> {
        let items: Option<Vec<Duration>> =
            self.list(name).into_iter().map(quantity::duration).collect();
        items
            .filter(|items| !items.is_empty())
            .ok_or_else(|| self.invalid(name, "durations such as 1s,10s,5m"))
    }

    /// A duration in plain seconds, as the older services' variables have it.
    ///
    /// # Errors
    /// [`SettingError::Invalid`] if it is no number, negative or over a year.
    pub fn seconds(&self, name: &'static str) -> Result<Duration, SettingError> {
        quantity::seconds(self.text(name))
            .ok_or_else(|| self.invalid(name, "a number of seconds such as 10 or 0.5"))
    }

    /// A size in bytes such as `512`, `64KiB`, `32MiB`.
    ///
    /// # Errors
    /// [`SettingError::Invalid`] if the unit is unknown or the size does not fit.
    pub fn bytes(&self, name: &'static str) -> Result<usize, SettingError> {
        quantity::bytes(self.text(name))
            .ok_or_else(|| self.invalid(name, "a size such as 512, 64KiB or 32MiB"))
    }

    /// The refusal of this setting's value, for a rule that its reader has.
    pub fn invalid(&self, name: &'static str, expected: &'static str) -> SettingError {
        let found = if carries_secret(name) { "(not shown)" } else { self.text(name) };
        SettingError::Invalid { variable: name, expected, found: found.to_owned() }
    }
}

/// A database URL may hold a password.
fn carries_secret(name: &str) -> bool {
    name == "DATABASE_URL"
}

fn is_setting(name: &str) -> bool {
    let is_development = DEVELOPMENT_PREFIXES.iter().any(|prefix| name.starts_with(prefix));
    if is_development || COMMAND_LINE.contains(&name) {
        return false;
    }
    name.starts_with("HOOKLOG_")
        || table().contains_key(name)
        || crate::defaults::ALIASES.iter().any(|(_, alias)| *alias == name)
}

/// The known name with the most leading characters in common, if that is worth saying.
fn nearest_name<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<String> {
    let common = |a: &str| a.bytes().zip(name.bytes()).take_while(|(x, y)| x == y).count();
    known
        .max_by_key(|candidate| common(candidate))
        .filter(|candidate| common(candidate) > "HOOKLOG_".len() + 1)
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(pairs: &[(&str, &str)]) -> Result<Environment, SettingError> {
        Environment::from_pairs(pairs.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())))
    }

    #[test]
    fn a_given_value_hides_the_default_and_an_alias_counts_as_given() {
        let env = given(&[("MAX_RETRIES", "3"), ("HOOKLOG_MAX_BODY", "1MiB")]).unwrap();
        assert_eq!(env.count("CELERY_MAX_RETRIES"), Ok(3));
        assert_eq!(env.bytes("HOOKLOG_MAX_BODY"), Ok(1 << 20));
        assert_eq!(env.seconds("MAX_RETRY_DELAY_SECONDS"), Ok(Duration::from_secs(900)));
    }

    #[test]
    fn a_bad_value_names_the_variable_and_what_was_expected() {
        let env = given(&[("HOOKLOG_MAX_IN_FLIGHT", "many")]).unwrap();
        let said = env.count("HOOKLOG_MAX_IN_FLIGHT").unwrap_err().to_string();
        assert_eq!(
            said,
            "HOOKLOG_MAX_IN_FLIGHT: expected a whole number of at least 1, found \"many\""
        );
    }

    #[test]
    fn an_unknown_setting_is_refused_with_a_suggestion() {
        let said = given(&[("HOOKLOG_LISTNE", "x")]).unwrap_err().to_string();
        assert_eq!(said, "HOOKLOG_LISTNE: no such setting; did you mean HOOKLOG_LISTEN?");
    }

    #[test]
    fn other_peoples_variables_and_the_development_ones_are_left_alone() {
        assert!(given(&[("PATH", "/bin"), ("HOOKLOG_DEV_KAFKA_PORT", "1")]).is_ok());
        assert!(given(&[("HOOKLOG_URL", "http://a"), ("HOOKLOG_API_KEY", "k")]).is_ok());
        assert!(given(&[("HOOKLOG_URLS", "http://a")]).is_err());
    }

    #[test]
    fn a_password_in_a_database_url_is_not_repeated() {
        let env = given(&[("DATABASE_URL", "postgres://u:hunter2@h/d")]).unwrap();
        let said = env.invalid("DATABASE_URL", "a PostgreSQL URL").to_string();
        assert!(!said.contains("hunter2"), "{said}");
    }

    #[test]
    fn every_default_stands_under_a_comment() {
        let mut commented = false;
        for line in crate::DEFAULTS_FILE.lines() {
            if line.contains('=') && !line.starts_with('#') {
                assert!(commented, "{line} has no comment above it");
            }
            commented = line.starts_with('#') || (commented && line.contains('='));
        }
    }
}
