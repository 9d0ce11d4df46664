//! What is accepted, and what is not.

use jiff::Timestamp;
use pipeline::subscription::{SecretText, Subscription};
use signature::{Secret, sign_hub};
use test_bed::eventually;

use super::{Headers, error, known, paths, send, signed, signed_now, verified};
use crate::published_requests::{Request, every_request, github, hub, standard_webhooks};
use crate::running::{PATIENCE, Running, written};

const HOUR: i64 = 3_600;

#[test]
fn openssl_signs_as_the_providers_do() {
    for request in every_request() {
        let own = signed(&request, request.secret, request.signed_at, request.body);
        assert_eq!(own.len(), request.headers.len());
        for ((name, value), (published_name, published)) in own.iter().zip(&request.headers) {
            assert_eq!(name, published_name);
            // Stripe's ends with a signature of another scheme.
            assert_eq!(published.split(",v0=").next(), Some(value.as_str()), "{name}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_its_provider_has_signed_is_taken_on_every_ingest_url() {
    let gateway = Running::start("presets-taken", &[]).await;
    for request in every_request() {
        let subscription = known(&gateway, verified(request.preset, &[request.secret])).await;
        for path in paths(&subscription) {
            // The published header itself, where it does not grow old.
            let headers =
                if request.signed_at == 0 { request.headers.clone() } else { signed_now(&request) };
            let answer = send(&gateway, &path, &headers, request.body).await;
            assert_eq!(answer.status, 202, "{path} {} {answer:?}", request.preset);
        }
    }
    let delivered = gateway.deliveries().await;
    for request in every_request() {
        let count = delivered.iter().filter(|(_, delivery)| *delivery.body == *request.body);
        // Two of them have the same body.
        let expected = if request.body == standard_webhooks().body { 6 } else { 3 };
        assert_eq!(count.count(), expected, "{}", request.preset);
    }
    gateway.stop().await;
}

/// A request that is wrong in one way: what of it, its headers, its body, and the sentence
/// about it.
type Wrong = (String, Headers, Vec<u8>, String);

fn wrong(request: &Request) -> Vec<Wrong> {
    let now = Timestamp::now().as_second();
    let (headers, body) = (signed_now(request), request.body.to_vec());
    let mut wrong = Vec::new();
    for (index, (name, value)) in headers.iter().enumerate() {
        let part = match *name {
            "webhook-id" => "id",
            "webhook-timestamp" | "x-slack-request-timestamp" | "x-time" => "timestamp",
            _ => "signature",
        };
        let given = |values: &[&str]| {
            let mut headers = headers.clone();
            headers.remove(index);
            headers.extend(values.iter().map(|value| (*name, (*value).to_owned())));
            headers
        };
        for (what, values, says) in [
            ("left out", &[][..], "is missing or empty"),
            ("empty", &[""], "is missing or empty"),
            ("twice", &[value, value], "is given more than once"),
        ] {
            let sentence = format!("The {part} header {says}.");
            wrong.push((format!("{name} {what}"), given(values), body.clone(), sentence));
        }
        if part != "id" {
            let sentence = format!("The {part} header is malformed.");
            wrong.push((format!("{name} nonsense"), given(&["x"]), body.clone(), sentence));
        }
    }
    let mismatch = "The signature does not match.".to_owned();
    let mut flipped = body.clone();
    flipped[0] ^= 1;
    wrong.push(("a flipped bit".to_owned(), headers, flipped, mismatch.clone()));
    let stranger = signed(request, "whsec_bm90IHRoaXMgb25l", now, request.body);
    wrong.push(("another secret".to_owned(), stranger, body.clone(), mismatch));
    if request.signed_at > 0 {
        let old = "The timestamp is too old.".to_owned();
        wrong.push(("as published".to_owned(), request.headers.clone(), body.clone(), old.clone()));
        let replayed = signed(request, request.secret, now - HOUR, request.body);
        wrong.push(("an hour ago".to_owned(), replayed, body.clone(), old));
        let early = signed(request, request.secret, now + HOUR, request.body);
        let future = "The timestamp is in the future.".to_owned();
        wrong.push(("in an hour".to_owned(), early, body, future));
    }
    wrong
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_a_preset_rejects_is_401_and_is_not_produced() {
    let gateway = Running::start("presets-401", &[]).await;
    for request in every_request().into_iter().filter(|request| request.preset != hub().preset) {
        let subscription = known(&gateway, verified(request.preset, &[request.secret])).await;
        for path in paths(&subscription) {
            for (what, headers, body, sentence) in wrong(&request) {
                let answer = send(&gateway, &path, &headers, &body).await;
                let expected = error(&path, &sentence);
                let what = format!("{path} {} {what}", request.preset);
                assert_eq!(written(&answer), (401, expected.as_str()), "{what}");
                assert_eq!(answer.headers["content-type"], "application/json");
            }
        }
    }
    assert_eq!(gateway.deliveries().await, []);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_hub_preset_is_worded_as_the_seeds_do_with_its_headers_name() {
    let gateway = Running::start("presets-hub", &[("WEBHOOK_SECRET_HEADER", "X-Operators")]).await;
    let request = hub();
    let (name, right) = request.headers[0].clone();
    let subscription = known(&gateway, verified(request.preset, &[request.secret])).await;
    let [a, b, b1] = paths(&subscription);
    let missing = "Missing x-seed-signature header.";
    let format = "Invalid x-seed-signature format. Expected 'sha256=...'.";
    let flipped = right.replace("=3", "=4");
    for (headers, (code_a, text_a), (code_b, text_b)) in [
        (vec![], (401, missing), (401, "Signature header missing")),
        // The right signature where the operator has the seeds' stand.
        (vec![("x-operators", &right)], (401, missing), (401, "Signature header missing")),
        (
            vec![(name, &right[7..].to_owned())],
            (401, format),
            (400, "Invalid signature header format"),
        ),
        (
            vec![(name, &"sha1=00".to_owned())],
            (401, format),
            (400, "Unsupported signature hash method"),
        ),
        (vec![(name, &flipped)], (403, "Invalid signature."), (401, "Invalid signature")),
        (
            vec![(name, &right), (name, &right)],
            (403, "Invalid signature."),
            (401, "Invalid signature"),
        ),
    ] {
        let headers = headers.iter().map(|(name, value)| (*name, (*value).clone())).collect();
        for (path, code, text) in
            [(&a, code_a, text_a), (&b, code_b, text_b), (&b1, code_b, text_b)]
        {
            let answer = send(&gateway, path, &headers, request.body).await;
            assert_eq!(written(&answer), (code, &*error(path, text)), "{path} {headers:?}");
        }
    }
    assert_eq!(gateway.deliveries().await, []);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_verification_alone_counts_and_not_the_secret_beside_it() {
    let gateway = Running::start("presets-alone", &[]).await;
    let request = github();
    let name = request.headers[0].0;
    let with_secret = Subscription {
        secret: Some(SecretText::Plain("the seeds'".to_owned())),
        ..verified(request.preset, &[request.secret])
    };
    let with_secret = known(&gateway, with_secret).await;
    let by_secret = sign_hub(&Secret::from_text("the seeds'").unwrap(), request.body);
    for path in paths(&with_secret) {
        let headers = vec![(name, by_secret.clone())];
        let answer = send(&gateway, &path, &headers, request.body).await;
        let expected = error(&path, "The signature does not match.");
        assert_eq!(written(&answer), (401, expected.as_str()));
        let answer = send(&gateway, &path, &request.headers, request.body).await;
        assert_eq!(answer.status, 202, "{path}");
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_active_secret_counts_until_a_new_version_has_it_no_more() {
    let gateway = Running::start("presets-rotated", &[]).await;
    let is_taken = async |request: &Request, path: &str, secret: &str| {
        let now = Timestamp::now().as_second();
        let headers = signed(request, secret, now, request.body);
        let status = send(&gateway, path, &headers, request.body).await.status;
        // The seeds' scheme answers contract A 403.
        assert!([202, 401, 403].contains(&status.as_u16()), "{path} {status}");
        status == 202
    };
    for request in every_request() {
        // Only Standard Webhooks' are base64 for `openssl` here.
        let [old, new, stranger] = if request.preset == standard_webhooks().preset {
            ["whsec_b2xkIG9sZCBvbGQgb2xk", "whsec_bmV3IG5ldyBuZXcgbmV3", "whsec_bm90IHRoaXMgb25l"]
        } else {
            ["the old one", "the new one", "neither"]
        };
        let rotating = known(&gateway, verified(request.preset, &[new, old])).await;
        for path in paths(&rotating) {
            assert!(is_taken(&request, &path, old).await, "{path} {}", request.preset);
            assert!(is_taken(&request, &path, new).await, "{path} {}", request.preset);
            assert!(!is_taken(&request, &path, stranger).await, "{path} {}", request.preset);
        }
        let (version, id) = (2, rotating.id);
        let rotated = Subscription { version, id, ..verified(request.preset, &[new]) };
        gateway.publish(&rotated).await;
        let paths = paths(&rotated);
        eventually(PATIENCE, async || (!is_taken(&request, &paths[0], old).await).then_some(()))
            .await;
        for path in paths {
            assert!(!is_taken(&request, &path, old).await, "{path} {}", request.preset);
            assert!(is_taken(&request, &path, new).await, "{path} {}", request.preset);
        }
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_cannot_be_read_lets_nothing_in() {
    let gateway = Running::start("presets-unreadable", &[]).await;
    let request = standard_webhooks();
    let unreadable = verified(request.preset, &[request.secret, "whsec_%"]);
    let unreadable = known(&gateway, unreadable).await;
    for path in paths(&unreadable) {
        let refused = send(&gateway, &path, &signed_now(&request), request.body).await;
        assert_eq!(written(&refused), (401, &*error(&path, "The signature does not match.")));
    }
    assert_eq!(gateway.deliveries().await, []);
    gateway.stop().await;
}
