//! The presets against what the providers publish, and against everything that is nearly right.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod published_requests;

use proptest::prelude::*;
use published_requests::{
    Request, every_request, generic_over_the_body, generic_with_a_timestamp, github, hub, shopify,
    slack, standard_webhooks, stripe,
};
use signature::inbound::Part::{Id, Signature, Timestamp};
use signature::{
    HubRejection, InboundRejection, Preset, Secret, SecretError, Verifier, sign_standard,
    verify_hub,
};

use InboundRejection::{Malformed, Mismatch, Missing, Repeated, TooNew, TooOld};

impl Request {
    fn verify(&self, now: i64) -> Result<(), InboundRejection> {
        self.verify_with(&[self.secret], now)
    }

    fn verify_with(&self, secrets: &[&str], now: i64) -> Result<(), InboundRejection> {
        let verifier = verifier(self.preset, secrets).unwrap();
        let headers = |name: &str| {
            let name = name.to_owned();
            let of_name = move |(other, _): &&(&str, String)| *other == name;
            self.headers.iter().filter(of_name).map(|(_, value)| value.as_bytes())
        };
        verifier.verify(headers, self.body, now)
    }

    /// The same with one header's value changed.
    fn with(mut self, name: &str, value: impl Fn(&str) -> String) -> Self {
        let (_, old) = self.headers.iter_mut().find(|(other, _)| *other == name).unwrap();
        *old = value(old);
        self
    }
}

fn verifier(preset: &str, secrets: &[&str]) -> Result<Verifier, SecretError> {
    let preset: Preset = serde_json::from_str(preset).unwrap();
    Verifier::new(&preset, secrets.iter().copied())
}

#[test]
fn the_published_vectors_hold() {
    for request in every_request() {
        assert_eq!(request.verify(request.signed_at), Ok(()), "{}", request.preset);
    }
}

