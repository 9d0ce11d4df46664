//! The keys that sign a subscription's calls, and the signatures that they make.
//!
//! Reads the keys anew for each call: nothing is kept, so a rotation counts from the next call
//! on. An unsigned call is never a way out: a scheme without a usable key is an error.

use jiff::Timestamp;
use pipeline::subscription::{self, SecretText, Signing, SigningScheme, Subscription};
use signature::{
    KeyPairError, Secret, SecretError, SigningKey, sign_hub, sign_standard,
    sign_standard_with_key_pair,
};

/// The keys that sign at one instant; none for a subscription that does not sign.
#[derive(Debug, Clone, Default)]
pub(crate) struct Signer {
    secrets: Vec<Secret>,
    key_pairs: Vec<SigningKey>,
    hub: Option<Secret>,
}

/// Why a call cannot be signed. Never holds any of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SignerError {
    #[error(transparent)]
    Secret(#[from] SecretError),
    #[error(transparent)]
    KeyPair(#[from] KeyPairError),
    #[error("no key of the subscription is active for the scheme {0:?}")]
    NoKey(SigningScheme),
}

impl Signer {
    /// The keys that are active at `now`.
    ///
    /// # Errors
    /// The first key that cannot be read, or a scheme without an active key.
    pub fn of(subscription: &Subscription, now: Timestamp) -> Result<Self, SignerError> {
        if let Some(signing) = &subscription.signing {
            return Self::of_signing(signing, now);
        }
        // The older services take an empty secret as none.
        let texts = subscription.secret.iter().map(SecretText::expose);
        let secrets = texts.filter(|text| !text.is_empty()).map(Secret::from_text);
        Ok(Self { secrets: secrets.collect::<Result<_, _>>()?, ..Self::default() })
    }

    fn of_signing(signing: &Signing, now: Timestamp) -> Result<Self, SignerError> {
        let mut signer = Self::default();
        for &scheme in &signing.schemes {
            let keys = match scheme {
                SigningScheme::Standard | SigningScheme::Hub => &signing.secrets,
                SigningScheme::Ed25519 => &signing.key_pairs,
            };
            let mut active = active_texts(keys, now).peekable();
            if active.peek().is_none() {
                return Err(SignerError::NoKey(scheme));
            }
            match scheme {
                SigningScheme::Standard => {
                    signer.secrets = active.map(Secret::from_text).collect::<Result<_, _>>()?;
                }
                // The newest stands first.
                SigningScheme::Hub => {
                    signer.hub = active.next().map(Secret::from_text).transpose()?;
                }
                SigningScheme::Ed25519 => {
                    signer.key_pairs =
                        active.map(SigningKey::from_text).collect::<Result<_, _>>()?;
                }
            }
        }
        Ok(signer)
    }

    /// The value of `webhook-signature`: one entry for each key, the shared secrets' first.
    pub fn standard(&self, message_id: &str, seconds: i64, body: &[u8]) -> Option<String> {
        let mut entries = Vec::new();
        if !self.secrets.is_empty() {
            entries.push(sign_standard(&self.secrets, message_id, seconds, body));
        }
        let pairs = self.key_pairs.iter();
        entries
            .extend(pairs.map(|key| sign_standard_with_key_pair(key, message_id, seconds, body)));
        (!entries.is_empty()).then(|| entries.join(" "))
    }

    /// The value of `X-Hub-Signature-256`.
    pub fn hub(&self, body: &[u8]) -> Option<String> {
        self.hub.as_ref().map(|secret| sign_hub(secret, body))
    }
}

fn active_texts(
    keys: &[subscription::SigningKey],
    now: Timestamp,
) -> impl Iterator<Item = &str> + '_ {
    keys.iter().filter(move |key| key.is_active(now)).map(|key| key.key.expose())
}

#[cfg(test)]
pub(crate) mod tests;
