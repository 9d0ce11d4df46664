//! What every target's URL must look like, whatever the operator allows; and the type that
//! says that a URL was judged.
//!
//! The text is judged before it is parsed, because the `url` crate repairs much that is only
//! ever written to deceive (backslashes, tabs, missing slashes, octal addresses); then the
//! crate normalises it, and what it made is judged. Source: SECURITY.md, section 1, and the
//! WHATWG URL standard. Pure.

use std::fmt;
use std::sync::Arc;

use url::{Host, Url};

use crate::AddressDenial;

/// The longest URL that is taken, in bytes, before and after normalisation.
pub(crate) const MAX_URL_BYTES: usize = 2048;

/// A URL that an [`crate::EgressPolicy`] accepted, normalised. Clones share one allocation.
///
/// `Display` is the whole URL; `Debug` leaves out path and query, which may hold a token.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct TargetUrl(Arc<Url>);

/// Why a URL cannot be a target; the text is meant for whoever sent it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UrlRejection {
    /// It does not begin with `https:` or `http:`.
    #[error("the scheme must be https or http")]
    Scheme,
    /// It begins with `http:`, which the operator has switched off.
    #[error("the scheme must be https")]
    PlainHttp,
    /// It is longer than 2,048 bytes, as written or normalised.
    #[error("the URL must not be longer than {MAX_URL_BYTES} bytes")]
    TooLong,
    /// It holds a control character or a backslash, or begins or ends with white space.
    #[error("the URL must not hold control characters, backslashes or surrounding spaces")]
    ForbiddenCharacter,
    /// Not exactly two slashes follow the scheme.
    #[error("exactly two slashes must follow the scheme")]
    Slashes,
    /// It holds a user name or a password, or the `@` of one.
    #[error("the URL must not hold a user name or a password")]
    Userinfo,
    /// It has a fragment, if only an empty one.
    #[error("the URL must not have a fragment")]
    Fragment,
    /// It is no URL, or none that can be put into an HTTP request.
    #[error("not a valid URL: {0}")]
    Invalid(String),
    /// An IPv4 address that is not written as four plain decimal numbers.
    #[error("an IPv4 address must be written in plain dotted decimal")]
    AddressNotation,
    /// The host name has an empty label: two dots in a row, or one at an end.
    #[error("the host name must not have an empty label")]
    EmptyLabel,
    /// The host name belongs to a suffix that never leads out.
    #[error("host names under {0} are not allowed")]
    SpecialUse(&'static str),
    /// The host name has no dot.
    #[error("the host name must have a dot")]
    SingleLabel,
    /// The port is not one that targets may use.
    #[error("port {0} is not allowed")]
    Port(u16),
    /// The host is an address that is denied.
    #[error("{0}")]
    Address(AddressDenial),
}

impl TargetUrl {
    /// The normalised URL.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The port that is dialled: the written one, else the scheme's.
    pub fn port(&self) -> u16 {
        // Only https and http get here, and the `url` crate knows the port of both.
        self.0.port_or_known_default().unwrap_or_default()
    }

    pub(crate) fn url(&self) -> &Url {
        &self.0
    }
}

impl fmt::Display for TargetUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for TargetUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = self.0.host_str().unwrap_or_default();
        write!(f, "TargetUrl({}://{host}:{})", self.0.scheme(), self.port())
    }
}

/// Judges a URL by the rules that no setting changes, and normalises it.
///
/// # Errors
/// [`UrlRejection`]: the scheme first, then the text, then what it parses to.
pub(crate) fn parse(raw: &str) -> Result<TargetUrl, UrlRejection> {
    let authority = judge_text(raw)?;
    let url = Url::parse(raw).map_err(|error| UrlRejection::Invalid(error.to_string()))?;
    if url.as_str().len() > MAX_URL_BYTES {
        return Err(UrlRejection::TooLong);
    }
    match url.host() {
        Some(Host::Ipv4(address)) => {
            let written = authority.split_once(':').map_or(authority, |(host, _)| host);
            if written != address.to_string() {
                return Err(UrlRejection::AddressNotation);
            }
        }
        Some(Host::Domain(name)) if name.split('.').any(str::is_empty) => {
            return Err(UrlRejection::EmptyLabel);
        }
        _ => {}
    }
    // The HTTP library is stricter than the URL standard about hosts. What it would refuse at
    // every attempt is better refused once, here.
    url.as_str().parse::<http::Uri>().map_err(|error| UrlRejection::Invalid(error.to_string()))?;
    Ok(TargetUrl(Arc::new(url)))
}

/// Judges the text as written; returns its authority (host and port).
fn judge_text(raw: &str) -> Result<&str, UrlRejection> {
    let (scheme, rest) = raw.split_once(':').ok_or(UrlRejection::Scheme)?;
    if !scheme.eq_ignore_ascii_case("https") && !scheme.eq_ignore_ascii_case("http") {
        return Err(UrlRejection::Scheme);
    }
    if raw.len() > MAX_URL_BYTES {
        return Err(UrlRejection::TooLong);
    }
    let forbidden = |character: char| character.is_control() || character == '\\';
    if raw.contains(forbidden) || raw.trim() != raw {
        return Err(UrlRejection::ForbiddenCharacter);
    }
    let after = rest
        .strip_prefix("//")
        .filter(|after| !after.starts_with('/'))
        .ok_or(UrlRejection::Slashes)?;
    let authority = after.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.contains('@') {
        return Err(UrlRejection::Userinfo);
    }
    if after.contains('#') {
        return Err(UrlRejection::Fragment);
    }
    Ok(authority)
}

