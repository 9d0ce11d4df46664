//! Which headers a subscription may add to its calls.
//!
//! Owns the list of reserved names (SECURITY.md, section 2) and the bounds. Who takes a
//! subscription in refuses what does not pass here; who makes the call leaves it out.

/// The most headers that one subscription may set.
pub const MOST_HEADERS: usize = 20;
/// The longest name, in bytes.
pub const LONGEST_NAME: usize = 100;
/// The longest value, in bytes.
pub const LONGEST_VALUE: usize = 2_048;

/// Names that belong to HTTP, to the connection, or to hooklog.
const RESERVED: [&str; 12] = [
    "connection",
    "content-length",
    "content-type",
    "cookie",
    "expect",
    "host",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
];
/// What reserved families of names begin with; `ce-` is for an event's attributes.
const RESERVED_PREFIXES: [&str; 4] = ["ce-", "proxy-", "webhook-", "x-hub-"];

/// Why a header may not be set. Never holds any of the value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HeaderRefusal {
    #[error("{0:?} is no header name: letters, digits and !#$%&'*+-.^_`|~ only")]
    NoToken(String),
    #[error("a header name may have at most {LONGEST_NAME} bytes")]
    LongName,
    #[error("the header {0} is reserved")]
    Reserved(String),
    #[error("the value of {0} holds more than visible ASCII characters, spaces and tabs")]
    Characters(String),
    #[error("the value of {0} has more than {LONGEST_VALUE} bytes")]
    LongValue(String),
}

/// Checks one header, its name in any case.
///
/// # Errors
/// The first rule that does not hold.
pub fn check(name: &str, value: &str) -> Result<(), HeaderRefusal> {
    if name.len() > LONGEST_NAME {
        return Err(HeaderRefusal::LongName);
    }
    if name.is_empty() || !name.bytes().all(is_token_byte) {
        return Err(HeaderRefusal::NoToken(name.to_owned()));
    }
    if is_reserved(&name.to_ascii_lowercase()) {
        return Err(HeaderRefusal::Reserved(name.to_owned()));
    }
    if value.len() > LONGEST_VALUE {
        return Err(HeaderRefusal::LongValue(name.to_owned()));
    }
    if !value.bytes().all(|byte| matches!(byte, b'\t' | b' '..=b'~')) {
        return Err(HeaderRefusal::Characters(name.to_owned()));
    }
    Ok(())
}

fn is_reserved(name: &str) -> bool {
    RESERVED.contains(&name) || RESERVED_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// RFC 9110, section 5.6.2: `tchar`.
fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ordinary_headers_may_be_set() {
        for (name, value) in [
            ("authorization", "Bearer a.b~c"),
            ("X-Tenant", ""),
            ("x_1.~", "a\tb c"),
            ("accept", "*/*"),
            ("hub", "1"),
            ("cookies", "1"),
        ] {
            assert_eq!(check(name, value), Ok(()), "{name}");
        }
        assert_eq!(check(&"x".repeat(LONGEST_NAME), &"v".repeat(LONGEST_VALUE)), Ok(()));
    }

    #[test]
    fn every_reserved_name_is_refused_in_any_case() {
        let prefixed =
            ["proxy-authorization", "webhook-x", "x-hub-signature-256", "ce-type", "ce-"];
        for name in RESERVED.iter().chain(&prefixed) {
            for name in [(*name).to_owned(), name.to_ascii_uppercase()] {
                assert_eq!(check(&name, "1"), Err(HeaderRefusal::Reserved(name)));
            }
        }
    }

    #[test]
    fn what_would_break_the_request_or_its_bounds_is_refused() {
        for name in ["", " ", "a b", "a:b", "\u{e9}", "a\r\nb", "a\0"] {
            assert_eq!(check(name, "1"), Err(HeaderRefusal::NoToken(name.into())));
        }
        for value in ["a\rb", "a\nb", "a\0b", "\u{7f}", "\u{e9}"] {
            assert_eq!(check("x", value), Err(HeaderRefusal::Characters("x".into())));
        }
        assert_eq!(check(&"x".repeat(LONGEST_NAME + 1), ""), Err(HeaderRefusal::LongName));
        let long = "v".repeat(LONGEST_VALUE + 1);
        assert_eq!(check("x", &long), Err(HeaderRefusal::LongValue("x".into())));
    }

    proptest! {
        #[test]
        fn a_refusal_never_shows_the_value(name in "[a-z]{1,8}|.{0,8}", value in "[0-9]{9}\u{e9}") {
            let said = check(&name, &value).unwrap_err().to_string();
            prop_assert!(!said.contains(&value[..9]), "{}", said);
        }
    }
}
