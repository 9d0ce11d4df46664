//! What the ingest URL of a subscription expects of a signature, made ready once per version of
//! the subscription.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use pipeline::ids::SubscriptionId;
use pipeline::subscription::{SecretText, Subscription, Verification};
use signature::{Preset, Secret, Verifier};

/// Judges the signatures of requests to one subscription. It holds keyed hash states.
#[derive(Debug)]
pub(crate) enum InboundVerifier {
    /// The seeds' scheme, which their contracts word and which knows the canonical form.
    Hub {
        /// The header's name, in any case.
        header: String,
        /// All active keys. Without one no signature matches.
        keys: Vec<Secret>,
    },
    /// A provider's scheme. `None` accepts nothing.
    Preset(Option<Verifier>),
}

impl InboundVerifier {
    /// If one of the secrets cannot be read, nothing is accepted: a producer whose secret is
    /// left out without a word would be told that it signs wrongly.
    fn of_preset(verification: &Verification) -> Self {
        let secrets = verification.secrets.iter().map(SecretText::expose);
        match &verification.preset {
            Preset::Hub { header } => Self::hub(header.as_str(), secrets),
            preset => Self::Preset(Verifier::new(preset, secrets).ok()),
        }
    }

    fn hub<'t>(header: &str, secrets: impl Iterator<Item = &'t str>) -> Self {
        let keys: Result<_, _> = secrets.map(Secret::from_text).collect();
        Self::Hub { header: header.to_owned(), keys: keys.unwrap_or_default() }
    }
}

/// Verifiers by subscription; at most one entry for each that the table has.
#[derive(Debug)]
pub(crate) struct InboundVerifiers {
    /// Where the signature stands that a subscription's `secret` makes.
    secret_header: String,
    made: RwLock<HashMap<SubscriptionId, (u64, Arc<InboundVerifier>)>>,
}

impl InboundVerifiers {
    pub(crate) fn new(secret_header: impl Into<String>) -> Self {
        Self { secret_header: secret_header.into(), made: RwLock::default() }
    }

    /// The verifier of this version. `None` if anybody may send: there is neither a verification
    /// nor a secret, or an empty one, which the older services took as none.
    pub(crate) fn of(&self, subscription: &Subscription) -> Option<Arc<InboundVerifier>> {
        let secret = subscription.secret.as_ref().map(SecretText::expose);
        let secret = secret.filter(|text| !text.is_empty());
        let verification = subscription.verification.as_ref();
        if verification.is_none() && secret.is_none() {
            return None;
        }
        let made = self.made.read().unwrap_or_else(PoisonError::into_inner);
        if let Some((version, verifier)) = made.get(&subscription.id)
            && *version == subscription.version
        {
            return Some(verifier.clone());
        }
        drop(made);
        let verifier = Arc::new(verification.map_or_else(
            || InboundVerifier::hub(&self.secret_header, secret.into_iter()),
            InboundVerifier::of_preset,
        ));
        let mut made = self.made.write().unwrap_or_else(PoisonError::into_inner);
        made.insert(subscription.id, (subscription.version, verifier.clone()));
        Some(verifier)
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use uuid::Uuid;

    use super::*;

    fn subscription(secret: Option<&str>, verification: Option<Verification>) -> Subscription {
        let id = SubscriptionId::from_uuid(Uuid::nil());
        Subscription {
            secret: secret.map(|text| SecretText::Plain(text.to_owned())),
            verification,
            ..Subscription::new(id, "https://example.com/", Timestamp::UNIX_EPOCH)
        }
    }

    fn verification(preset: &str, secrets: &[&str]) -> Option<Verification> {
        let plain = |text: &&str| SecretText::Plain((*text).to_owned());
        let preset = serde_json::from_str(preset).unwrap();
        Some(Verification { preset, secrets: secrets.iter().map(plain).collect() })
    }

    fn made(secret: Option<&str>, verification: Option<Verification>) -> InboundVerifier {
        let of = InboundVerifiers::new("X-Operators").of(&subscription(secret, verification));
        Arc::into_inner(of.unwrap()).unwrap_or_else(|| panic!("the set is gone"))
    }

    #[test]
    fn without_a_verification_and_a_secret_anybody_may_send() {
        let verifiers = InboundVerifiers::new("X-Operators");
        assert!(verifiers.of(&subscription(None, None)).is_none());
        assert!(verifiers.of(&subscription(Some(""), None)).is_none());
        // What is set and expects nothing that anybody has lets nobody send.
        let nobody = subscription(None, verification(r#"{"preset":"hub"}"#, &[]));
        assert!(verifiers.of(&nobody).is_some());
    }

    #[test]
    fn a_verification_hides_the_secret_and_brings_a_header_of_its_own() {
        let is_hub = |verifier: InboundVerifier, name: &str, count: usize| {
            matches!(verifier,
            InboundVerifier::Hub { header, keys } if header == name && keys.len() == count)
        };
        assert!(is_hub(made(Some("a"), None), "X-Operators", 1));
        let hub = r#"{"preset":"hub","header":"X-Own"}"#;
        assert!(is_hub(made(Some("a"), verification(hub, &["b", "c"])), "x-own", 2));
        let hub = r#"{"preset":"hub"}"#;
        assert!(is_hub(made(Some("a"), verification(hub, &[])), "x-hub-signature-256", 0));
        let github = made(Some("a"), verification(r#"{"preset":"github"}"#, &["b"]));
        assert!(matches!(github, InboundVerifier::Preset(Some(_))));
    }

    #[test]
    fn with_one_secret_that_cannot_be_read_nothing_is_accepted() {
        let unreadable = ["good", "whsec_%"];
        let hub = made(None, verification(r#"{"preset":"hub"}"#, &unreadable));
        assert!(matches!(hub, InboundVerifier::Hub { keys, .. } if keys.is_empty()));
        let standard = r#"{"preset":"standard_webhooks"}"#;
        let standard = made(None, verification(standard, &unreadable));
        assert!(matches!(standard, InboundVerifier::Preset(None)));
        let seeds = made(Some("whsec_%"), None);
        assert!(matches!(seeds, InboundVerifier::Hub { keys, .. } if keys.is_empty()));
    }

    #[test]
    fn a_version_of_a_subscription_has_one_verifier_that_all_share() {
        let verifiers = InboundVerifiers::new("X-Operators");
        let first = subscription(None, verification(r#"{"preset":"github"}"#, &["a"]));
        let second = Subscription { version: 2, ..first.clone() };
        let of_first = verifiers.of(&first).unwrap();
        assert!(Arc::ptr_eq(&of_first, &verifiers.of(&first).unwrap()));
        let of_second = verifiers.of(&second).unwrap();
        assert!(!Arc::ptr_eq(&of_first, &of_second));
        assert!(Arc::ptr_eq(&of_second, &verifiers.of(&second).unwrap()));
    }
}
