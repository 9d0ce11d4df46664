//! Why an attempt got no answer.
//!
//! Owns the failure kinds, which are public: they stand in outcome records. They are told
//! apart by the errors' types, never by their text. The detail is for people; it comes from
//! the innermost error, which knows addresses and certificates but neither URL, headers nor
//! bodies.

use std::error::Error;
use std::fmt;
use std::io;
use std::time::Duration;

use crate::UrlRejection;
use crate::resolver::ResolveError;

/// The longest detail that is kept, in characters.
const MAX_DETAIL: usize = 200;

/// What went wrong, in one word that stays the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FailureKind {
    /// The egress policy denies the target or one of its addresses. Nothing was sent.
    Denied,
    /// The name could not be resolved, or has no address.
    Dns,
    /// Nothing listens there.
    Refused,
    /// There is no route to the address.
    Unreachable,
    /// The handshake failed, or the certificate is not trusted.
    Tls,
    /// No complete answer within the deadline, or no connection within the connect timeout.
    Timeout,
    /// The connection was closed before the answer was complete.
    Reset,
    /// What came back is not HTTP/1.1, or has too large a head.
    Protocol,
    /// Anything else.
    Other,
}

impl FailureKind {
    /// Every kind, for documents and metrics.
    pub const ALL: [Self; 9] = [
        Self::Denied,
        Self::Dns,
        Self::Refused,
        Self::Unreachable,
        Self::Tls,
        Self::Timeout,
        Self::Reset,
        Self::Protocol,
        Self::Other,
    ];

    /// The stable word of outcome records and metric labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Denied => "egress_denied",
            Self::Dns => "dns",
            Self::Refused => "refused",
            Self::Unreachable => "unreachable",
            Self::Tls => "tls",
            Self::Timeout => "timeout",
            Self::Reset => "reset",
            Self::Protocol => "protocol",
            Self::Other => "other",
        }
    }
}

impl fmt::Display for FailureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An attempt without a usable answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind}: {detail}")]
pub struct RequestFailure {
    /// What went wrong.
    pub kind: FailureKind,
    detail: String,
}

impl RequestFailure {
    /// One printable line for people, of at most 200 characters. Parts of it may come from
    /// the receiver's certificate: show it escaped.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    pub(crate) fn denied(rejection: &UrlRejection) -> Self {
        Self::new(FailureKind::Denied, &rejection.to_string())
    }

    pub(crate) fn deadline(timeout: Duration) -> Self {
        Self::new(FailureKind::Timeout, &format!("no complete answer within {timeout:?}"))
    }

    /// Finds the kind in the chain of causes; the innermost one that is known decides.
    pub(crate) fn from_client(error: &reqwest::Error) -> Self {
        let mut kind = None;
        let mut innermost: &(dyn Error + 'static) = error;
        let mut next = cause(error);
        while let Some(current) = next {
            kind = kind_of(current, error.is_connect()).or(kind);
            innermost = current;
            next = cause(current);
        }
        // reqwest's own connect timeout is a private type: only this question finds it.
        let fallback = if error.is_timeout() { FailureKind::Timeout } else { FailureKind::Other };
        let detail = match innermost.downcast_ref::<reqwest::Error>() {
            // Its text would repeat the URL.
            Some(_) => "the request could not be made".to_owned(),
            None => innermost.to_string(),
        };
        Self::new(kind.unwrap_or(fallback), &detail)
    }

    fn new(kind: FailureKind, detail: &str) -> Self {
        let printable = detail.chars().map(|c| if c.is_control() { ' ' } else { c });
        Self { kind, detail: printable.take(MAX_DETAIL).collect() }
    }
}

/// The next error inward. An `io::Error` that wraps another one names that one's cause as its
/// own, and so would leave it out.
fn cause<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(wrapped) => Some(wrapped),
        None => error.source(),
    }
}

fn kind_of(error: &(dyn Error + 'static), connecting: bool) -> Option<FailureKind> {
    if let Some(error) = error.downcast_ref::<ResolveError>() {
        return Some(match error {
            ResolveError::Denied | ResolveError::OutsideAttempt => FailureKind::Denied,
            ResolveError::Lookup(_) | ResolveError::NoAddress => FailureKind::Dns,
        });
    }
    if error.is::<rustls::Error>() {
        return Some(FailureKind::Tls);
    }
    if let Some(error) = error.downcast_ref::<hyper::Error>() {
        if error.is_parse() {
            return Some(FailureKind::Protocol);
        }
        let cut = error.is_incomplete_message() || error.is_closed() || error.is_canceled();
        return cut.then_some(FailureKind::Reset);
    }
    let kind = error.downcast_ref::<io::Error>()?.kind();
    match kind {
        io::ErrorKind::ConnectionRefused => Some(FailureKind::Refused),
        io::ErrorKind::HostUnreachable
        | io::ErrorKind::NetworkUnreachable
        | io::ErrorKind::NetworkDown
        | io::ErrorKind::AddrNotAvailable
        | io::ErrorKind::PermissionDenied => Some(FailureKind::Unreachable),
        io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::BrokenPipe => Some(FailureKind::Reset),
        io::ErrorKind::TimedOut => Some(FailureKind::Timeout),
        // Before there is a connection, only a handshake can end early.
        io::ErrorKind::UnexpectedEof if connecting => Some(FailureKind::Tls),
        io::ErrorKind::UnexpectedEof => Some(FailureKind::Reset),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_public_words_do_not_change() {
        assert_eq!(
            FailureKind::ALL.map(FailureKind::as_str),
            [
                "egress_denied",
                "dns",
                "refused",
                "unreachable",
                "tls",
                "timeout",
                "reset",
                "protocol",
                "other"
            ]
        );
    }

    #[test]
    fn a_detail_is_one_short_printable_line() {
        let failure = RequestFailure::new(FailureKind::Tls, &"a\r\n\x1b[1m".repeat(100));
        assert_eq!(failure.detail().chars().count(), MAX_DETAIL);
        assert!(!failure.detail().contains(char::is_control));
    }
}
