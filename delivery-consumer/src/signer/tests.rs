use std::time::Duration;

use pipeline::ids::SubscriptionId;
use signature::{
    HubRejection, PublicKey, StandardHeaders, StandardRejection, verify_hub, verify_standard,
    verify_standard_with_public_key,
};

use super::*;

const NOW: i64 = 1_795_000_000;
const NEW: &str = "whsec_bmV3bmV3bmV3bmV3bmV3bmV3";
const OLD: &str = "whsec_b2xkb2xkb2xkb2xkb2xkb2xk";
const BODY: &[u8] = b"{\"n\": 1}\0\xff";

pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(NOW + seconds).unwrap()
}

pub(crate) fn unsigned() -> Subscription {
    let id: SubscriptionId = "01935b5e-7f6a-7c61-8d2e-0a1b2c3d4e60".parse().unwrap();
    Subscription::new(id, "https://example.com/", at(0))
}

fn key(text: &str, expires_at: Option<Timestamp>) -> subscription::SigningKey {
    subscription::SigningKey { key: SecretText::Plain(text.into()), expires_at }
}

fn key_pair(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32])
}

/// Two secrets and two key pairs, of which the older ones expire in a minute.
fn signed(schemes: &[SigningScheme]) -> Subscription {
    let signing = Signing {
        schemes: schemes.to_vec(),
        secrets: vec![key(NEW, None), key(OLD, Some(at(60)))],
        key_pairs: vec![
            key(&key_pair(1).to_secret_text(), None),
            key(&key_pair(2).to_secret_text(), Some(at(60))),
        ],
    };
    Subscription { signing: Some(signing), ..unsigned() }
}

fn verified_by_secret(header: &str, secret: &str) -> Result<(), StandardRejection> {
    let secret = Secret::from_text(secret).unwrap();
    let headers = StandardHeaders { id: "msg_1", timestamp: "1795000000", signature: header };
    verify_standard(&[secret], headers, BODY, NOW, Duration::ZERO)
}

fn verified_by_key(header: &str, key: &PublicKey) -> Result<(), StandardRejection> {
    let headers = StandardHeaders { id: "msg_1", timestamp: "1795000000", signature: header };
    verify_standard_with_public_key(key, headers, BODY, NOW, Duration::ZERO)
}

const ALL: [SigningScheme; 3] =
    [SigningScheme::Ed25519, SigningScheme::Hub, SigningScheme::Standard];

#[test]
fn every_active_key_signs_and_one_header_holds_all_of_standard_webhooks() {
    let signer = Signer::of(&signed(&ALL), at(0)).unwrap();
    let header = signer.standard("msg_1", NOW, BODY).unwrap();
    let versions: Vec<&str> =
        header.split(' ').map(|entry| entry.split(',').next().unwrap()).collect();
    assert_eq!(versions, ["v1", "v1", "v1a", "v1a"]);
    for secret in [NEW, OLD] {
        assert_eq!(verified_by_secret(&header, secret), Ok(()));
    }
    for seed in [1, 2] {
        assert_eq!(verified_by_key(&header, &key_pair(seed).public_key()), Ok(()));
    }
}

#[test]
fn an_expired_key_does_not_sign() {
    let signer = Signer::of(&signed(&ALL), at(60)).unwrap();
    let header = signer.standard("msg_1", NOW, BODY).unwrap();
    assert_eq!(verified_by_secret(&header, NEW), Ok(()));
    assert_eq!(verified_by_secret(&header, OLD), Err(StandardRejection::Mismatch));
    assert_eq!(verified_by_key(&header, &key_pair(1).public_key()), Ok(()));
    let old = verified_by_key(&header, &key_pair(2).public_key());
    assert_eq!(old, Err(StandardRejection::Mismatch));
}

#[test]
fn the_hub_header_is_signed_by_the_newest_secret_alone() {
    let signer = Signer::of(&signed(&[SigningScheme::Hub]), at(0)).unwrap();
    assert_eq!(signer.standard("msg_1", NOW, BODY), None);
    let header = signer.hub(BODY).unwrap();
    let verified =
        |secret| verify_hub([header.as_bytes()], BODY, &[Secret::from_text(secret).unwrap()]);
    assert_eq!(verified(NEW), Ok(()));
    assert_eq!(verified(OLD), Err(HubRejection::Mismatch));
}

#[test]
fn without_schemes_of_its_own_the_older_services_secret_signs() {
    let secret = Some(SecretText::Plain(NEW.into()));
    let signer = Signer::of(&Subscription { secret, ..unsigned() }, at(0)).unwrap();
    let header = signer.standard("msg_1", NOW, BODY).unwrap();
    assert_eq!(verified_by_secret(&header, NEW), Ok(()));
    assert_eq!(signer.hub(BODY), None);
    for secret in [None, Some(SecretText::Plain(String::new()))] {
        let signer = Signer::of(&Subscription { secret, ..unsigned() }, at(0)).unwrap();
        assert_eq!(signer.standard("msg_1", NOW, BODY), None);
    }
}

#[test]
fn a_key_that_cannot_be_read_and_a_scheme_without_a_key_are_errors() {
    let with = |scheme, secrets, key_pairs| {
        let signing = Signing { schemes: vec![scheme], secrets, key_pairs };
        let subscription = Subscription { signing: Some(signing), ..unsigned() };
        Signer::of(&subscription, at(0)).unwrap_err()
    };
    let (standard, ed25519) = (SigningScheme::Standard, SigningScheme::Ed25519);
    let unreadable = with(standard, vec![key(NEW, None), key("whsec_%", None)], Vec::new());
    assert_eq!(unreadable, SignerError::Secret(SecretError::NotBase64));
    let unreadable = with(ed25519, Vec::new(), vec![key(NEW, None)]);
    assert!(matches!(unreadable, SignerError::KeyPair(KeyPairError::Prefix(_))));
    for scheme in ALL {
        let expired = || vec![key(NEW, Some(at(0)))];
        assert_eq!(with(scheme, expired(), expired()), SignerError::NoKey(scheme));
    }
}
