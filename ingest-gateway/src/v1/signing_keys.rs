//! The keys that a subscription's deliveries are signed with: which there are, how new ones
//! come and old ones go.
//!
//! The newest key stands first and has no end; every older one signs until its own end, and
//! none of them outlives the overlap of the latest rotation. Pure but for [`NewKeys::draw`]:
//! random bytes and `now` are arguments.

use std::time::Duration;

use jiff::Timestamp;
use pipeline::subscription::{SecretText, Signing, SigningKey, SigningScheme, Subscription};
use signature::{Secret, generate_secret};

/// How long an old key signs beside a new one if nobody says otherwise.
pub(crate) const DEFAULT_OVERLAP: Duration = Duration::from_secs(24 * 3_600);
/// Keys of one kind that sign at the same time.
const MOST_KEYS: usize = 5;

/// A secret and a key pair that nobody has seen yet; whichever is needed is taken.
#[derive(Clone)]
pub(crate) struct NewKeys {
    secret: SecretText,
    key_pair: signature::SigningKey,
}

impl NewKeys {
    /// Draws from the system's source of randomness.
    ///
    /// # Errors
    /// The system gives none.
    pub(crate) fn draw() -> Result<Self, getrandom::Error> {
        let (mut secret, mut seed) = ([0; 32], [0; 32]);
        getrandom::fill(&mut secret)?;
        getrandom::fill(&mut seed)?;
        Ok(Self::from_random(&secret, &seed))
    }

    pub(crate) fn from_random(secret: &[u8; 32], seed: &[u8; 32]) -> Self {
        Self {
            secret: SecretText::Plain(generate_secret(secret)),
            key_pair: signature::SigningKey::from_seed(seed),
        }
    }

    fn key_pair(&self) -> SecretText {
        SecretText::Plain(self.key_pair.to_secret_text())
    }
}

/// Whether one of the schemes signs with a shared secret.
pub(crate) fn use_secret(schemes: &[SigningScheme]) -> bool {
    schemes.iter().any(|scheme| matches!(scheme, SigningScheme::Standard | SigningScheme::Hub))
}

/// Whether one of the schemes signs with a key pair.
pub(crate) fn use_key_pair(schemes: &[SigningScheme]) -> bool {
    schemes.contains(&SigningScheme::Ed25519)
}

/// How a subscription's deliveries are signed now. That of an older contract signs with its
/// one `secret`, or not at all: then there is no key.
pub(crate) fn in_use(subscription: &Subscription) -> Signing {
    if let Some(signing) = &subscription.signing {
        return signing.clone();
    }
    let usable = |secret: &&SecretText| Secret::from_text(secret.expose()).is_ok();
    let shared = subscription.secret.as_ref().filter(usable);
    Signing {
        schemes: vec![SigningScheme::Standard],
        secrets: shared.cloned().map(newest).into_iter().collect(),
        key_pairs: Vec::new(),
    }
}

/// The same subscription's signing by other schemes: what a scheme needs and there is not is
/// made, what no scheme needs any more is forgotten. A secret of the client's own replaces the
/// newest one as a rotation does.
pub(crate) fn with_schemes(
    subscription: &Subscription,
    schemes: Vec<SigningScheme>,
    own_secret: Option<SecretText>,
    new: &NewKeys,
    now: Timestamp,
) -> Signing {
    let Signing { mut secrets, mut key_pairs, .. } = in_use(subscription);
    if !use_secret(&schemes) {
        secrets.clear();
    } else if let Some(own) = own_secret {
        if secrets.first().is_none_or(|newest| newest.key != own) {
            secrets = replaced(secrets, own, DEFAULT_OVERLAP, now);
        }
    } else if secrets.is_empty() {
        secrets = vec![newest(new.secret.clone())];
    }
    if !use_key_pair(&schemes) {
        key_pairs.clear();
    } else if key_pairs.is_empty() {
        key_pairs = vec![newest(new.key_pair())];
    }
    Signing { schemes, secrets, key_pairs }
}

/// The subscription's signing with a new key of each kind in use.
pub(crate) fn rotated(
    subscription: &Subscription,
    new: &NewKeys,
    overlap: Duration,
    now: Timestamp,
) -> Signing {
    let Signing { schemes, mut secrets, mut key_pairs } = in_use(subscription);
    if use_secret(&schemes) {
        secrets = replaced(secrets, new.secret.clone(), overlap, now);
    }
    if use_key_pair(&schemes) {
        key_pairs = replaced(key_pairs, new.key_pair(), overlap, now);
    }
    Signing { schemes, secrets, key_pairs }
}

/// The public half of a key pair's text; `None` if it is none.
pub(crate) fn public_key(key: &SigningKey) -> Option<String> {
    let pair = signature::SigningKey::from_text(key.key.expose()).ok()?;
    Some(pair.public_key().to_string())
}

fn newest(key: SecretText) -> SigningKey {
    SigningKey { key, expires_at: None }
}

/// A new key before the old ones, of which those are left that sign for a while.
fn replaced(
    old: Vec<SigningKey>,
    new: SecretText,
    overlap: Duration,
    now: Timestamp,
) -> Vec<SigningKey> {
    let end = now + overlap;
    let old = old.into_iter().filter(|key| key.key != new).map(|SigningKey { key, expires_at }| {
        let expires_at = Some(expires_at.map_or(end, |own_end| own_end.min(end)));
        SigningKey { key, expires_at }
    });
    let mut keys: Vec<SigningKey> = old.filter(|key| key.is_active(now)).collect();
    keys.insert(0, newest(new));
    keys.truncate(MOST_KEYS);
    keys
}

