//! Reads a request's body, with a bound on its size and on the time it takes.

use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, EXPECT};
use http::{HeaderMap, HeaderValue};
use http_body_util::{BodyExt, LengthLimitError, Limited};

use crate::config::RequestLimits;

/// How much of a body that nobody needs is still read, in bytes.
const MAX_DISCARDED: usize = 16 << 20;
/// And for how long.
const DISCARD_TIMEOUT: Duration = Duration::from_secs(1);

/// Why a body was not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BodyError {
    #[error("the body is larger than is taken")]
    TooLarge,
    #[error("the body did not arrive in time")]
    TooSlow,
    #[error("the body is compressed")]
    Encoded,
    #[error("the body broke off")]
    Incomplete,
}

impl BodyError {
    /// Each of them, for the API document.
    pub(crate) const ALL: [Self; 4] =
        [Self::TooLarge, Self::TooSlow, Self::Encoded, Self::Incomplete];
}

/// The whole body, as received.
///
/// # Errors
/// [`BodyError`]; some of the body may then be unread, and the connection ends with the answer.
pub(crate) async fn read(
    headers: &HeaderMap,
    mut body: Body,
    limits: RequestLimits,
) -> Result<Bytes, BodyError> {
    if let Err(error) = refuse_encoded(headers) {
        discard(body).await;
        return Err(error);
    }
    let read = async {
        if announced(headers).is_some_and(|length| length > limits.max_body as u64) {
            // A client that asked first has sent nothing, and will not after the answer.
            if !headers.contains_key(EXPECT) {
                discard(body).await;
            }
            return Err(BodyError::TooLarge);
        }
        match Limited::new(&mut body, limits.max_body).collect().await {
            Ok(whole) => Ok(whole.to_bytes()),
            Err(error) if error.is::<LengthLimitError>() => {
                discard(body).await;
                Err(BodyError::TooLarge)
            }
            Err(_) => Err(BodyError::Incomplete),
        }
    };
    tokio::time::timeout(limits.body_read_timeout, read).await.unwrap_or(Err(BodyError::TooSlow))
}

/// The whole body, of which some has been read already.
///
/// # Errors
/// As [`read`].
pub(crate) async fn read_on(
    headers: &HeaderMap,
    begun: Bytes,
    body: Body,
    limits: RequestLimits,
) -> Result<Bytes, BodyError> {
    let left = limits.max_body.checked_sub(begun.len());
    let Some(max_body) = left else {
        discard(body).await;
        return Err(BodyError::TooLarge);
    };
    // The announced length is that of the whole.
    let mut rest = headers.clone();
    rest.remove(CONTENT_LENGTH);
    let rest = read(&rest, body, RequestLimits { max_body, ..limits }).await?;
    Ok(if rest.is_empty() { begun } else { [begun, rest].concat().into() })
}

/// # Errors
/// [`BodyError::Encoded`] if the body is compressed.
pub(crate) fn refuse_encoded(headers: &HeaderMap) -> Result<(), BodyError> {
    let identity = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"identity");
    let plain = headers.get_all(CONTENT_ENCODING).iter().all(identity);
    if plain { Ok(()) } else { Err(BodyError::Encoded) }
}

/// Reads a body that nobody needs, for a while: a connection that is closed while its client
/// is still sending is reset, and the client may never see the answer.
pub(crate) async fn discard(mut body: Body) {
    let mut left = MAX_DISCARDED;
    let read = async {
        while let Some(Ok(frame)) = body.frame().await {
            let length = frame.data_ref().map_or(0, Bytes::len);
            match left.checked_sub(length) {
                Some(rest) => left = rest,
                None => return,
            }
        }
    };
    // Whether it came to an end does not matter: the answer is the same.
    let _ = tokio::time::timeout(DISCARD_TIMEOUT, read).await;
}

/// The length that a request says its body has, if it says one.
pub(crate) fn announced(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}
