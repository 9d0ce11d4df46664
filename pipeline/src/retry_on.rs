//! Which failed calls are tried again.
//!
//! Without a rule of its own a subscription retries everything but a 410, as the older services
//! do. What a bad rule can cost at most: deliveries that are given up after one call, each with
//! its dead letter.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The failures that a subscription wants retried; every other one is final. In JSON a list such
/// as `["network","5xx","429"]`; `network` is every call without an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RetryOn(Vec<Failure>);

/// One kind of failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Failure {
    /// No answer: refused, timed out, not resolved, not let through.
    Network,
    /// Every status of a class, by its first digit: 3, 4 or 5.
    Class(u16),
    /// One status, 300 to 599.
    Status(u16),
}

/// A text that names no failure.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no failure: write network, 3xx, 4xx, 5xx or a status from 300 to 599")]
pub struct NoFailure(String);

impl RetryOn {
    /// Retries exactly these.
    pub fn new(failures: Vec<Failure>) -> Self {
        Self(failures)
    }

    /// Whether a call that ended with this status is tried again; `None` is a call without an
    /// answer.
    pub fn covers(&self, status: Option<u16>) -> bool {
        self.0.iter().any(|failure| match (failure, status) {
            (Failure::Network, None) => true,
            (Failure::Class(class), Some(status)) => status / 100 == *class,
            (Failure::Status(known), Some(status)) => *known == status,
            _ => false,
        })
    }
}

impl FromStr for Failure {
    type Err = NoFailure;

    fn from_str(text: &str) -> Result<Self, NoFailure> {
        match text {
            "network" => Ok(Self::Network),
            "3xx" => Ok(Self::Class(3)),
            "4xx" => Ok(Self::Class(4)),
            "5xx" => Ok(Self::Class(5)),
            _ => {
                let is_status = text.len() == 3 && text.bytes().all(|b| b.is_ascii_digit());
                let status = text.parse().ok().filter(|status| (300..600).contains(status));
                status.filter(|_| is_status).map(Self::Status).ok_or_else(|| NoFailure(text.into()))
            }
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network => f.write_str("network"),
            Self::Class(class) => write!(f, "{class}xx"),
            Self::Status(status) => write!(f, "{status}"),
        }
    }
}

impl TryFrom<String> for Failure {
    type Error = NoFailure;

    fn try_from(text: String) -> Result<Self, NoFailure> {
        text.parse()
    }
}

impl From<Failure> for String {
    fn from(failure: Failure) -> Self {
        failure.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(text: &str) -> RetryOn {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn what_is_named_is_covered_and_nothing_else() {
        let rule = rule(r#"["network","5xx","429"]"#);
        assert!(rule.covers(None));
        assert!(rule.covers(Some(500)) && rule.covers(Some(599)));
        assert!(rule.covers(Some(429)));
        assert!(!rule.covers(Some(428)) && !rule.covers(Some(302)) && !rule.covers(Some(600)));
        assert!(!self::rule("[]").covers(None));
    }

    #[test]
    fn a_rule_is_written_as_it_was_read_and_anything_else_is_refused() {
        let text = r#"["network","3xx","4xx","5xx","300","599"]"#;
        assert_eq!(serde_json::to_string(&rule(text)).unwrap(), text);
        for bad in ["\"2xx\"", "\"299\"", "\"600\"", "\"\"", "\"+50\"", "\"Network\"", "429"] {
            assert!(serde_json::from_str::<RetryOn>(&format!("[{bad}]")).is_err(), "{bad}");
        }
    }
}
