//! `GET /v1/stream`.

use std::time::{Duration, Instant};

use kafka_loop::producer::{Message, Producer};
use pipeline::outcome::Outcome;
use serde_json::Value;
use test_bed::eventually;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::own_subscription::problem;
use crate::running::{PATIENCE, Running};

const FIXTURE: &[u8] = include_bytes!("../../../../pipeline/tests/fixtures/outcome-v1.json");

/// A client that reads on, as a browser does.
struct Client {
    stream: TcpStream,
    read: String,
}

impl Client {
    /// Asks, and waits for the answer's head.
    async fn ask(gateway: &Running, query: &str) -> Self {
        let mut stream = TcpStream::connect(&gateway.address).await.unwrap();
        let request = format!("GET /v1/stream{query} HTTP/1.1\r\nhost: x\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut client = Self { stream, read: String::new() };
        client.read_until("\r\n\r\n").await;
        client
    }

    /// Reads until `text` has come; everything that has come by then.
    async fn read_until(&mut self, text: &str) -> &str {
        let read = async {
            while !self.read.contains(text) {
                let mut bytes = vec![0; 16_384];
                let count = self.stream.read(&mut bytes).await.unwrap();
                assert!(count > 0, "it ended before {text}: {}", self.read);
                self.read.push_str(str::from_utf8(&bytes[..count]).unwrap());
            }
        };
        tokio::time::timeout(PATIENCE, read).await.expect("it comes in time");
        &self.read
    }

    /// Whether the other side has ended the connection.
    async fn ends(&mut self) {
        let mut bytes = vec![0; 16_384];
        let read = async { while self.stream.read(&mut bytes).await.unwrap_or(0) > 0 {} };
        tokio::time::timeout(PATIENCE, read).await.expect("it ends");
    }
}

/// Writes the fixture as the consumer does, with this attempt's number and state.
async fn write(gateway: &Running, attempt: u32, state: &str) {
    let kafka = gateway.bed.kafka();
    let producer = Producer::new(&kafka, None).unwrap();
    let mut value: Value = serde_json::from_slice(FIXTURE).unwrap();
    value["attempt"] = attempt.into();
    value["state"] = state.into();
    let outcome = Outcome::decode(value.to_string().as_bytes()).unwrap();
    let (topic, key) = (kafka.topics.outcomes(), outcome.subscription_id.to_string());
    let value = outcome.encode();
    let message = Message { topic: &topic, key: key.as_bytes(), value: &value, headers: &[] };
    producer.write(message).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn outcomes_come_from_the_answers_head_on_as_they_stand_in_the_topic() {
    let gateway = Running::start("v1-stream", &[]).await;
    write(&gateway, 1, "pending").await;
    let mut all = Client::ask(&gateway, "").await;
    assert!(all.read.starts_with("HTTP/1.1 200 OK\r\n"), "{}", all.read);
    assert!(all.read.contains("content-type: text/event-stream\r\n"));
    let mut cancelled = Client::ask(&gateway, "?status=cancelled,delivered").await;
    write(&gateway, 2, "retrying").await;
    write(&gateway, 3, "cancelled").await;
    let read = all.read_until("\"attempt\":3").await;
    assert!(read.contains("\"attempt\":2") && !read.contains("\"attempt\":1"), "{read}");
    assert!(read.contains("event: outcome\n"));
    let records = gateway.bed.records(&gateway.bed.kafka().topics.outcomes()).await;
    for record in &records[1..] {
        let value = str::from_utf8(record.value.as_ref().unwrap()).unwrap();
        assert!(read.contains(&format!("data: {value}\n")), "{value}");
        assert!(read.contains(&format!("id: {}:{}\n", record.partition, record.offset)));
    }
    let read = cancelled.read_until("\"attempt\":3").await;
    assert!(!read.contains("\"attempt\":2"), "{read}");
    let answer = gateway.get("/v1/stream?status=done").await;
    assert_eq!(problem(&answer), (400, "invalid_query".to_owned()));
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_have_places_that_they_give_back_and_a_shutdown_ends_them_at_once() {
    let gateway = Running::start("v1-stream-places", &[]).await;
    let mut readers = Vec::new();
    for _ in 0..64 {
        readers.push(Client::ask(&gateway, "").await);
    }
    let refused = Client::ask(&gateway, "").await;
    assert!(refused.read.starts_with("HTTP/1.1 503"), "{}", refused.read);
    assert!(refused.read.contains("retry-after: 1\r\n"));
    readers.clear();
    // A client that has gone is noticed when something is written to it.
    let mut reader = eventually(PATIENCE, async || {
        write(&gateway, 1, "pending").await;
        let client = Client::ask(&gateway, "").await;
        client.read.starts_with("HTTP/1.1 200").then_some(client)
    })
    .await;
    write(&gateway, 7, "pending").await;
    reader.read_until("\"attempt\":7").await;
    let asked = Instant::now();
    let (_, ()) = tokio::join!(gateway.stop(), reader.ends());
    assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
}
