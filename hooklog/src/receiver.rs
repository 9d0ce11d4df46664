//! What a received webhook is worth, and how it is answered. Pure.

use std::collections::HashMap;
use std::time::Duration;

use axum::http::{HeaderMap, StatusCode};
use signature::{Secret, StandardHeaders, StandardRejection, verify_standard};

/// How old a webhook may be (Standard Webhooks recommends minutes).
const TOLERANCE: Duration = Duration::from_secs(300);
/// Messages that are remembered for counting their calls; the oldest knowledge goes first.
const REMEMBERED: usize = 100_000;

/// What the signature of a webhook says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Verified,
    /// No secret was given to verify with.
    NotChecked,
    /// Standard Webhooks headers are missing.
    Unsigned,
    Rejected(StandardRejection),
}

impl Verdict {
    pub fn describe(self) -> String {
        match self {
            Self::Verified => "signature verified".to_owned(),
            Self::NotChecked => "signature not checked (no --secret)".to_owned(),
            Self::Unsigned => "NOT SIGNED".to_owned(),
            Self::Rejected(why) => format!("SIGNATURE REJECTED: {why}"),
        }
    }
}

/// Judges a webhook's signature at `now_seconds` since 1970.
pub(crate) fn judge(
    secret: Option<&Secret>,
    headers: &HeaderMap,
    body: &[u8],
    now_seconds: i64,
) -> Verdict {
    let Some(secret) = secret else { return Verdict::NotChecked };
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let (Some(id), Some(timestamp), Some(signature)) =
        (text("webhook-id"), text("webhook-timestamp"), text("webhook-signature"))
    else {
        return Verdict::Unsigned;
    };
    let headers = StandardHeaders { id, timestamp, signature };
    match verify_standard(std::slice::from_ref(secret), headers, body, now_seconds, TOLERANCE) {
        Ok(()) => Verdict::Verified,
        Err(why) => Verdict::Rejected(why),
    }
}

/// Counts the calls of each message and answers as it was told to.
#[derive(Debug)]
pub(crate) struct Answers {
    /// How many calls of each message are failed before one is accepted.
    pub fail_first: u32,
    /// The status of a call that is failed.
    pub fail_with: StatusCode,
    calls: HashMap<String, u32>,
}

impl Answers {
    pub fn new(fail_first: u32, fail_with: StatusCode) -> Self {
        Self { fail_first, fail_with, calls: HashMap::new() }
    }

    /// The number of this call for its message, from 1, and the answer to it.
    pub fn answer(&mut self, message_id: &str) -> (u32, StatusCode) {
        if self.calls.len() >= REMEMBERED {
            self.calls.clear();
        }
        let call = self.calls.entry(message_id.to_owned()).or_default();
        *call += 1;
        let status = if *call > self.fail_first { StatusCode::OK } else { self.fail_with };
        (*call, status)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_message_is_failed_as_often_as_asked_and_then_accepted() {
        let mut answers = Answers::new(2, StatusCode::INTERNAL_SERVER_ERROR);
        let statuses = |answers: &mut Answers, id| {
            (0..3).map(|_| answers.answer(id).1.as_u16()).collect::<Vec<_>>()
        };
        assert_eq!(statuses(&mut answers, "a"), [500, 500, 200]);
        assert_eq!(statuses(&mut answers, "b"), [500, 500, 200]);
    }

    #[test]
    fn a_missing_signature_and_a_wrong_one_are_told_apart() {
        let secret = Secret::from_text("s").unwrap();
        let mut headers = HeaderMap::new();
        assert_eq!(judge(None, &headers, b"", 0), Verdict::NotChecked);
        assert_eq!(judge(Some(&secret), &headers, b"", 0), Verdict::Unsigned);
        headers.insert("webhook-id", "m".parse().unwrap());
        headers.insert("webhook-timestamp", "0".parse().unwrap());
        let signature = signature::sign_standard(std::slice::from_ref(&secret), "m", 0, b"body");
        headers.insert("webhook-signature", signature.parse().unwrap());
        assert_eq!(judge(Some(&secret), &headers, b"body", 0), Verdict::Verified);
        assert!(matches!(judge(Some(&secret), &headers, b"bodY", 0), Verdict::Rejected(_)));
    }
}
