//! A steady load of every kind of producer: over the older contract, over `/v1` in all its forms,
//! and straight into `events`; and of what must be refused.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use kafka_loop::producer::{Message, Producer};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};

use crate::api::Api;
use crate::cast::EVENT_TYPES;
use crate::client::Client;
use crate::draw::Draw;
use crate::evidence::{Marker, Subscribed};
use crate::http_load;
use crate::journal::{Draft, Journal};

/// Requests and produced events under way; beyond it the load holds back.
const AT_ONCE: usize = 96;
/// Tries of one event.
pub const TRIES: usize = 4;
/// Between two tries.
pub const TRY_AGAIN: Duration = Duration::from_millis(200);
/// How long the broker may take to acknowledge what is produced straight to `events`.
const PRODUCE_PATIENCE: Duration = Duration::from_secs(6);
/// Padding of a body, at most.
const LONGEST_PAD: usize = 600;

/// What the load is made with.
pub struct Load {
    pub client: Client,
    pub api: Arc<Api>,
    pub journal: Arc<Journal>,
    pub producer: Producer,
    pub events_topic: String,
}

impl Load {
    /// Sends about `rate` events a second until `length` is over, then waits for the last tries.
    pub async fn run(self, seed: u64, rate: u32, length: Duration) {
        let load = Arc::new(self);
        let mut draw = Draw::stream(seed, "load");
        let places = Arc::new(Semaphore::new(AT_ONCE));
        let mut under_way = JoinSet::new();
        let mut ticks = interval(Duration::from_secs(1) / rate.max(1));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let end = Instant::now() + length;
        while Instant::now() < end {
            ticks.tick().await;
            let one = Draw::new(draw.number());
            let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
                load.journal.pages().held_back += 1;
                continue;
            };
            let load = Arc::clone(&load);
            under_way.spawn(async move {
                load.send_one(one).await;
                drop(place);
            });
            while under_way.try_join_next().is_some() {}
        }
        while under_way.join_next().await.is_some() {}
    }

    async fn send_one(&self, mut draw: Draw) {
        let subscribed = self.api.subscribed();
        match draw.below(100) {
            0..35 => http_load::contract_a(self, &subscribed, &mut draw).await,
            35..55 => http_load::to_one(self, &subscribed, &mut draw).await,
            55..68 => http_load::to_all(self, &subscribed, &mut draw).await,
            68..75 => http_load::batch(self, &subscribed, &mut draw).await,
            75..87 => self.produce(&subscribed, &mut draw).await,
            87..88 => self.poison(&mut draw).await,
            _ => http_load::unlawful(self, &subscribed, &mut draw).await,
        }
    }

    /// An event in the binary mode of the Kafka binding.
    async fn produce(&self, subscribed: &[Subscribed], draw: &mut Draw) {
        let marker = self.journal.marker();
        let event_type = event_type(draw);
        let body = body(marker, draw);
        let (must, may) = fan_out(subscribed, event_type);
        let draft = Draft::new(marker, "kafka", body).derived(true);
        let mut draft = draft.must(must).may(may);
        let id = marker.0.to_string();
        let headers: [(&str, &[u8]); 5] = [
            ("ce_specversion", b"1.0"),
            ("ce_id", id.as_bytes()),
            ("ce_source", b"urn:chaos"),
            ("ce_type", event_type.as_bytes()),
            ("content-type", b"application/json"),
        ];
        for _ in 0..TRIES {
            if self.write(id.as_bytes(), &draft.body().clone(), &headers).await {
                draft.accept(Vec::new());
                break;
            }
            draft.lose();
            sleep(TRY_AGAIN).await;
        }
        self.journal.answered("kafka", draft.is_accepted().then_some(202));
        self.journal.pages().sent.push(draft.close());
    }

    /// Bytes that are no event.
    async fn poison(&self, draw: &mut Draw) {
        let poison = Bytes::from(format!("poison {:016x}", draw.number()));
        if self.write(b"poison", &poison, &[]).await {
            self.journal.pages().poison.push(poison);
        }
    }

    async fn write(&self, key: &[u8], value: &[u8], headers: &[(&str, &[u8])]) -> bool {
        let topic = &self.events_topic;
        let Ok(sent) = self.producer.send(Message { topic, key, value, headers }) else {
            return false;
        };
        matches!(timeout(PRODUCE_PATIENCE, sent).await, Ok(Ok(_)))
    }
}

/// A type, as often as the cast says.
pub fn event_type(draw: &mut Draw) -> &'static str {
    let mut left = draw.below(EVENT_TYPES.iter().map(|(_, weight)| weight).sum());
    for (name, weight) in EVENT_TYPES {
        match left.checked_sub(weight) {
            Some(rest) => left = rest,
            None => return name,
        }
    }
    EVENT_TYPES[0].0
}

/// A JSON object with the marker in it.
pub fn body(marker: Marker, draw: &mut Draw) -> Bytes {
    let pad = "x".repeat(draw.below(LONGEST_PAD));
    Bytes::from(format!(r#"{{"marker":{},"pad":"{pad}"}}"#, marker.0))
}

type Ids = Vec<pipeline::ids::SubscriptionId>;

/// Whom an event of this type must reach, and who may have been deleted meanwhile.
pub fn fan_out(subscribed: &[Subscribed], event_type: &str) -> (Ids, Ids) {
    let wanting = subscribed.iter().filter(|s| s.member.wants(event_type));
    let (may, must): (Vec<_>, Vec<_>) = wanting.partition(|s| s.member.deletable);
    let ids = |list: Vec<&Subscribed>| list.into_iter().map(|s| s.id).collect();
    (ids(must), ids(may))
}
