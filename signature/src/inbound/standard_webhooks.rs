//! Standard Webhooks as a preset: finds the three headers and leaves the rest to
//! [`crate::standard`].

use std::time::Duration;

use super::{InboundRejection, Part};
use crate::{Secret, StandardHeaders, StandardRejection, verify_standard};

pub(super) fn verify<'h>(
    only: impl Fn(&str, Part) -> Result<&'h str, InboundRejection>,
    body: &[u8],
    secrets: &[Secret],
    now_seconds: i64,
    tolerance: Duration,
) -> Result<(), InboundRejection> {
    let headers = StandardHeaders {
        id: only("webhook-id", Part::Id)?,
        timestamp: only("webhook-timestamp", Part::Timestamp)?,
        signature: only("webhook-signature", Part::Signature)?,
    };
    verify_standard(secrets, headers, body, now_seconds, tolerance).map_err(Into::into)
}

impl From<StandardRejection> for InboundRejection {
    fn from(rejection: StandardRejection) -> Self {
        match rejection {
            StandardRejection::Timestamp => Self::Malformed(Part::Timestamp),
            StandardRejection::TooOld => Self::TooOld,
            StandardRejection::TooNew => Self::TooNew,
            StandardRejection::NoSignature => Self::Malformed(Part::Signature),
            StandardRejection::Mismatch => Self::Mismatch,
        }
    }
}
