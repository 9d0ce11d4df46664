//! The load's requests, each with its tries and what they came to.

use bytes::Bytes;
use hyper::Method;
use pipeline::ids::{DeliveryId, SubscriptionId};
use serde_json::Value;
use signature::{Secret, sign_hub};
use tokio::time::sleep;

use crate::cast::{Contract, UNWANTED_TYPE};
use crate::client::Answer;
use crate::draw::Draw;
use crate::evidence::{Marker, Subscribed};
use crate::journal::Draft;
use crate::load::{Load, TRIES, TRY_AGAIN, body, event_type, fan_out};

const JSON: (&str, &str) = ("content-type", "application/json");
const SIGNATURE: &str = "x-hub-signature-256";
const EVENT_TYPE: &str = "x-event-type";
const KEY: &str = "idempotency-key";
/// Items of a batch.
const BATCH: usize = 5;
/// Over the gateway's bound of 256 KiB.
const TOO_LARGE: usize = 300 << 10;
/// Of a hundred: a client that sends its request twice although it was answered.
const REPEATS: usize = 10;

/// A signed event over the older contract, for one subscription.
pub async fn contract_a(load: &Load, subscribed: &[Subscribed], draw: &mut Draw) {
    let of_a: Vec<&Subscribed> =
        subscribed.iter().filter(|s| s.member.contract == Contract::A).collect();
    let Some(to) = draw.pick(&of_a) else { return };
    let event_type =
        draw.pick(&to.member.event_types).unwrap_or_else(|| event_type(draw).to_owned());
    let marker = load.journal.marker();
    let body = ingest_body(marker, &event_type, draw);
    // What was made with it verifies what comes in, also after a rotation.
    let signed = signed(&to.member.secret, &body);
    let mut draft = Draft::new(marker, "contract A", body).must([to.id]);
    let path = format!("/ingest/{}", to.id);
    let headers = [JSON, (SIGNATURE, signed.as_str())];
    tries(load, &mut draft, &path, &headers, 0, draw, |answer| {
        let id: DeliveryId = answer.json()["webhook_id"].as_str()?.parse().ok()?;
        Some(vec![(id, to.id)])
    })
    .await;
    load.journal.pages().sent.push(draft.close());
}

/// An event over `/v1` for one subscription, with and without a key.
pub async fn to_one(load: &Load, subscribed: &[Subscribed], draw: &mut Draw) {
    let Some(to) = draw.pick(subscribed) else { return };
    // One drawn type in ten is wanted at least; who wants none of twenty gets nothing.
    let drawn = std::iter::repeat_with(|| event_type(draw)).take(20);
    let Some(event_type) = drawn.into_iter().find(|drawn| to.member.wants(drawn)) else { return };
    let marker = load.journal.marker();
    let keyed = draw.chance(60);
    let draft = Draft::new(marker, "one", body(marker, draw)).derived(keyed);
    let mut draft = draft.must([to.id]);
    let path = format!("/v1/subscriptions/{}/events", to.id);
    publish(load, &mut draft, &path, event_type, keyed, draw).await;
    load.journal.pages().sent.push(draft.close());
}

/// An event over `/v1` for whoever wants it.
pub async fn to_all(load: &Load, subscribed: &[Subscribed], draw: &mut Draw) {
    let marker = load.journal.marker();
    let event_type = event_type(draw);
    let keyed = draw.chance(60);
    let (must, may) = fan_out(subscribed, event_type);
    let draft = Draft::new(marker, "fan-out", body(marker, draw)).derived(keyed);
    let mut draft = draft.must(must.clone()).may(may);
    publish(load, &mut draft, "/v1/events", event_type, keyed, draw).await;
    load.journal.pages().sent.push(draft.close());
}

async fn publish(
    load: &Load,
    draft: &mut Draft,
    path: &str,
    event_type: &str,
    keyed: bool,
    draw: &mut Draw,
) {
    let key = format!("key-{}", draft.marker().0);
    let mut headers = vec![JSON, (EVENT_TYPE, event_type)];
    if keyed {
        headers.push((KEY, key.as_str()));
    }
    let repeats = if keyed { REPEATS } else { 0 };
    let sure = draft.sure();
    tries(load, draft, path, &headers, repeats, draw, |answer| accepted_ids(&answer.json(), &sure))
        .await;
}

/// Several events in one request; each stands for itself.
pub async fn batch(load: &Load, subscribed: &[Subscribed], draw: &mut Draw) {
    let keyed = draw.chance(60);
    let mut drafts = Vec::new();
    let mut lines = String::new();
    for _ in 0..BATCH {
        let marker = load.journal.marker();
        let event_type = event_type(draw);
        let data = body(marker, draw);
        let (must, may) = fan_out(subscribed, event_type);
        let text = String::from_utf8_lossy(&data).into_owned();
        lines.push_str(&format!("{{\"event_type\":\"{event_type}\",\"data\":{text}}}\n"));
        drafts.push(Draft::new(marker, "batch", data).derived(keyed).must(must).may(may));
    }
    let key = format!("batch-{}", drafts[0].marker().0);
    let mut headers = vec![("content-type", "application/x-ndjson")];
    if keyed {
        headers.push((KEY, key.as_str()));
    }
    for _ in 0..TRIES {
        let url = format!("{}/v1/events", load.api.gateway());
        let answer =
            load.client.send(Method::POST, &url, &headers, Bytes::from(lines.clone())).await;
        load.journal.answered("batch", answer.as_ref().map(|answer| answer.status));
        let results = answer.map(|answer| answer.json()["results"].clone()).unwrap_or_default();
        for (place, draft) in drafts.iter_mut().enumerate() {
            let sure = draft.sure();
            match accepted_ids(&results[place], &sure) {
                Some(ids) => draft.accept(ids),
                None => draft.lose(),
            }
        }
        if drafts.iter().all(Draft::is_accepted) {
            break;
        }
        sleep(TRY_AGAIN).await;
    }
    load.journal.pages().sent.extend(drafts.into_iter().map(Draft::close));
}