#[test]
fn the_other_kinds_of_a_generic_preset_hold() {
    // Computed as above, over `1614265330.` and the body.
    for (algorithm, signature) in [
        ("sha1", "MFuSr3fsNqbMJclff35yJDO2mZg="),
        ("sha256", "CIv4SzhfwfH5+usjEvo67uRN+L3OzYXoy55TqY4k07I="),
    ] {
        let preset = format!(
            r#"{{"preset":"generic","algorithm":"{algorithm}","encoding":"base64","header":"s","timestamp_header":"t"}}"#
        );
        let headers = |name: &str| [if name == "s" { signature } else { "1614265330" }.as_bytes()];
        let verifier = verifier(&preset, &["generic key"]).unwrap();
        assert_eq!(verifier.verify(headers, br#"{"test": 2432232314}"#, 1_614_265_330), Ok(()));
    }
}

#[test]
fn another_body_and_another_secret_are_rejected_by_every_preset() {
    for request in every_request() {
        let at = request.signed_at;
        let wrong = "whsec_bm90IHRoaXMgb25l";
        assert_eq!(request.verify_with(&[wrong], at), Err(Mismatch), "{}", request.preset);
        assert_eq!(request.verify_with(&[], at), Err(Mismatch), "{}", request.preset);
        assert_eq!(request.verify_with(&[wrong, request.secret], at), Ok(()));
        assert_eq!(request.verify_with(&[request.secret, wrong], at), Ok(()));
        for body in [&request.body[1..], &[request.body, b" "].concat()] {
            let changed =
                Request { body: body.to_vec().leak(), headers: request.headers.clone(), ..request };
            assert_eq!(changed.verify(at), Err(Mismatch), "{}", request.preset);
        }
    }
}

#[test]
fn a_signed_timestamp_is_accepted_up_to_the_tolerance_either_way() {
    let signed = [
        (stripe(), 300),
        (slack(), 300),
        (standard_webhooks(), 300),
        (generic_with_a_timestamp(), 10),
    ];
    for (request, tolerance) in signed {
        let at = request.signed_at;
        for (now, verdict) in [
            (at + tolerance, Ok(())),
            (at + tolerance + 1, Err(TooOld)),
            (at - tolerance, Ok(())),
            (at - tolerance - 1, Err(TooNew)),
            (i64::MAX, Err(TooOld)),
            (i64::MIN, Err(TooNew)),
        ] {
            assert_eq!(request.verify(now), verdict, "{} {now}", request.preset);
        }
    }
    let strict = Request { preset: r#"{"preset":"stripe","tolerance_seconds":1}"#, ..stripe() };
    assert_eq!(strict.verify(strict.signed_at + 1), Ok(()));
    assert_eq!(strict.verify(strict.signed_at + 2), Err(TooOld));
    for request in [github(), shopify(), hub(), generic_over_the_body()] {
        assert_eq!(request.verify(i64::MAX), Ok(()), "{}", request.preset);
    }
}

#[test]
fn every_header_is_needed_exactly_once() {
    for request in every_request() {
        for index in 0..request.headers.len() {
            let (name, value) = request.headers[index].clone();
            let part = match name {
                "webhook-id" => Id,
                "webhook-timestamp" | "x-slack-request-timestamp" | "x-time" => Timestamp,
                _ => Signature,
            };
            let changed = |values: &[&str]| {
                let mut headers = request.headers.clone();
                headers.remove(index);
                headers.extend(values.iter().map(|&value| (name, value.to_owned())));
                Request { headers, ..request }.verify(request.signed_at)
            };
            assert_eq!(changed(&[&value]), Ok(()), "{name}");
            assert_eq!(changed(&[]), Err(Missing(part)), "{name}");
            assert_eq!(changed(&[""]), Err(Missing(part)), "{name}");
            assert_eq!(changed(&[&value, &value]), Err(Repeated(part)), "{name}");
            assert_eq!(changed(&[&value, ""]), Err(Repeated(part)), "{name}");
        }
    }
}

#[test]
fn a_timestamp_that_is_not_the_signed_one_is_rejected() {
    let signed = [
        (slack(), "x-slack-request-timestamp"),
        (standard_webhooks(), "webhook-timestamp"),
        (generic_with_a_timestamp(), "x-time"),
    ];
    for (request, name) in signed {
        let at = request.signed_at;
        let moved = request.with(name, |_| (at + 1).to_string());
        assert_eq!(moved.verify(at), Err(Mismatch), "{name}");
        let padded = moved.with(name, |_| format!("0{at}"));
        assert_eq!(padded.verify(at), Err(Mismatch), "{name}");
        let mut request = padded;
        for text in ["+1", "-1", " 1531420618", "1531420618.0", "1e9", "99999999999999999999", "x"]
        {
            request = request.with(name, |_| text.to_owned());
            assert_eq!(request.verify(at), Err(Malformed(Timestamp)), "{name}: {text}");
        }
    }
}

#[test]
fn a_signature_header_that_is_nearly_right_is_rejected() {
    type Case = (fn() -> Request, &'static str, fn(&str) -> String, InboundRejection);
    const MALFORMED: InboundRejection = Malformed(Signature);
    let table: &[Case] = &[
        (github, "no prefix", |v| v.replace("sha256=", ""), MALFORMED),
        (github, "another method", |v| v.replace("sha256", "sha1"), MALFORMED),
        (github, "a method in capitals", |v| v.replace("sha256", "SHA256"), MALFORMED),
        (github, "a trailing space", |v| format!("{v} "), MALFORMED),
        (github, "a list", |v| format!("{v},{v}"), MALFORMED),
        (github, "no hex", |v| v.replace("=7", "=g"), MALFORMED),
        (github, "half a byte less", |v| v[..v.len() - 1].to_owned(), MALFORMED),
        (github, "a byte less", |v| v[..v.len() - 2].to_owned(), MALFORMED),
        (github, "a byte more", |v| format!("{v}00"), MALFORMED),
        (github, "nothing after the prefix", |_| "sha256=".to_owned(), MALFORMED),
        (github, "a flipped bit", |v| v.replace("=7", "=6"), Mismatch),
        (slack, "another version", |v| v.replace("v0", "v1"), MALFORMED),
        (slack, "a flipped bit", |v| v.replace("=a", "=b"), Mismatch),
        (shopify, "hex", |_| "40dc8e6d394a6ccc76a8394f17f64e65".repeat(2), MALFORMED),
        (shopify, "no padding", |v| v.replace('=', ""), MALFORMED),
        (shopify, "the alphabet of URLs", |v| v.replace('/', "_"), MALFORMED),
        (shopify, "unused bits set", |v| v.replace("Gw=", "Gx="), MALFORMED),
        (shopify, "a line break", |v| format!("{v}\n"), MALFORMED),
        (shopify, "a flipped bit", |v| v.replace("QN", "QM"), Mismatch),
        (generic_over_the_body, "sha256 for sha1", |v| v.replace("sha1=", "sha256="), MALFORMED),
        (stripe, "no timestamp", |v| v.replace("t=1493329224,", ""), MALFORMED),
        (stripe, "two timestamps", |v| format!("t=1493329224,{v}"), MALFORMED),
        (stripe, "no signature", |_| "t=1493329224".to_owned(), MALFORMED),
        (stripe, "only a test signature", |v| v.replace("v1=", "v2="), MALFORMED),
        (stripe, "a word", |v| format!("{v},word"), MALFORMED),
        (stripe, "an empty entry", |v| format!("{v},"), MALFORMED),
        (stripe, "spaces after the commas", |v| v.replace(',', ", "), MALFORMED),
        (stripe, "no number", |v| v.replace("t=", "t=+"), Malformed(Timestamp)),
        (stripe, "an empty timestamp", |v| v.replace("1493329224", ""), Malformed(Timestamp)),
        (stripe, "another time", |v| v.replace("9224", "9225"), Mismatch),
        (
            stripe,
            "the test signature as the real one",
            |v| v.replace("v1=", "v2=").replace("v0=", "v1="),
            Mismatch,
        ),
        (stripe, "half a byte less", |v| v.replace("dea4,", "dea,"), Mismatch),
        (stripe, "a flipped bit", |v| v.replace("=dca", "=cca"), Mismatch),
        (standard_webhooks, "no version", |v| v.replace("v1,", ""), MALFORMED),
        (standard_webhooks, "a flipped bit", |v| v.replace("g0h", "h0h"), Mismatch),
    ];
    for (request, what, change, rejection) in table {
        let request = request();
        let (preset, at) = (request.preset, request.signed_at);
        let (name, before) = request.headers[0].clone();
        let changed = request.with(name, change);
        assert_ne!(changed.headers[0].1, before, "{preset} {what} changes nothing");
        assert_eq!(changed.verify(at), Err(*rejection), "{preset} {what}");
    }
}

#[test]
fn a_rolled_stripe_secret_signs_with_either_in_any_place() {
    for (first, second) in [("t=", "v1=OTHER,t="), (",v0=", ",v1=OTHER,v1=junk,v0=")] {
        let second = second.replace("OTHER", &"0".repeat(64));
        let rolled = stripe().with("stripe-signature", |v| v.replace(first, &second));
        assert_eq!(rolled.verify(rolled.signed_at), Ok(()), "{second}");
    }
    let capitals = stripe().with("stripe-signature", |v| v.replace("dca14f", "DCA14F"));
    assert_eq!(capitals.verify(capitals.signed_at), Ok(()));
}

#[test]
fn a_secret_is_read_as_the_provider_means_it() {
    // The key of this vector is the decoded text: as text it must not verify anything else.
    let decoded = standard_webhooks();
    assert_eq!(decoded.verify(decoded.signed_at), Ok(()));
    // `openssl dgst -sha256 -hmac whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw`, over `t.body`.
    let digest = "2e37df5d4a028c51a7f3133d64ae1e300d2c2c900f1b1d49d4369ad2530f8964";
    let as_text = Request {
        preset: r#"{"preset":"stripe"}"#,
        headers: vec![("stripe-signature", format!("t=1614265330,v1={digest}"))],
        ..standard_webhooks()
    };
    assert_eq!(as_text.verify(as_text.signed_at), Ok(()));

    for preset in ["hub", "standard_webhooks"] {
        let preset = format!(r#"{{"preset":"{preset}"}}"#);
        assert_eq!(verifier(&preset, &["whsec_%"]).unwrap_err(), SecretError::NotBase64);
    }
    for preset in ["github", "stripe", "shopify", "slack", "hub", "standard_webhooks"] {
        let preset = format!(r#"{{"preset":"{preset}"}}"#);
        assert_eq!(verifier(&preset, &["good", ""]).unwrap_err(), SecretError::Empty, "{preset}");
    }
    for preset in ["github", "stripe", "shopify", "slack"] {
        let preset = format!(r#"{{"preset":"{preset}"}}"#);
        assert!(verifier(&preset, &["whsec_%"]).is_ok(), "{preset}");
    }
}

#[test]
fn debug_never_shows_a_secret() {
    for request in every_request() {
        let shown = format!("{:?}", verifier(request.preset, &[request.secret]).unwrap());
        assert!(!shown.contains(request.secret) && shown.contains("redacted"), "{shown}");
    }
}

proptest! {
    #[test]
    fn the_hub_preset_accepts_exactly_what_verify_hub_does(
        values in proptest::collection::vec("(sha256=)?(757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17)?[0-9a-fA-F=, ]{0,3}", 0..3),
    ) {
        let secrets = [Secret::from_text(github().secret).unwrap()];
        let values: Vec<&[u8]> = values.iter().map(|value| value.as_bytes()).collect();
        let expected = verify_hub(values.iter().copied(), github().body, &secrets).map_err(|rejection| match rejection {
            HubRejection::Missing => Missing(Signature),
            HubRejection::Repeated => Repeated(Signature),
            HubRejection::Mismatch => Mismatch,
            HubRejection::NoMethod | HubRejection::OtherMethod | HubRejection::Malformed => Malformed(Signature),
        });
        for preset in [r#"{"preset":"hub"}"#, r#"{"preset":"github"}"#] {
            let verifier = verifier(preset, &[github().secret]).unwrap();
            let verdict = verifier.verify(|_| values.clone(), github().body, 0);
            prop_assert_eq!(verdict, expected);
        }
    }

    #[test]
    fn what_standard_webhooks_signs_verifies(id in "[a-z0-9_]{1,30}", at in 0..=i64::MAX, body: Vec<u8>) {
        let secret = standard_webhooks().secret;
        let signature = sign_standard(&[Secret::from_text(secret).unwrap()], &id, at, &body);
        let at_text = at.to_string();
        let headers = |name: &str| [match name {
            "webhook-id" => id.as_bytes(),
            "webhook-timestamp" => at_text.as_bytes(),
            _ => signature.as_bytes(),
        }];
        let verifier = verifier(standard_webhooks().preset, &[secret]).unwrap();
        prop_assert_eq!(verifier.verify(headers, &body, at), Ok(()));
    }

    #[test]
    fn no_header_makes_it_panic_or_verifies(
        bytes: Vec<u8>, text in "(t=[0-9]{0,3},)?(v1=|v0=|v1,|sha256=)?[0-9a-fA-F=,+/]{0,70}", now: i64,
    ) {
        for request in every_request() {
            let verifier = verifier(request.preset, &[request.secret]).unwrap();
            for value in [&bytes[..], text.as_bytes()] {
                prop_assert!(verifier.verify(|_| [value], request.body, now).is_err());
            }
        }
    }
}
