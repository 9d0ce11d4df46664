//! Versions as entity tags, and the preconditions that name them (RFC 9110, section 13).

use http::header::{IF_MATCH, IF_NONE_MATCH};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use crate::v1::problem::Problem;

/// A version's tag: the number in quotes.
pub(crate) fn tag(version: u64) -> HeaderValue {
    let text = format!("\"{version}\"");
    HeaderValue::from_str(&text).unwrap_or_else(|_| unreachable!("digits are a header value"))
}

/// Which versions a client wants to change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum IfMatch {
    /// Whichever there is.
    Any,
    /// One of these tags.
    Tags(Vec<String>),
}

impl IfMatch {
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let tags = tags(headers, IF_MATCH);
        if tags.is_empty() && !headers.contains_key(IF_MATCH) || tags.iter().any(|tag| tag == "*") {
            Self::Any
        } else {
            Self::Tags(tags)
        }
    }

    /// # Errors
    /// 412: the client has seen another version. A weak tag never matches, as the RFC has it.
    pub(crate) fn check(&self, version: u64) -> Result<(), Problem> {
        match self {
            Self::Tags(tags) if !tags.iter().any(|known| *known == tag(version)) => {
                Err(Problem::version_mismatch())
            }
            _ => Ok(()),
        }
    }
}

impl Problem {
    /// 412: somebody else has changed it.
    pub(crate) fn version_mismatch() -> Self {
        let detail = "The subscription has another version than If-Match names. Read it again.";
        Self::new(StatusCode::PRECONDITION_FAILED, "version_mismatch", detail)
    }
}

/// Whether the client has this version already, by `If-None-Match`; a weak tag counts too.
pub(crate) fn is_known(headers: &HeaderMap, version: u64) -> bool {
    let tags = tags(headers, IF_NONE_MATCH);
    tags.iter().any(|known| known == "*" || known.trim_start_matches("W/") == tag(version))
}

fn tags(headers: &HeaderMap, name: HeaderName) -> Vec<String> {
    let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    let tags = values.flat_map(|value| value.split(',')).map(str::trim);
    tags.filter(|tag| !tag.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: &HeaderName, values: &[&'static str]) -> HeaderMap {
        values.iter().map(|value| (name.clone(), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn a_change_is_let_through_for_the_version_that_is_named() {
        let matches = |values: &[&'static str]| {
            IfMatch::of(&with(&IF_MATCH, values)).check(3).map_err(|problem| problem.code())
        };
        for values in [&[][..], &["*"], &["\"3\""], &["\"2\", \"3\""], &["\"2\"", "\"3\""]] {
            assert_eq!(matches(values), Ok(()), "{values:?}");
        }
        for values in [&["\"2\""][..], &["3"], &["W/\"3\""], &[""], &["\"33\""]] {
            assert_eq!(matches(values), Err("version_mismatch"), "{values:?}");
        }
    }

    #[test]
    fn what_the_client_has_is_not_sent_again() {
        let known = |values: &[&'static str]| is_known(&with(&IF_NONE_MATCH, values), 3);
        assert!(
            known(&["\"3\""]) && known(&["W/\"3\""]) && known(&["*"]) && known(&["a", "\"3\""])
        );
        assert!(!known(&[]) && !known(&["\"2\""]) && !known(&[""]));
    }
}
