//! Checks the signatures that providers put on the requests they send to an ingest URL.
//!
//! Owns the presets ([`preset`]) and their schemes: which headers, which bytes are signed, how
//! a secret's text becomes a key. Promises that a request is accepted only with every header
//! of its scheme given exactly once and well formed, a timestamp inside the window where the
//! scheme has one, and a signature that one of the secrets gives, compared in constant time.
//!
//! Deliberately does not know which preset a subscription has, what the answer to a rejection
//! is, nor the seeds' canonical form: that belongs to the routes.

mod hmac_key;
pub mod preset;
mod signed_header;
mod standard_webhooks;
mod stripe;

use std::fmt;
use std::time::Duration;

use hmac_key::HmacKey;
use preset::Preset;
use signed_header::SignedHeader;

use crate::replay_window::TimestampRejection;
use crate::{Secret, SecretError};

/// Why a request was not accepted. Never holds any of the headers or the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InboundRejection {
    /// There is no such header, or it is empty.
    #[error("the {0} header is missing or empty")]
    Missing(Part),
    /// There are two such headers or more.
    #[error("the {0} header is given more than once")]
    Repeated(Part),
    /// It does not have the form that the preset prescribes.
    #[error("the {0} header is malformed")]
    Malformed(Part),
    /// The timestamp is further in the past than the tolerance.
    #[error("the timestamp is too old")]
    TooOld,
    /// The timestamp is further in the future than the tolerance.
    #[error("the timestamp is in the future")]
    TooNew,
    /// All is well formed, and no active secret gives such a signature.
    #[error("the signature does not match")]
    Mismatch,
}

/// What a header of a signed request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The signature, or a list that holds it.
    Signature,
    /// When the request was signed.
    Timestamp,
    /// The message's id.
    Id,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Signature => "signature",
            Self::Timestamp => "timestamp",
            Self::Id => "id",
        })
    }
}

impl From<TimestampRejection> for InboundRejection {
    fn from(rejection: TimestampRejection) -> Self {
        match rejection {
            TimestampRejection::NotSeconds => Self::Malformed(Part::Timestamp),
            TimestampRejection::TooOld => Self::TooOld,
            TimestampRejection::TooNew => Self::TooNew,
        }
    }
}

/// A preset with the secrets of one subscription, ready to judge requests.
///
/// Keys and preset are one thing because the preset says what a secret's text means and which
/// hash it keys. Making it hashes each key once; it is meant to be kept and shared. `Debug`
/// never shows a key.
#[derive(Debug, Clone)]
pub struct Verifier {
    scheme: Scheme,
}

#[derive(Debug, Clone)]
enum Scheme {
    SignedHeader(SignedHeader, Vec<HmacKey>),
    Stripe { tolerance: Duration, secrets: Vec<Secret> },
    StandardWebhooks { tolerance: Duration, secrets: Vec<Secret> },
}

impl Verifier {
    /// Takes the active secrets as the provider shows them, in any order.
    ///
    /// `hub` and `standard_webhooks` decode `whsec_...` as base64 and take any other text as
    /// it is ([`Secret::from_text`]). All others take every text as it is, in UTF-8: Stripe's
    /// `whsec_` is part of its key. Without any secret nothing is accepted.
    ///
    /// # Errors
    /// [`SecretError`] for the first text that is no secret for this preset.
    pub fn new<'t>(
        preset: &Preset,
        secrets: impl IntoIterator<Item = &'t str>,
    ) -> Result<Self, SecretError> {
        let secrets = secrets.into_iter();
        let scheme = match preset {
            Preset::Stripe { tolerance_seconds } => Scheme::Stripe {
                tolerance: tolerance_seconds.duration(),
                secrets: secrets
                    .map(|text| Secret::from_bytes(text.as_bytes()))
                    .collect::<Result<_, _>>()?,
            },
            Preset::StandardWebhooks { tolerance_seconds } => Scheme::StandardWebhooks {
                tolerance: tolerance_seconds.duration(),
                secrets: secrets.map(Secret::from_text).collect::<Result<_, _>>()?,
            },
            Preset::Hub { header } => Scheme::SignedHeader(
                SignedHeader::hub(header.clone()),
                secrets
                    .map(|text| Secret::from_text(text).map(HmacKey::Sha256))
                    .collect::<Result<_, _>>()?,
            ),
            Preset::GitHub {} => signed_header(SignedHeader::github(), secrets)?,
            Preset::Shopify {} => signed_header(SignedHeader::shopify(), secrets)?,
            Preset::Slack { tolerance_seconds } => {
                let header = SignedHeader::slack(tolerance_seconds.duration());
                signed_header(header, secrets)?
            }
            Preset::Generic(generic) => signed_header(SignedHeader::generic(generic), secrets)?,
        };
        Ok(Self { scheme })
    }

    /// Accepts a request that one of the secrets signed in the preset's way.
    ///
    /// `headers` gives all values of the header with a name, which is in lower case. `body`
    /// is the raw body as received, `now_seconds` the time since 1970. Every secret is tried,
    /// with no early exit.
    ///
    /// # Errors
    /// [`InboundRejection`]: the headers are judged before the timestamp, both before the
    /// signature.
    pub fn verify<'h, V>(
        &self,
        headers: impl Fn(&str) -> V,
        body: &[u8],
        now_seconds: i64,
    ) -> Result<(), InboundRejection>
    where
        V: IntoIterator<Item = &'h [u8]>,
    {
        let only = |name: &str, part| only_value(headers(name), part);
        match &self.scheme {
            Scheme::SignedHeader(header, keys) => header.verify(only, body, keys, now_seconds),
            Scheme::Stripe { tolerance, secrets } => {
                stripe::verify(only, body, secrets, now_seconds, *tolerance)
            }
            Scheme::StandardWebhooks { tolerance, secrets } => {
                standard_webhooks::verify(only, body, secrets, now_seconds, *tolerance)
            }
        }
    }
}

/// A scheme whose secrets are the UTF-8 of their texts.
fn signed_header<'t>(
    header: SignedHeader,
    secrets: impl Iterator<Item = &'t str>,
) -> Result<Scheme, SecretError> {
    let keys = secrets.map(|text| header.key(text)).collect::<Result<_, _>>()?;
    Ok(Scheme::SignedHeader(header, keys))
}

/// The only value of a header, which is not empty and is text.
fn only_value<'h>(
    values: impl IntoIterator<Item = &'h [u8]>,
    part: Part,
) -> Result<&'h str, InboundRejection> {
    let mut values = values.into_iter();
    let value = values.next().ok_or(InboundRejection::Missing(part))?;
    if values.next().is_some() {
        return Err(InboundRejection::Repeated(part));
    }
    if value.is_empty() {
        return Err(InboundRejection::Missing(part));
    }
    str::from_utf8(value).map_err(|_| InboundRejection::Malformed(part))
}
