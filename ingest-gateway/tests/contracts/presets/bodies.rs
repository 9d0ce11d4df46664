//! Which bodies are taken, and what is delivered of them.

use bytes::Bytes;

use super::{Headers, error, known, paths, send, signed, signed_now, verified};
use crate::openssl::hmac;
use crate::published_requests::{github, slack};
use crate::running::{CANONICAL, CANONICAL_SECRET, Running, written};

#[tokio::test(flavor = "multi_thread")]
async fn slacks_form_is_delivered_byte_for_byte_with_its_content_type() {
    let gateway = Running::start("presets-form", &[]).await;
    let request = slack();
    let subscription = known(&gateway, verified(request.preset, &[request.secret])).await;
    let form = "application/x-www-form-urlencoded";
    for path in paths(&subscription) {
        let mut headers = signed_now(&request);
        headers.push(("content-type", form.to_owned()));
        assert_eq!(send(&gateway, &path, &headers, request.body).await.status, 202, "{path}");
    }
    let deliveries = gateway.deliveries().await;
    assert_eq!(deliveries.len(), 3);
    for (key, delivery) in deliveries {
        assert_eq!(key, subscription.id.to_string().as_bytes());
        assert_eq!(delivery.body, request.body);
        assert_eq!(delivery.content_type, form);
        assert_eq!(delivery.event_type, None);
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn any_body_up_to_the_limit_is_taken_with_a_verification_and_only_with_one() {
    let gateway = Running::start("presets-any-body", &[("HOOKLOG_MAX_BODY", "1KiB")]).await;
    let request = github();
    let subscription = known(&gateway, verified(request.preset, &[request.secret])).await;
    let plain = gateway.subscribe(None, &[]).await;
    let by_secret = gateway.subscribe(Some(request.secret), &[]).await;
    let largest = vec![b'x'; 1_024];
    let bodies = [&b""[..], b"\xff\x00\n", b"[1]", b"{\"a\": 1}  ", b"a=b&c", &largest];
    for path in paths(&subscription) {
        for body in bodies {
            let mut headers = signed(&request, request.secret, 0, body);
            for content_type in [None, Some("text/plain"), Some("application/json")] {
                headers.truncate(1);
                headers.extend(content_type.map(|text| ("content-type", text.to_owned())));
                let answer = send(&gateway, &path, &headers, body).await;
                assert_eq!(answer.status, 202, "{path} {headers:?} {body:?}");
            }
        }
        let over = [&largest[..], b"x"].concat();
        let headers = signed(&request, request.secret, 0, &over);
        let answer = send(&gateway, &path, &headers, &over).await;
        assert_eq!(written(&answer), (413, &*error(&path, "Payload too large.")));
        let mut compressed = signed(&request, request.secret, 0, b"x");
        compressed.push(("content-encoding", "gzip".to_owned()));
        assert_eq!(send(&gateway, &path, &compressed, b"x").await.status, 415);
    }
    let delivered: Vec<Bytes> =
        gateway.deliveries().await.into_iter().map(|(_, delivery)| delivery.body).collect();
    let expected: Vec<&[u8]> =
        [bodies; 3].concat().into_iter().flat_map(|body| [body; 3]).collect();
    assert_eq!(delivered, expected);

    for id in [plain, by_secret] {
        for body in bodies {
            let headers = signed(&request, request.secret, 0, body);
            let in_a = send(&gateway, &format!("/ingest/{id}"), &headers, body).await;
            assert_eq!(in_a.status, 422, "{body:?}");
            let in_b = send(&gateway, &format!("/api/ingest/{id}"), &headers, body).await;
            assert_eq!(written(&in_b).0, 415, "{body:?}");
        }
    }
    assert_eq!(gateway.deliveries().await.len(), expected.len());
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_hub_preset_takes_the_raw_body_or_else_its_canonical_form() {
    let gateway = Running::start("presets-form-of-hub", &[]).await;
    let preset = r#"{"preset":"hub","header":"X-Seed-Signature"}"#;
    let subscription = known(&gateway, verified(preset, &[CANONICAL_SECRET])).await;
    let github = known(&gateway, verified(github().preset, &[CANONICAL_SECRET])).await;
    let mut expected = Vec::new();
    for path in paths(&subscription) {
        for (raw, form, of_form) in CANONICAL {
            let of_raw = hmac("sha256", CANONICAL_SECRET.as_bytes(), raw.as_bytes());
            let of_raw = format!("sha256={}", hex::encode(of_raw));
            for (signature, delivered) in [(of_form, form), (of_raw.as_str(), raw)] {
                let headers: Headers = vec![("x-seed-signature", signature.to_owned())];
                let answer = send(&gateway, &path, &headers, raw.as_bytes()).await;
                assert_eq!(answer.status, 202, "{path} {answer:?}");
                expected.push(delivered);
            }
        }
    }
    for path in paths(&github) {
        let (raw, _, of_form) = CANONICAL[0];
        let headers: Headers = vec![("x-hub-signature-256", of_form.to_owned())];
        let answer = send(&gateway, &path, &headers, raw.as_bytes()).await;
        assert_eq!(answer.status, 401, "{path}");
    }
    let delivered: Vec<Bytes> =
        gateway.deliveries().await.into_iter().map(|(_, delivery)| delivery.body).collect();
    assert_eq!(delivered, expected);
    gateway.stop().await;
}