#[cfg(test)]
mod tests {
    use super::*;
    use UrlRejection::{
        AddressNotation, EmptyLabel, ForbiddenCharacter, Fragment, Invalid, Scheme, Slashes,
        TooLong, Userinfo,
    };

    #[test]
    fn each_rule_about_the_text_rejects_what_breaks_it() {
        let table: &[(&str, &str, UrlRejection)] = &[
            ("another scheme", "ftp://example.com/", Scheme),
            ("no scheme", "example.com/hook", Scheme),
            ("nothing", "", Scheme),
            ("a space before the scheme", " https://example.com/", Scheme),
            ("a tab in the scheme", "ht\ttps://example.com/", Scheme),
            ("the scheme is judged first", "file://user@host\\x#y", Scheme),
            ("a scheme that only begins like http", "httpx://example.com/", Scheme),
            ("a user name", "https://user@example.com/", Userinfo),
            ("a password", "https://user:secret@example.com/", Userinfo),
            ("an empty user name", "https://@example.com/", Userinfo),
            ("a host that poses as a user name", "https://example.com@127.0.0.1/", Userinfo),
            ("a fragment", "https://example.com/#top", Fragment),
            ("an empty fragment", "https://example.com/#", Fragment),
            ("a fragment with a user name in it", "https://example.com#@127.0.0.1/", Fragment),
            ("no slash", "https:example.com/", Slashes),
            ("one slash", "https:/example.com/", Slashes),
            ("three slashes", "https:///example.com/", Slashes),
            ("a backslash for a slash", "https:\\\\example.com/", ForbiddenCharacter),
            ("a backslash in the path", "https://example.com\\@127.0.0.1/", ForbiddenCharacter),
            ("a line feed", "https://example.com/a\nb", ForbiddenCharacter),
            ("a tab", "https://exa\tmple.com/", ForbiddenCharacter),
            ("a NUL", "https://example.com/\0", ForbiddenCharacter),
            ("a DEL", "https://example.com/\u{7f}", ForbiddenCharacter),
            ("a space at the end", "https://example.com/ ", ForbiddenCharacter),
            ("an empty label", "https://example..com/", EmptyLabel),
            ("a dot before the name", "https://.example.com/", EmptyLabel),
            ("a dot after the name", "https://example.com./", EmptyLabel),
            ("octal", "https://0177.0.0.1/", AddressNotation),
            ("hex", "https://0x7f.0.0.1/", AddressNotation),
            ("one number", "https://2130706433/", AddressNotation),
            ("one hex number", "https://0x7f000001/", AddressNotation),
            ("a short form", "https://127.1/", AddressNotation),
            ("leading zeros", "https://127.0.0.01/", AddressNotation),
            ("a dot after the address", "https://127.0.0.1./", AddressNotation),
            ("full-width digits", "https://\u{ff11}27.0.0.1/", AddressNotation),
            ("an encoded digit", "https://%3127.0.0.1/", AddressNotation),
            ("a public address in octal", "https://010.8.8.8/", AddressNotation),
        ];
        for (what, raw, rejection) in table {
            assert_eq!(parse(raw).unwrap_err(), *rejection, "{what}: {raw:?}");
        }
    }

    #[test]
    fn what_is_no_url_is_rejected() {
        for raw in [
            "https://",
            "https://?x",
            "https://example.com:port/",
            "https://example.com:65536/",
            "https://exa mple.com/",
            "https://256.1.1.1/",
            "https://1.2.3.4.5/",
            "https://[::1/",
            "https://[fe80::1%25eth0]/",
            "https://exa<mple.com/",
            "https://exa\"mple.com/",
            "https://xn--a/",
        ] {
            assert!(matches!(parse(raw), Err(Invalid(_))), "{raw}: {:?}", parse(raw));
        }
    }

    #[test]
    fn a_url_may_have_2048_bytes_as_written_and_normalised() {
        let of = |length: usize| format!("https://a.example/{:a<1$}", "", length - 18);
        assert_eq!(parse(&of(2048)).unwrap().as_str().len(), 2048);
        assert_eq!(parse(&of(2049)), Err(TooLong));
        let grows = format!("https://a.example/{}", "\u{e9}".repeat(600));
        assert!(grows.len() < 2048);
        assert_eq!(parse(&grows), Err(TooLong));
    }

    #[test]
    fn a_url_is_normalised() {
        for (raw, normalised) in [
            ("HTTPS://EXAMPLE.com", "https://example.com/"),
            ("https://example.com:443/a/../b?c=d", "https://example.com/b?c=d"),
            ("http://example.com:80/", "http://example.com/"),
            ("https://example.com:/", "https://example.com/"),
            ("https://b\u{fc}cher.example/\u{fc} x", "https://xn--bcher-kva.example/%C3%BC%20x"),
            ("https://ex%61mple.com/", "https://example.com/"),
            ("https://\u{ff45}xample.com/", "https://example.com/"),
            ("https://[2606:4700:0::1111]:8443/", "https://[2606:4700::1111]:8443/"),
            ("https://8.8.8.8:8443/x@y", "https://8.8.8.8:8443/x@y"),
            ("https://a_b.example/?at=@&slash=//", "https://a_b.example/?at=@&slash=//"),
        ] {
            assert_eq!(parse(raw).map(|url| url.to_string()), Ok(normalised.to_owned()), "{raw}");
        }
    }

    #[test]
    fn debug_leaves_out_what_may_hold_a_token() {
        let url = parse("https://example.com/services/T0/B0/XXXX?key=secret").unwrap();
        assert_eq!(format!("{url:?}"), "TargetUrl(https://example.com:443)");
    }
}
