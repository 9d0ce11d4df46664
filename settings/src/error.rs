//! What is said about a setting that cannot be used.

/// A setting that cannot be used; the text is for the person who set it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingError {
    /// The value does not have the form that the setting needs.
    #[error("{variable}: expected {expected}, found {found:?}")]
    Invalid { variable: &'static str, expected: &'static str, found: String },
    /// A variable begins with `HOOKLOG_` and hooklog knows no setting of that name.
    #[error("{variable}: no such setting{}", suggestion(.nearest.as_deref()))]
    Unknown { variable: String, nearest: Option<String> },
    /// A variable's value is not UTF-8.
    #[error("{variable}: the value is not valid UTF-8")]
    NotText { variable: String },
}

fn suggestion(nearest: Option<&str>) -> String {
    nearest.map(|name| format!("; did you mean {name}?")).unwrap_or_default()
}
