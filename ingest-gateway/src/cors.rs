//! Which web pages may speak to the second older service's routes from a browser.
//!
//! That service let any page do so. Here an operator lists the pages' origins; as long as there
//! are none, nothing is said about other origins and no preflight is answered.

use std::time::Duration;

use http::header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderName, HeaderValue, Method};
use settings::{Environment, SettingError};
use tower_http::cors::{AllowOrigin, Any, CorsLayer};
use url::Url;

const SETTING: &str = "HOOKLOG_CORS_ORIGINS";
/// How long a browser may rely on the answer to a preflight.
const MAX_AGE: Duration = Duration::from_secs(600);

/// `HOOKLOG_CORS_ORIGINS`: the origins of the pages that are let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CorsOrigins {
    /// Each page's as browsers send it; none at all if this is empty.
    Listed(Vec<HeaderValue>),
    /// A single `*`.
    Any,
}

impl CorsOrigins {
    /// Reads the setting.
    ///
    /// # Errors
    /// Something in it is not an origin, written as browsers write it.
    pub fn from_environment(env: &Environment) -> Result<Self, SettingError> {
        let listed = env.list(SETTING);
        if listed == ["*"] {
            return Ok(Self::Any);
        }
        let origins: Option<Vec<HeaderValue>> = listed.into_iter().map(origin).collect();
        let expected = "origins such as https://admin.example.com,http://localhost:3000, or *";
        origins.map(Self::Listed).ok_or_else(|| env.invalid(SETTING, expected))
    }

    /// What answers browsers; `None` if no page is let in. A page may send the headers with
    /// these names too.
    pub(crate) fn layer(&self, own_headers: [HeaderName; 2]) -> Option<CorsLayer> {
        let layer = CorsLayer::new()
            .allow_methods([Method::GET, Method::POST, Method::PUT, Method::DELETE])
            .allow_headers(
                own_headers.into_iter().chain([CONTENT_TYPE, AUTHORIZATION]).collect::<Vec<_>>(),
            )
            .expose_headers([RETRY_AFTER])
            .max_age(MAX_AGE);
        match self {
            Self::Any => Some(layer.allow_origin(Any)),
            Self::Listed(origins) if origins.is_empty() => None,
            Self::Listed(origins) => {
                Some(layer.allow_origin(AllowOrigin::list(origins.iter().cloned())))
            }
        }
    }
}

/// A scheme, a host and maybe a port, and nothing else, as browsers write them.
fn origin(text: &str) -> Option<HeaderValue> {
    let url = Url::parse(text).ok()?;
    // No browser sends a pattern, and nothing here would take it for one.
    let is_web = matches!(url.scheme(), "http" | "https") && !text.contains('*');
    (is_web && url.origin().ascii_serialization() == text).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<CorsOrigins, SettingError> {
        let pairs = [(SETTING.to_owned(), text.to_owned())];
        CorsOrigins::from_environment(&Environment::from_pairs(pairs).unwrap())
    }

    #[test]
    fn no_page_is_let_in_by_default_and_a_star_lets_all_in() {
        let default = CorsOrigins::from_environment(&Environment::from_pairs([]).unwrap());
        assert_eq!(default, Ok(CorsOrigins::Listed(Vec::new())));
        assert_eq!(read("*"), Ok(CorsOrigins::Any));
        let listed = ["https://a.example", "http://localhost:3000"].map(HeaderValue::from_static);
        assert_eq!(
            read("https://a.example, http://localhost:3000"),
            Ok(CorsOrigins::Listed(listed.to_vec()))
        );
    }

    #[test]
    fn what_no_browser_sends_as_an_origin_is_refused() {
        for text in [
            "https://a.example/",
            "https://a.example/page",
            "https://A.example",
            "https://a.example:443",
            "a.example",
            "null",
            "https://*.example",
            "https://a.example,*",
            "file:///page.html",
        ] {
            let said = read(text).unwrap_err().to_string();
            assert!(said.starts_with(SETTING), "{text}: {said}");
        }
    }
}