#[cfg(test)]
pub(crate) mod tests {
    use pipeline::ids::SubscriptionId;
    use uuid::Uuid;

    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    pub(crate) fn keys(seed: u8) -> NewKeys {
        NewKeys::from_random(&[seed; 32], &[seed; 32])
    }

    fn at(days: u64) -> Timestamp {
        Timestamp::UNIX_EPOCH + DAY * u32::try_from(days).unwrap()
    }

    fn subscription(secret: Option<&str>, schemes: &[SigningScheme]) -> Subscription {
        let id = SubscriptionId::from_uuid(Uuid::nil());
        let mut made = Subscription::new(id, "https://example.com/", at(0));
        made.secret = secret.map(|text| SecretText::Plain(text.to_owned()));
        if !schemes.is_empty() {
            made.signing = Some(with_schemes(&made, schemes.to_vec(), None, &keys(0), at(0)));
        }
        made
    }

    fn texts(keys: &[SigningKey]) -> Vec<(&str, Option<Timestamp>)> {
        keys.iter().map(|key| (key.key.expose(), key.expires_at)).collect()
    }

    #[test]
    fn a_scheme_gets_the_keys_that_it_needs_and_no_others() {
        use SigningScheme::{Ed25519, Hub, Standard};
        for (schemes, secrets, pairs) in [
            (vec![Standard], 1, 0),
            (vec![Hub], 1, 0),
            (vec![Ed25519], 0, 1),
            (vec![Standard, Hub, Ed25519], 1, 1),
        ] {
            let signing = subscription(None, &schemes).signing.unwrap();
            assert_eq!((signing.secrets.len(), signing.key_pairs.len()), (secrets, pairs));
            assert_eq!(signing.schemes, schemes);
        }
        // What is there stays, and what is not used any more goes.
        let both = subscription(None, &[Standard, Ed25519]);
        let more = with_schemes(&both, vec![Standard, Hub], None, &keys(1), at(1));
        assert_eq!(more.secrets, both.signing.unwrap().secrets);
        assert_eq!(more.key_pairs, []);
    }

    #[test]
    fn the_old_keys_sign_until_the_overlap_ends_and_then_are_forgotten() {
        let mut both = subscription(None, &[SigningScheme::Standard, SigningScheme::Ed25519]);
        let old = both.signing.clone().unwrap();
        both.signing = Some(rotated(&both, &keys(1), DAY, at(1)));
        let new = both.signing.clone().unwrap();
        let (newest, oldest) = (keys(1).secret, old.secrets[0].key.expose());
        assert_eq!(texts(&new.secrets), [(newest.expose(), None), (oldest, Some(at(2)))]);
        assert_eq!(new.key_pairs[1].key, old.key_pairs[0].key);
        assert!(new.secrets[1].is_active(at(1)) && !new.secrets[1].is_active(at(2)));

        let later = rotated(&both, &keys(2), DAY, at(2));
        assert_eq!(
            texts(&later.secrets),
            [(keys(2).secret.expose(), None), (newest.expose(), Some(at(3)))]
        );
    }

    #[test]
    fn no_old_key_outlives_the_overlap_of_the_latest_rotation() {
        let mut made = subscription(None, &[SigningScheme::Standard]);
        made.signing = Some(rotated(&made, &keys(1), DAY * 7, at(1)));
        let shorter = rotated(&made, &keys(2), DAY, at(2)).secrets;
        assert_eq!(shorter.iter().map(|key| key.expires_at).max(), Some(Some(at(3))));
        assert_eq!(rotated(&made, &keys(2), Duration::ZERO, at(2)).secrets.len(), 1);
    }

    #[test]
    fn there_are_never_more_than_five_keys() {
        let mut made = subscription(None, &[SigningScheme::Standard]);
        for seed in 1..9 {
            made.signing = Some(rotated(&made, &keys(seed), DAY, at(0)));
        }
        let secrets = made.signing.unwrap().secrets;
        assert_eq!(secrets.len(), 5);
        assert_eq!(secrets[4].key, keys(4).secret);
    }

    #[test]
    fn a_shared_secret_goes_on_signing_until_the_overlap_of_its_rotation_ends() {
        let made = subscription(Some("shared"), &[]);
        let signing = rotated(&made, &keys(1), DAY, at(1));
        assert_eq!(signing.schemes, [SigningScheme::Standard]);
        assert_eq!(
            texts(&signing.secrets),
            [(keys(1).secret.expose(), None), ("shared", Some(at(2)))]
        );
        let hub = with_schemes(&made, vec![SigningScheme::Hub], None, &keys(1), at(1));
        assert_eq!(texts(&hub.secrets), [("shared", None)]);
        for none in [None, Some(""), Some("whsec_%")] {
            let made = subscription(none, &[]);
            assert_eq!(in_use(&made).secrets, []);
            assert_eq!(rotated(&made, &keys(1), DAY, at(1)).secrets.len(), 1);
        }
    }

    #[test]
    fn a_secret_of_ones_own_rotates_and_the_same_one_again_changes_nothing() {
        let mut made = subscription(None, &[SigningScheme::Standard]);
        let own = || Some(SecretText::Plain("whsec_own".to_owned()));
        let schemes = || vec![SigningScheme::Standard];
        let signing = with_schemes(&made, schemes(), own(), &keys(1), at(1));
        assert_eq!(signing.secrets[0].key.expose(), "whsec_own");
        assert_eq!(signing.secrets[1].expires_at, Some(at(2)));
        made.signing = Some(signing.clone());
        assert_eq!(with_schemes(&made, schemes(), own(), &keys(2), at(2)), signing);
    }
}
