//! Which headers a subscription may add to its calls: SECURITY.md, section 2.

/// Headers that one subscription may set.
pub(crate) const MOST_HEADERS: usize = 20;
const LONGEST_NAME: usize = 100;
const LONGEST_VALUE: usize = 2_048;

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
/// `ce-` is for an event's attributes.
const RESERVED_PREFIXES: [&str; 4] = ["ce-", "proxy-", "webhook-", "x-hub-"];

/// Why a header may not be set. Never holds any of the value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum HeaderRefusal {
    #[error("a header name has letters, digits and !#$%&'*+-.^_`|~ only")]
    NoToken,
    #[error("a header name has at most {LONGEST_NAME} bytes")]
    LongName,
    #[error("this header is hooklog's own or the connection's")]
    Reserved,
    #[error("a value has visible ASCII characters, spaces and tabs only")]
    Characters,
    #[error("a value has at most {LONGEST_VALUE} bytes")]
    LongValue,
}

/// Checks one header, its name in any case.
///
/// # Errors
/// The first rule that does not hold.
pub(crate) fn check(name: &str, value: &str) -> Result<(), HeaderRefusal> {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || !name.bytes().all(is_token) {
        return Err(HeaderRefusal::NoToken);
    }
    if name.len() > LONGEST_NAME {
        return Err(HeaderRefusal::LongName);
    }
    let name = name.to_ascii_lowercase();
    let is_family = RESERVED_PREFIXES.iter().any(|prefix| name.starts_with(prefix));
    if is_family || RESERVED.contains(&name.as_str()) {
        return Err(HeaderRefusal::Reserved);
    }
    if value.len() > LONGEST_VALUE {
        return Err(HeaderRefusal::LongValue);
    }
    if !value.bytes().all(|byte| matches!(byte, b'\t' | b' '..=b'~')) {
        return Err(HeaderRefusal::Characters);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_hooklogs_own_or_no_header_is_refused() {
        assert_eq!(check("Authorization", "Bearer a b\t~"), Ok(()));
        assert_eq!(check("x-signature", ""), Ok(()));
        for (name, value, refusal) in [
            ("", "", HeaderRefusal::NoToken),
            ("a b", "", HeaderRefusal::NoToken),
            ("a:", "", HeaderRefusal::NoToken),
            ("sch\u{f6}n", "", HeaderRefusal::NoToken),
            ("Content-Type", "", HeaderRefusal::Reserved),
            ("WEBHOOK-id", "", HeaderRefusal::Reserved),
            ("x-hub-signature-256", "", HeaderRefusal::Reserved),
            ("Proxy-Authorization", "", HeaderRefusal::Reserved),
            ("ce-id", "", HeaderRefusal::Reserved),
            ("a", "\r\nx: y", HeaderRefusal::Characters),
            ("a", "\0", HeaderRefusal::Characters),
            ("a", "\u{e9}", HeaderRefusal::Characters),
        ] {
            assert_eq!(check(name, value), Err(refusal), "{name:?} {value:?}");
        }
        assert_eq!(check(&"a".repeat(101), ""), Err(HeaderRefusal::LongName));
        assert_eq!(check("a", &"a".repeat(2_048)), Ok(()));
        assert_eq!(check("a", &"a".repeat(2_049)), Err(HeaderRefusal::LongValue));
    }
}
