//! `Stripe-Signature: t=<seconds>,v1=<hex>[,v1=<hex>...]`, signed over `t.body`.
//!
//! Source: Stripe, "Verify webhook signatures manually".

use std::time::Duration;

use subtle::{Choice, ConstantTimeEq as _};

use super::{InboundRejection, Part};
use crate::{Secret, replay_window};

const MALFORMED: InboundRejection = InboundRejection::Malformed(Part::Signature);

/// Entries of other schemes are passed over (test events carry a `v0`), and so is a `v1` that
/// is not 64 hex digits. While a secret is rolled there is a `v1` for each of Stripe's secrets.
pub(super) fn verify<'h>(
    only: impl Fn(&str, Part) -> Result<&'h str, InboundRejection>,
    body: &[u8],
    secrets: &[Secret],
    now_seconds: i64,
    tolerance: Duration,
) -> Result<(), InboundRejection> {
    let (timestamp, claimed) = read(only("stripe-signature", Part::Signature)?)?;
    replay_window::judge(timestamp, now_seconds, tolerance)?;
    let mut matches = Choice::from(0);
    for secret in secrets {
        let digest = secret.digest(&[timestamp.as_bytes(), b".", body]);
        for claim in &claimed {
            matches |= digest.ct_eq(claim);
        }
    }
    if bool::from(matches) { Ok(()) } else { Err(InboundRejection::Mismatch) }
}

fn read(header: &str) -> Result<(&str, Vec<[u8; 32]>), InboundRejection> {
    let mut timestamp = None;
    let mut any_signature = false;
    let mut claimed = Vec::new();
    for entry in header.split(',') {
        match entry.split_once('=').ok_or(MALFORMED)? {
            ("t", _) if timestamp.is_some() => return Err(MALFORMED),
            ("t", seconds) => timestamp = Some(seconds),
            ("v1", digits) => {
                any_signature = true;
                let mut digest = [0; 32];
                if hex::decode_to_slice(digits, &mut digest).is_ok() {
                    claimed.push(digest);
                }
            }
            _ => {}
        }
    }
    match timestamp {
        Some(timestamp) if any_signature => Ok((timestamp, claimed)),
        _ => Err(MALFORMED),
    }
}
