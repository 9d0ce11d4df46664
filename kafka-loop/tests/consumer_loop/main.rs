//! The consumer loop against a real broker.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod completed;
mod figures;
mod kafka_wire;
mod large;
mod rebalance;
mod recall;

use std::collections::BTreeSet;
use std::time::Duration;

use kafka_loop::consumer_loop::{self, LoopConfig, Role};
use kafka_loop::producer::{Message, Producer};
use kafka_loop::record::Record;
use kafka_loop::{KafkaSettings, PartitionKey, Ticket, topic_setup};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{Offset, TopicPartitionList};
use test_bed::{TestBed, eventually};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_util::sync::CancellationToken;

const SOON: Duration = Duration::from_secs(30);
const PARTITIONS: i32 = 2;

/// Hands every record and its ticket to the test.
struct Hand(UnboundedSender<(Record, Ticket)>);

impl Role for Hand {
    fn take(&mut self, record: Record, ticket: Ticket) {
        let _ = self.0.send((record, ticket));
    }
}

struct Running {
    records: UnboundedReceiver<(Record, Ticket)>,
    task: test_bed::Running,
}

/// A loop over `deliveries` in the test's group.
fn config(kafka: &KafkaSettings, max_unfinished: usize) -> LoopConfig {
    LoopConfig {
        name: "test",
        group: kafka.topics.group("test"),
        topics: vec![kafka.topics.deliveries()],
        max_unfinished,
        max_unfinished_bytes: 1 << 20,
        recall: 0,
        drain_timeout: Duration::from_secs(2),
        page: metrics::Page::default(),
    }
}

impl Running {
    fn start(kafka: &KafkaSettings, max_unfinished: usize) -> Self {
        let (hand, records) = unbounded_channel();
        Self::start_with(kafka, max_unfinished, Hand(hand), records)
    }

    fn start_with(
        kafka: &KafkaSettings,
        max_unfinished: usize,
        role: impl Role + 'static,
        records: UnboundedReceiver<(Record, Ticket)>,
    ) -> Self {
        let (kafka, config) = (kafka.clone(), config(kafka, max_unfinished));
        let task = test_bed::Running::start(|shutdown| async move {
            consumer_loop::run(&kafka, config, role, shutdown).await
        });
        Self { records, task }
    }

    async fn next(&mut self) -> (Record, Ticket) {
        let next = tokio::time::timeout(SOON, self.records.recv()).await;
        match next.expect("a record within the deadline") {
            Some(next) => next,
            None => panic!("the loop has ended: {:?}", self.task.ended().await),
        }
    }

    async fn stop(self) {
        self.task.stop().await;
    }
}

async fn prepared(name: &str) -> KafkaSettings {
    let kafka = TestBed::start(name).await.kafka();
    assert!(topic_setup::prepare(&kafka, &CancellationToken::new()).await.unwrap());
    kafka
}

/// Two keys that murmur2 puts into different partitions of two.
const KEYS: [&str; 2] = ["a", "d"];

/// Writes the values under one key; returns the partition they are in.
async fn produce(
    kafka: &KafkaSettings,
    key: &str,
    values: impl IntoIterator<Item = usize>,
) -> Option<i32> {
    let producer = Producer::new(kafka, None).unwrap();
    let topic = kafka.topics.deliveries();
    let mut partition = None;
    for value in values {
        let value = value.to_string();
        let message =
            Message { topic: &topic, key: key.as_bytes(), value: value.as_bytes(), headers: &[] };
        partition = Some(producer.write(message).await.unwrap().partition);
    }
    partition
}

/// Writes the values under one key, all at once.
async fn produce_many(kafka: &KafkaSettings, key: &str, values: impl IntoIterator<Item = usize>) {
    let producer = Producer::new(kafka, None).unwrap();
    let topic = kafka.topics.deliveries();
    let send = |value: usize| {
        let value = value.to_string();
        let message =
            Message { topic: &topic, key: key.as_bytes(), value: value.as_bytes(), headers: &[] };
        producer.send(message).unwrap()
    };
    for written in values.into_iter().map(send).collect::<Vec<_>>() {
        written.await.unwrap();
    }
}

/// The group's offset in each partition; -1 where there is none.
async fn committed(kafka: &KafkaSettings) -> Vec<i64> {
    commits(kafka).await.into_iter().map(|(offset, _)| offset).collect()
}

