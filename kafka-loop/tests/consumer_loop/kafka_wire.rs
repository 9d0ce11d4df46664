//! Two requests of Kafka's protocol that rdkafka has no function for.

use kafka_loop::KafkaSettings;
use test_bed::eventually;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::SOON;

const OFFSET_COMMIT: i16 = 8;
const LEAVE_GROUP: i16 = 13;

fn push_text(body: &mut Vec<u8>, text: &[u8]) {
    body.extend((text.len() as i16).to_be_bytes());
    body.extend(text);
}

/// Sends one request; returns the body of the answer.
async fn ask(kafka: &KafkaSettings, api: i16, version: i16, body: &[u8]) -> Vec<u8> {
    let mut request = Vec::new();
    request.extend(api.to_be_bytes());
    request.extend(version.to_be_bytes());
    request.extend(7_i32.to_be_bytes());
    push_text(&mut request, b"test");
    request.extend(body);
    let mut stream = TcpStream::connect(&kafka.brokers).await.unwrap();
    stream.write_all(&(request.len() as i32).to_be_bytes()).await.unwrap();
    stream.write_all(&request).await.unwrap();
    let length = stream.read_i32().await.unwrap();
    let mut answer = vec![0; length as usize];
    stream.read_exact(&mut answer).await.unwrap();
    answer.split_off(4)
}

/// Makes the broker forget a member, as it does with one that was silent for a session.
pub async fn expel(kafka: &KafkaSettings, member: &str) {
    let mut body = Vec::new();
    push_text(&mut body, kafka.topics.group("test").as_bytes());
    push_text(&mut body, member.as_bytes());
    let answer = ask(kafka, LEAVE_GROUP, 1, &body).await;
    assert_eq!(answer, [0, 0, 0, 0, 0, 0], "throttle time and error code");
}

/// Commits an offset of `deliveries` with any bytes beside it, from outside the group.
pub async fn commit(kafka: &KafkaSettings, partition: i32, offset: i64, metadata: &[u8]) {
    let mut body = Vec::new();
    push_text(&mut body, kafka.topics.group("test").as_bytes());
    body.extend((-1_i32).to_be_bytes());
    push_text(&mut body, b"");
    body.extend((-1_i64).to_be_bytes());
    body.extend(1_i32.to_be_bytes());
    push_text(&mut body, kafka.topics.deliveries().as_bytes());
    body.extend(1_i32.to_be_bytes());
    body.extend(partition.to_be_bytes());
    body.extend(offset.to_be_bytes());
    push_text(&mut body, metadata);
    // A broker that has had no group yet has no coordinator ready for this one.
    eventually(SOON, || async {
        let answer = ask(kafka, OFFSET_COMMIT, 2, &body).await;
        answer.ends_with(&[0, 0]).then_some(())
    })
    .await;
}
