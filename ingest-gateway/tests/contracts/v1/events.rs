//! One event, in each form that a request can have.

use std::collections::BTreeSet;

use pipeline::delivery::Delivery;
use pipeline::ids::SubscriptionId;
use pipeline::payload_filter::PayloadFilter;
use pipeline::subscription::{Options, Subscription};
use serde_json::{Value, json};
use test_bed::{Answer, eventually};

use crate::running::{PATIENCE, Running};

const JSON: (&str, &str) = ("Content-Type", "application/json");
const TYPE: (&str, &str) = ("X-Event-Type", "order.created");

async fn post(gateway: &Running, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    gateway.http.post(&gateway.url(path), headers, body.to_owned()).await
}

/// The deliveries, once there are `count`.
async fn deliveries(gateway: &Running, count: usize) -> Vec<Delivery> {
    eventually(PATIENCE, async || {
        let all = gateway.deliveries().await;
        (all.len() >= count).then(|| all.into_iter().map(|(_, delivery)| delivery).collect())
    })
    .await
}

fn code(answer: &Answer) -> (u16, String) {
    let code = answer.json()["code"].as_str().unwrap_or_default().to_owned();
    (answer.status.as_u16(), code)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_form_of_an_event_is_delivered_as_what_it_says() {
    let gateway = Running::start("v1-forms", &[]).await;
    let id = gateway.subscribe(None, &[]).await;
    let path = format!("/v1/subscriptions/{id}/events");
    let ce = [
        ("ce-specversion", "1.0"),
        ("ce-id", "b-1"),
        ("ce-source", "/shop"),
        ("ce-type", "order.paid"),
        ("ce-subject", "Euro%20%E2%82%AC"),
    ];
    let binary = [&ce[..], &[("Content-Type", "text/plain")]].concat();
    let structured = [("Content-Type", "application/cloudevents+json; charset=utf-8")];
    for (headers, body) in [
        (&[JSON, TYPE][..], r#"{"n": 1.0}"#),
        (&[("Content-Type", "image/png"), TYPE], "\u{1}no JSON"),
        (&[JSON], r#" {"event_type":"order.created","data":{"n": 2.0}}"#),
        (&binary, "plain"),
        (
            &structured,
            r#"{"specversion":"1.0","id":"s-1","source":"/shop","type":"order.sent","data":[1, 2]}"#,
        ),
    ] {
        let answer = post(&gateway, &path, headers, body).await;
        assert_eq!(answer.status, 202, "{answer:?}");
        assert_eq!(answer.json()["status"], "accepted");
        assert_eq!(answer.json()["delivery_count"], 1);
        assert_eq!(answer.json()["deliveries"][0]["subscription_id"], id);
    }
    let records = deliveries(&gateway, 5).await;
    let seen: BTreeSet<_> = records
        .iter()
        .map(|delivery| {
            let body = String::from_utf8(delivery.body.to_vec()).unwrap();
            (body, delivery.content_type.clone(), delivery.event_type.clone().unwrap())
        })
        .collect();
    let expected = [
        (r#"{"n": 1.0}"#, "application/json", "order.created"),
        ("\u{1}no JSON", "image/png", "order.created"),
        (r#"{"n": 2.0}"#, "application/json", "order.created"),
        ("plain", "text/plain", "order.paid"),
        ("[1, 2]", "application/json", "order.sent"),
    ];
    let own =
        |(body, content, kind): (&str, &str, &str)| (body.into(), content.into(), kind.into());
    assert_eq!(seen, expected.into_iter().map(own).collect());
    let paid = records.iter().find(|d| d.event_type.as_deref() == Some("order.paid")).unwrap();
    assert!(paid.attributes.contains(&("subject".into(), "Euro \u{20ac}".into())));
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_for_all_goes_to_each_that_wants_it_with_the_ids_that_were_forecast() {
    let gateway = Running::start("v1-fan-out", &[]).await;
    let mut wanting = BTreeSet::new();
    for types in [&[][..], &["order.created"], &["order.*"], &["*"]] {
        wanting.insert(gateway.subscribe(None, types).await);
    }
    gateway.subscribe(None, &["user.*"]).await;
    let answer = post(&gateway, "/v1/events", &[JSON, TYPE], r#"{"n":1}"#).await.json();
    assert_eq!(answer["delivery_count"], 4);
    let pair = |listed: &Value| {
        ["delivery_id", "subscription_id"].map(|name| listed[name].as_str().unwrap().to_owned())
    };
    let forecast: BTreeSet<_> = answer["deliveries"].as_array().unwrap().iter().map(pair).collect();
    let records = deliveries(&gateway, 4).await;
    let made: BTreeSet<_> =
        records.iter().map(|d| [d.id.to_string(), d.subscription_id.to_string()]).collect();
    assert_eq!(made, forecast);
    assert_eq!(made.into_iter().map(|[_, id]| id).collect::<BTreeSet<_>>(), wanting);
    assert!(records.iter().all(|delivery| delivery.body == r#"{"n":1}"#));

    // Its own extension addresses one of them.
    let one = wanting.first().unwrap();
    let event = json!({"specversion": "1.0", "id": "1", "source": "/s", "type": "user.created",
        "subscription": one, "data": 1});
    let structured = [("Content-Type", "application/cloudevents+json")];
    let answer = post(&gateway, "/v1/events", &structured, &event.to_string()).await;
    assert_eq!(answer.status, 202);
    assert!(answer.json()["delivery_count"].as_u64().unwrap() <= 1);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_its_subscription_does_not_want_is_told_and_not_written() {
    let gateway = Running::start("v1-filtered", &[]).await;
    let by_type = gateway.subscribe(None, &["user.*"]).await;
    let path = format!("/v1/subscriptions/{by_type}/events");
    let answer = post(&gateway, &path, &[JSON, TYPE], "1").await;
    assert_eq!((answer.status.as_u16(), &answer.json()["status"]), (202, &json!("filtered")));
    assert_eq!(answer.json()["reason"], "event_type");

    let id = SubscriptionId::from_uuid(uuid::Uuid::new_v4());
    let filter = PayloadFilter::new("$[?@.amount > 100]").unwrap();
    let by_payload = Subscription {
        options: Options { filter: Some(filter), ..Options::default() },
        ..Subscription::new(id, "https://example.com/", jiff::Timestamp::now())
    };
    gateway.publish(&by_payload).await;
    let path = format!("/v1/subscriptions/{id}/events");
    let answer = eventually(PATIENCE, async || {
        let answer = post(&gateway, &path, &[JSON, TYPE], r#"{"amount":100}"#).await;
        (answer.status == 202).then_some(answer)
    })
    .await;
    assert_eq!(answer.json()["reason"], "payload");
    let answer = post(&gateway, &path, &[JSON, TYPE], r#"{"amount":101}"#).await;
    assert_eq!(answer.json()["status"], "accepted");
    // The older contracts' ingest routes ask the filter too; the body is the whole request's.
    let body = r#"{"payload":{},"amount":1}"#;
    for (path, text) in [
        (format!("/ingest/{id}"), "Webhook accepted but filtered by payload."),
        (format!("/api/ingest/{id}"), "Payload filtered, delivery skipped"),
    ] {
        let answer = post(&gateway, &path, &[JSON], body).await;
        assert_eq!((answer.status.as_u16(), answer.json()), (202, json!({ "message": text })));
    }
    let answer = post(&gateway, "/v1/events", &[JSON, TYPE], r#"{"amount":1}"#).await;
    assert_eq!(answer.json()["delivery_count"], 0);
    let answer = post(&gateway, "/v1/events", &[JSON, TYPE], r#"{"amount":1000}"#).await;
    assert_eq!(answer.json()["delivery_count"], 1);
    let bodies: Vec<_> = deliveries(&gateway, 2).await.into_iter().map(|d| d.body).collect();
    assert_eq!(bodies, [r#"{"amount":101}"#, r#"{"amount":1000}"#]);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_no_event_is_a_problem_with_a_code() {
    let gateway = Running::start("v1-refused", &[("HOOKLOG_MAX_BODY", "1KiB")]).await;
    let id = gateway.subscribe(None, &[]).await;
    let gzip = ("Content-Encoding", "gzip");
    let long = format!("\"{}\"", "x".repeat(2_000));
    let deep = "[".repeat(100) + &"]".repeat(100);
    for (headers, body, expected) in [
        (&[("Content-Type", "text/plain")][..], "x", (400, "event_type_missing")),
        (&[JSON], "{", (400, "malformed_json")),
        (&[JSON], "", (400, "invalid_event")),
        (&[JSON], "7", (400, "invalid_event")),
        (&[JSON], r#"{"event_type":"t"}"#, (400, "invalid_event")),
        (&[JSON, TYPE], "NaN", (400, "malformed_json")),
        (&[JSON, TYPE], "\"\u{0}\"", (400, "malformed_json")),
        (&[JSON, TYPE], &long, (413, "payload_too_large")),
        (&[JSON], &long, (413, "payload_too_large")),
        (&[JSON, TYPE, gzip], "1", (415, "unsupported_media_type")),
        (&[JSON, TYPE, ("Idempotency-Key", "a b")], "1", (400, "invalid_idempotency_key")),
        (&[JSON, ("ce-id", "1")], "1", (400, "invalid_cloud_event")),
        (&[("Content-Type", "application/cloudevents+json")], "{}", (400, "invalid_cloud_event")),
        (&[JSON], "[]", (400, "empty_batch")),
        (&[("Content-Type", "application/x-ndjson")], "\n", (400, "empty_batch")),
        (&[JSON, TYPE], &deep, (202, "")),
        (&[JSON, TYPE], r#""\ud800""#, (202, "")),
    ] {
        for path in ["/v1/events", "/v1/events/", &format!("/v1/subscriptions/{id}/events")] {
            let answer = post(&gateway, path, headers, body).await;
            assert_eq!(code(&answer), (expected.0, expected.1.to_owned()), "{headers:?} {body}");
            if expected.0 != 202 {
                assert_eq!(answer.headers["content-type"], "application/problem+json");
            }
        }
    }
    let nobody = uuid::Uuid::new_v4();
    for path in [format!("/v1/subscriptions/{nobody}/events"), "/v1/subscriptions/x/events".into()]
    {
        let answer = post(&gateway, &path, &[JSON, TYPE], "1").await;
        assert_eq!(code(&answer), (404, "subscription_not_found".to_owned()));
    }
    let answer = gateway.get("/v1/events").await;
    assert_eq!(code(&answer), (405, "method_not_allowed".to_owned()));
    assert_eq!(code(&gateway.get("/v1/nothing").await), (404, "no_such_route".to_owned()));
    gateway.stop().await;
}
