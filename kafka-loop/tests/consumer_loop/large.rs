//! Records that are larger than what one fetch asks for.

use super::*;

/// A fetch asks for a mebibyte of each partition, unless a record does not fit.
const LARGE: usize = 3 << 20;

#[tokio::test(flavor = "multi_thread")]
async fn a_record_of_the_largest_size_is_read_in_every_partition_and_so_is_what_follows() {
    let mut kafka = TestBed::start("large").await.kafka();
    kafka.max_body = LARGE;
    assert!(topic_setup::prepare(&kafka, &CancellationToken::new()).await.unwrap());
    let producer = Producer::new(&kafka, None).unwrap();
    let topic = kafka.topics.deliveries();
    let sizes = [LARGE, 10, LARGE + (60 << 10), 10];
    for key in KEYS {
        for size in sizes {
            let value = vec![b'x'; size];
            let (topic, key) = (topic.as_str(), key.as_bytes());
            producer.write(Message { topic, key, value: &value, headers: &[] }).await.unwrap();
        }
    }
    let mut running = Running::start(&kafka, 100);
    let mut read = vec![Vec::new(); PARTITIONS as usize];
    for _ in 0..KEYS.len() * sizes.len() {
        let (record, ticket) = running.next().await;
        read[record.partition as usize].push(record.value.unwrap().len());
        ticket.finish();
    }
    running.stop().await;
    assert_eq!(read, vec![sizes.to_vec(); PARTITIONS as usize]);
}
