//! The rules for what a client says of a subscription, whichever contract it speaks.

use egress::{EgressPolicy, UrlRejection};
use pipeline::subscription::SecretText;
use serde_json::value::RawValue;
use signature::{Secret, SecretError};

use crate::json_fields::{self, NotText};

/// Why a value is no target URL.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NotATarget {
    Text(NotText),
    /// The text that was given, and what is wrong with it.
    Url(String, UrlRejection),
}

/// Why a value is no secret.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NotASecret {
    Text(NotText),
    /// Nothing could be signed or verified with it.
    Key(SecretError),
}

/// Where deliveries go, normalised.
///
/// # Errors
/// It is no text, no URL, or one that the operator's policy does not let through.
pub(crate) fn target_url(value: &RawValue, policy: &EgressPolicy) -> Result<String, NotATarget> {
    let text = json_fields::text(value).map_err(NotATarget::Text)?;
    match policy.judge_url(&text) {
        Ok(target) => Ok(target.as_str().to_owned()),
        Err(rejection) => Err(NotATarget::Url(text, rejection)),
    }
}

/// What events are verified and deliveries signed with. Both older services took an empty
/// text, and then checked nothing.
///
/// # Errors
/// It is no text, or no key can be made of it.
pub(crate) fn secret(value: &RawValue) -> Result<SecretText, NotASecret> {
    let text = json_fields::text(value).map_err(NotASecret::Text)?;
    if !text.is_empty() {
        Secret::from_text(&text).map_err(NotASecret::Key)?;
    }
    Ok(SecretText::Plain(text))
}
