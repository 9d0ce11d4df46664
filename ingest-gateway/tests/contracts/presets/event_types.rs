//! Which type the filter sees; where each provider names it is tested beside the code.

use jiff::Timestamp;
use pipeline::subscription::Subscription;
use serde_json::json;

use super::{Headers, error, known, paths, send, signed, verified};
use crate::published_requests::{github, stripe};
use crate::running::{Running, written};

const KIND: &str = "x-kind";

#[tokio::test(flavor = "multi_thread")]
async fn the_filter_sees_the_operators_header_or_else_what_the_provider_says() {
    let gateway = Running::start("presets-types", &[("WEBHOOK_EVENT_TYPE_HEADER", "X-Kind")]).await;
    let request = github();
    let subscription = Subscription {
        event_types: Some(vec!["push".to_owned()]),
        ..verified(request.preset, &[request.secret])
    };
    let subscription = known(&gateway, subscription).await;
    // Its body names a type for the seeds; GitHub does not.
    let body = br#"{"payload": {}, "event_type": "seeds", "type": "push"}"#;
    let right = signed(&request, request.secret, 0, body);
    for path in paths(&subscription) {
        let is_a = path.starts_with("/ingest");
        let missing = if is_a {
            let text = "Event type filter configured for subscription, but 'event_type' field is \
                        missing in the payload.";
            (400, error(&path, text))
        } else {
            let text = "Subscription has event type filter, but no 'X-Kind' header provided. \
                        Delivery skipped";
            (202, error(&path, text))
        };
        let other = |event_type: &str| {
            let text = if is_a {
                format!("Webhook accepted but filtered by event type: '{event_type}'.")
            } else {
                format!("Event type '{event_type}' filtered, delivery skipped")
            };
            (202, json!({ "message": text }).to_string())
        };
        for (types, (status, text)) in [
            (&[][..], missing.clone()),
            (&[("x-github-event", "ping")], other("ping")),
            (&[("x-github-event", "push"), (KIND, "ping")], other("ping")),
            (&[("x-github-event", "Push")], other("Push")),
        ] {
            let answer = send(&gateway, &path, &with(&right, types), body).await;
            assert_eq!(written(&answer), (status, text.as_str()), "{path} {types:?}");
        }
        let before = gateway.deliveries().await.len();
        for types in [
            &[("x-github-event", "push")][..],
            &[("x-github-event", "ping"), (KIND, "push")],
            &[("x-github-event", "push"), (KIND, "")],
        ] {
            let answer = send(&gateway, &path, &with(&right, types), body).await;
            assert_eq!(answer.status, 202, "{path} {types:?}");
        }
        let deliveries = gateway.deliveries().await;
        assert_eq!(deliveries.len(), before + 3, "{path}");
        assert!(deliveries.iter().all(|(_, it)| it.event_type.as_deref() == Some("push")));
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_signature_stands_before_the_filter_and_the_type_goes_with_the_delivery() {
    let gateway = Running::start("presets-type-late", &[]).await;
    let request = stripe();
    let plain = known(&gateway, verified(request.preset, &[request.secret])).await;
    let filtered = Subscription {
        event_types: Some(vec!["other".to_owned()]),
        ..verified(request.preset, &[request.secret])
    };
    let filtered = known(&gateway, filtered).await;
    let now = Timestamp::now().as_second();
    for path in paths(&filtered) {
        let stranger = signed(&request, "stranger", now, request.body);
        assert_eq!(send(&gateway, &path, &stranger, request.body).await.status, 401);
        let right = signed(&request, request.secret, now, request.body);
        assert_eq!(send(&gateway, &path, &right, request.body).await.status, 202);
    }
    assert_eq!(gateway.deliveries().await, []);
    for path in paths(&plain) {
        let right = signed(&request, request.secret, now, request.body);
        assert_eq!(send(&gateway, &path, &right, request.body).await.status, 202);
    }
    let body: serde_json::Value = serde_json::from_slice(request.body).unwrap();
    let deliveries = gateway.deliveries().await;
    assert_eq!(deliveries.len(), 3);
    assert!(deliveries.iter().all(|(_, it)| it.event_type.as_deref() == body["type"].as_str()));
    gateway.stop().await;
}

fn with(headers: &Headers, more: &[(&'static str, &str)]) -> Headers {
    let more = more.iter().map(|(name, value)| (*name, (*value).to_owned()));
    headers.iter().cloned().chain(more).collect()
}
