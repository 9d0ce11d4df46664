//! The defaults file, and the older services' second names.

use std::collections::BTreeMap;

/// The text of `defaults.env`: every setting with its default and its meaning.
pub const DEFAULTS_FILE: &str = include_str!("../defaults.env");

/// Second names under which one of the two older services knew a setting.
pub(crate) const ALIASES: [(&str, &str); 3] = [
    ("WEBHOOK_DELIVERY_TIMEOUT_SECONDS", "DELIVERY_TIMEOUT_SECONDS"),
    ("CELERY_MAX_RETRIES", "MAX_RETRIES"),
    ("CELERY_BASE_RETRY_DELAY_SECONDS", "RETRY_BASE_DELAY_SECONDS"),
];

/// `HOOKLOG_` variables that belong to `./dev`, `local-stack` and the tests, not to a role.
pub(crate) const DEVELOPMENT_PREFIXES: [&str; 5] = [
    "HOOKLOG_DEV_",
    "HOOKLOG_TEST_",
    "HOOKLOG_CACHE_DIR",
    "HOOKLOG_ARTIFACT_REPOSITORY",
    "HOOKLOG_LOCAL_STACK",
];

/// `HOOKLOG_` variables of the operator's commands, which may be exported in a shell that starts a
/// role too.
pub(crate) const COMMAND_LINE: [&str; 3] = ["HOOKLOG_URL", "HOOKLOG_API_KEY", "HOOKLOG_SECRET"];

pub(crate) fn table() -> BTreeMap<&'static str, &'static str> {
    DEFAULTS_FILE
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once('='))
        .collect()
}

pub(crate) fn alias_of(name: &str) -> Option<&'static str> {
    ALIASES.iter().find(|(known, _)| *known == name).map(|(_, alias)| *alias)
}