/// The group's offset in each partition, -1 where there is none, and the text beside it.
async fn commits(kafka: &KafkaSettings) -> Vec<(i64, String)> {
    let kafka = kafka.clone();
    let ask = move || {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", &kafka.brokers)
            .set("group.id", kafka.topics.group("test"))
            .create()
            .unwrap();
        let mut list = TopicPartitionList::new();
        list.add_partition_range(&kafka.topics.deliveries(), 0, kafka.partitions - 1);
        let answer = consumer.committed_offsets(list, SOON).unwrap();
        let commit =
            |e: &rdkafka::topic_partition_list::TopicPartitionListElem<'_>| match e.offset() {
                Offset::Offset(offset) => (offset, e.metadata().to_owned()),
                _ => (-1, String::new()),
            };
        answer.elements().iter().map(commit).collect()
    };
    tokio::task::spawn_blocking(ask).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn commits_land_at_the_frontier_only() {
    let kafka = prepared("frontier").await;
    let one = produce(&kafka, KEYS[0], 0..5).await;
    let mut running = Running::start(&kafka, 100);
    let mut tickets = Vec::new();
    for _ in 0..5 {
        tickets.push(running.next().await.1);
    }
    let first = tickets.remove(0);
    for ticket in tickets {
        ticket.finish();
    }
    // A record of the other partition is committed, so commits do happen meanwhile.
    let other = produce(&kafka, KEYS[1], [9]).await;
    assert_ne!(one, other, "the keys share a partition: choose others");
    running.next().await.1.finish();
    eventually(SOON, || async { committed(&kafka).await.contains(&1).then_some(()) }).await;
    let offsets = committed(&kafka).await;
    assert!(!offsets.contains(&5), "committed above an unfinished record: {offsets:?}");

    first.finish();
    eventually(SOON, || async { committed(&kafka).await.contains(&5).then_some(()) }).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_finished_before_the_end_is_not_read_again_and_the_rest_is() {
    let kafka = prepared("resume").await;
    produce(&kafka, "k", 0..4).await;
    let mut running = Running::start(&kafka, 100);
    for _ in 0..2 {
        running.next().await.1.finish();
    }
    let kept = running.next().await.1;
    running.stop().await;
    drop(kept);

    let mut again = Running::start(&kafka, 100);
    let (record, ticket) = again.next().await;
    assert_eq!(record.offset, 2);
    ticket.finish();
    again.next().await.1.finish();
    again.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_that_is_dropped_without_a_word_stops_the_loop() {
    let kafka = prepared("dropped").await;
    produce(&kafka, "k", [1]).await;
    let mut running = Running::start(&kafka, 100);
    drop(running.next().await.1);
    let said = complaint(running).await;
    assert!(said.contains("has died"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn intake_stops_at_the_bound_and_goes_on_when_there_is_room() {
    let kafka = prepared("bound").await;
    produce(&kafka, "k", 0..10).await;
    let mut running = Running::start(&kafka, 3);
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(running.next().await.1);
    }
    let more = tokio::time::timeout(Duration::from_millis(500), running.records.recv()).await;
    assert!(more.is_err(), "a fourth record was taken");
    for ticket in held {
        ticket.finish();
    }
    for _ in 0..7 {
        running.next().await.1.finish();
    }
    running.stop().await;
}

/// Deletes the records below the offset in every partition.
async fn trim(kafka: &KafkaSettings, below: Offset) {
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", &kafka.brokers).create().unwrap();
    let mut list = TopicPartitionList::new();
    for partition in 0..PARTITIONS {
        list.add_partition_offset(&kafka.topics.deliveries(), partition, below).unwrap();
    }
    admin.delete_records(&list, &AdminOptions::new()).await.unwrap();
}

/// What a loop that cannot go on says.
async fn complaint(mut running: Running) -> String {
    format!("{:#}", running.task.ended().await.unwrap_err())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_without_an_offset_in_a_trimmed_log_stops_and_skips_nothing() {
    let kafka = prepared("trimmed").await;
    produce(&kafka, "k", 0..5).await;
    trim(&kafka, Offset::End).await;
    let said = complaint(Running::start(&kafka, 100)).await;
    assert!(said.contains("the log begins at 5"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_below_the_start_of_the_log_stops_and_says_where_it_stands() {
    let kafka = prepared("overtaken").await;
    let partition = produce(&kafka, "k", 0..5).await.unwrap();
    let mut running = Running::start(&kafka, 100);
    for _ in 0..2 {
        running.next().await.1.finish();
    }
    let held = running.next().await;
    running.stop().await;
    drop(held);
    trim(&kafka, Offset::Offset(4)).await;

    let said = complaint(Running::start(&kafka, 100)).await;
    let topic = kafka.topics.deliveries();
    let place = format!("is at offset 2 of {topic}/{partition}, and the log goes from 4 to 5");
    assert!(said.contains(&place), "{said}");
    assert_eq!(committed(&kafka).await[partition as usize], 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn partitions_move_between_members_without_a_stall_or_a_loss() {
    let kafka = prepared("rebalance").await;
    const RECORDS: usize = 60;
    let mut seen = BTreeSet::new();
    let note = |record: &Record, seen: &mut BTreeSet<usize>| {
        let text = String::from_utf8(record.value.clone().unwrap().to_vec()).unwrap();
        seen.insert(text.parse::<usize>().unwrap())
    };
    let mut first = Running::start(&kafka, 100);
    produce(&kafka, KEYS[0], 0..RECORDS).await;
    produce(&kafka, KEYS[1], RECORDS..2 * RECORDS).await;
    for _ in 0..RECORDS {
        let (record, ticket) = first.next().await;
        note(&record, &mut seen);
        ticket.finish();
    }
    // The second joins while the first has records under way, then takes over alone.
    let mut second = Running::start(&kafka, 100);
    let mut from_second = 0;
    produce(&kafka, KEYS[0], 2 * RECORDS..3 * RECORDS).await;
    produce(&kafka, KEYS[1], 3 * RECORDS..4 * RECORDS).await;
    while from_second == 0 || seen.len() < 3 * RECORDS {
        tokio::select! {
            (record, ticket) = first.next() => { note(&record, &mut seen); ticket.finish(); }
            (record, ticket) = second.next() => {
                from_second += usize::from(note(&record, &mut seen));
                ticket.finish();
            }
        }
        if seen.len() == 4 * RECORDS {
            break;
        }
    }
    first.stop().await;
    produce(&kafka, KEYS[0], 4 * RECORDS..5 * RECORDS).await;
    produce(&kafka, KEYS[1], 5 * RECORDS..6 * RECORDS).await;
    while seen.len() < 6 * RECORDS {
        let (record, ticket) = second.next().await;
        note(&record, &mut seen);
        ticket.finish();
    }
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_effect_that_is_acknowledged_finishes_its_record() {
    let kafka = prepared("effect").await;
    produce(&kafka, "k", [1]).await;
    let mut running = Running::start(&kafka, 100);
    let (record, ticket) = running.next().await;
    let producer = Producer::new(&kafka, None).unwrap();
    let topic = kafka.topics.outcomes();
    let message = Message { topic: &topic, key: b"k", value: b"effect", headers: &[] };
    producer.write(message).await.unwrap();
    ticket.finish();
    eventually(SOON, || async {
        committed(&kafka).await.contains(&(record.offset + 1)).then_some(())
    })
    .await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_records_at_once_are_written_although_a_topic_bounds_its_batches() {
    let kafka = prepared("batches").await;
    let producer = Producer::new(&kafka, None).unwrap();
    let topic = kafka.topics.outcomes();
    let value = vec![b'x'; 2_000];
    // Far more than the topic's max.message.bytes, all of it waiting before the first request.
    let message = Message { topic: &topic, key: b"k", value: &value, headers: &[] };
    let sent: Vec<_> = (0..2_000).map(|_| producer.send(message).unwrap()).collect();
    for written in sent {
        written.await.unwrap();
    }
}

/// A role that forgets what it holds when its partitions go.
struct Holder {
    held: Vec<Ticket>,
    forgot: UnboundedSender<usize>,
}

impl Role for Holder {
    fn take(&mut self, _record: Record, ticket: Ticket) {
        self.held.push(ticket);
    }

    fn forget(&mut self, _partitions: &[PartitionKey]) {
        let _ = self.forgot.send(self.held.len());
        self.held.drain(..).for_each(Ticket::forget);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_forgotten_at_the_end_does_not_hold_the_end_up_and_is_read_again() {
    let kafka = prepared("forget").await;
    produce(&kafka, "k", 0..3).await;
    let (forgot, mut forgotten) = unbounded_channel();
    let config = LoopConfig {
        name: "holder",
        group: kafka.topics.group("test"),
        topics: vec![kafka.topics.deliveries()],
        max_unfinished: 3,
        max_unfinished_bytes: 1 << 20,
        recall: 0,
        drain_timeout: SOON,
        page: metrics::Page::default(),
    };
    let holder = Holder { held: Vec::new(), forgot };
    let settings = kafka.clone();
    let task = test_bed::Running::start(|shutdown| async move {
        consumer_loop::run(&settings, config, holder, shutdown).await
    });
    // The group has joined once it has a member whose records are taken: ask by a second look.
    eventually(SOON, || async {
        let members = tokio::task::spawn_blocking({
            let kafka = kafka.clone();
            move || {
                let consumer: BaseConsumer =
                    ClientConfig::new().set("bootstrap.servers", &kafka.brokers).create().unwrap();
                let groups = consumer.fetch_group_list(Some(&kafka.topics.group("test")), SOON);
                groups.is_ok_and(|g| g.groups().iter().any(|g| g.state() == "Stable"))
            }
        });
        members.await.unwrap().then_some(())
    })
    .await;
    let started = std::time::Instant::now();
    task.stop().await;
    assert!(started.elapsed() < SOON / 3, "the end took {:?}", started.elapsed());
    assert!(forgotten.recv().await.is_some());
    assert!(committed(&kafka).await.iter().all(|&offset| offset <= 0));
}