/// What must be refused or filtered, and reach nobody.
pub async fn unlawful(load: &Load, subscribed: &[Subscribed], draw: &mut Draw) {
    let marker = load.journal.marker();
    let of = |contract| {
        let of = subscribed.iter().filter(move |s| s.member.contract == contract);
        of.filter(|s| !s.member.deletable && !s.member.event_types.is_empty())
            .collect::<Vec<&Subscribed>>()
    };
    let (of_a, of_own) = (of(Contract::A), of(Contract::Own));
    let (Some(a), Some(own)) = (draw.pick(&of_a), draw.pick(&of_own)) else { return };
    let ingest = format!("/ingest/{}", a.id);
    let wanted = a.member.event_types[0].as_str();
    let (way, path, body, headers): (_, _, _, Vec<(&str, String)>) = match draw.below(10) {
        0..2 => {
            let body = ingest_body(marker, wanted, draw);
            let headers = vec![(SIGNATURE, signed("not the secret", &body))];
            ("bad signature", ingest, body, headers)
        }
        2..4 => ("no signature", ingest, ingest_body(marker, wanted, draw), Vec::new()),
        4..6 => {
            let body = ingest_body(marker, UNWANTED_TYPE, draw);
            let headers = vec![(SIGNATURE, signed(&a.member.secret, &body))];
            ("filtered on A", ingest, body, headers)
        }
        6..9 => {
            let path = format!("/v1/subscriptions/{}/events", own.id);
            let headers = vec![(EVENT_TYPE, UNWANTED_TYPE.to_owned())];
            ("filtered on /v1", path, body(marker, draw), headers)
        }
        _ => {
            let pad = "x".repeat(TOO_LARGE);
            let body = Bytes::from(format!(r#"{{"marker":{},"pad":"{pad}"}}"#, marker.0));
            let headers = vec![(EVENT_TYPE, wanted.to_owned())];
            ("too large", "/v1/events".to_owned(), body, headers)
        }
    };
    let mut draft = Draft::new(marker, way, body);
    let headers: Vec<(&str, &str)> =
        headers.iter().map(|(name, value)| (*name, value.as_str())).chain([JSON]).collect();
    let url = format!("{}{path}", load.api.gateway());
    let answer = load.client.send(Method::POST, &url, &headers, draft.body().clone()).await;
    load.journal.answered(way, answer.as_ref().map(|answer| answer.status));
    match answer {
        // An acceptance that it must not have: whom it names is found as not meant for.
        Some(answer) if names_a_delivery(&answer.json()) => draft.accept(Vec::new()),
        Some(answer) if answer.status < 500 => draft.refuse(answer.status),
        _ => draft.lose(),
    }
    load.journal.pages().sent.push(draft.close());
}

/// Sends until it is accepted or refused, and of a hundred accepted ones `repeats` once more.
async fn tries(
    load: &Load,
    draft: &mut Draft,
    path: &str,
    headers: &[(&str, &str)],
    repeats: usize,
    draw: &mut Draw,
    ids: impl Fn(&Answer) -> Option<Vec<(DeliveryId, SubscriptionId)>>,
) {
    let way = draft.way();
    for _ in 0..TRIES {
        let url = format!("{}{path}", load.api.gateway());
        let answer = load.client.send(Method::POST, &url, headers, draft.body().clone()).await;
        load.journal.answered(way, answer.as_ref().map(|answer| answer.status));
        match answer {
            Some(answer) if answer.status == 202 => match ids(&answer) {
                Some(ids) => draft.accept(ids),
                None => draft.refuse(202),
            },
            Some(answer) if answer.status < 500 => draft.refuse(answer.status),
            _ => {
                draft.lose();
                sleep(TRY_AGAIN).await;
                continue;
            }
        }
        if !draw.chance(repeats) {
            break;
        }
    }
}

/// The ids that an answer names, of those subscriptions that are sure to get the event: for
/// others it is a forecast. `None` if the event is not accepted.
fn accepted_ids(
    answer: &Value,
    sure: &[SubscriptionId],
) -> Option<Vec<(DeliveryId, SubscriptionId)>> {
    if answer["status"] != "accepted" {
        return None;
    }
    let listed = answer["deliveries"].as_array().into_iter().flatten();
    let ids = listed.filter_map(|listed| {
        let id = listed["delivery_id"].as_str()?.parse().ok()?;
        let subscription = listed["subscription_id"].as_str()?.parse().ok()?;
        Some((id, subscription))
    });
    Some(ids.filter(|(_, subscription)| sure.contains(subscription)).collect())
}

fn names_a_delivery(answer: &Value) -> bool {
    answer["webhook_id"].is_string() || answer["status"] == "accepted"
}

fn ingest_body(marker: Marker, event_type: &str, draw: &mut Draw) -> Bytes {
    let payload = body(marker, draw);
    let payload = String::from_utf8_lossy(&payload);
    Bytes::from(format!(r#"{{"payload":{payload},"event_type":"{event_type}"}}"#))
}

fn signed(secret: &str, body: &[u8]) -> String {
    Secret::from_text(secret).map(|secret| sign_hub(&secret, body)).unwrap_or_default()
}
