//! What a role is told of the records that were done before its loop had them.

use pipeline::commit_metadata;
use rdkafka::producer::{BaseRecord, Producer as _, ThreadedProducer};

use super::*;

/// How many offsets below the frontier these loops recall.
const RECALL: u32 = 100;

/// What a role was told, in order.
#[derive(Debug)]
enum Told {
    Done(PartitionKey, Record),
    Take(Record, Ticket),
}

/// Hands everything to the test.
struct Rememberer(UnboundedSender<Told>);

impl Role for Rememberer {
    fn remember(&mut self, partition: PartitionKey, record: &Record) {
        let _ = self.0.send(Told::Done(partition, record.clone()));
    }

    fn take(&mut self, record: Record, ticket: Ticket) {
        let _ = self.0.send(Told::Take(record, ticket));
    }
}

struct Remembering {
    told: UnboundedReceiver<Told>,
    task: test_bed::Running,
}

impl Remembering {
    fn start(kafka: &KafkaSettings) -> Self {
        let (hand, told) = unbounded_channel();
        let config = LoopConfig { recall: RECALL, ..config(kafka, 1_000) };
        let kafka = kafka.clone();
        let task = test_bed::Running::start(|shutdown| async move {
            consumer_loop::run(&kafka, config, Rememberer(hand), shutdown).await
        });
        Self { told, task }
    }

    /// The next record to work on, and the offsets of what was remembered before it, in order.
    async fn next(&mut self) -> (Vec<i64>, Record, Ticket) {
        let (mut offsets, mut partitions) = (BTreeSet::new(), BTreeSet::new());
        loop {
            match tokio::time::timeout(SOON, self.told.recv()).await.unwrap().unwrap() {
                Told::Take(record, ticket) => {
                    partitions.insert(ticket.partition());
                    assert_eq!(partitions.len(), 1, "told of another assignment");
                    return (offsets.into_iter().collect(), record, ticket);
                }
                Told::Done(partition, record) => {
                    partitions.insert(partition);
                    assert!(offsets.insert(record.offset), "told twice of {}", record.offset);
                }
            }
        }
    }
}

fn is_value_of(record: &Record, value: usize) -> bool {
    record.value.as_deref() == Some(value.to_string().as_bytes())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_done_just_below_the_frontier_is_told_and_work_goes_on_at_the_frontier() {
    let kafka = prepared("recall").await;
    let partition = produce(&kafka, "k", [0]).await.unwrap();
    produce_many(&kafka, "k", 1..200).await;
    let text = commit_metadata::encode(150, [152..155, 160..161].into_iter());
    kafka_wire::commit(&kafka, partition, 150, text.as_bytes()).await;

    let mut running = Remembering::start(&kafka);
    let (told, record, first) = running.next().await;
    assert_eq!(told, (50..150).collect::<Vec<_>>());
    assert!(is_value_of(&record, 150) && record.offset == 150);
    let (told, record, second) = running.next().await;
    assert!(told.is_empty() && is_value_of(&record, 151));
    let (told, record, third) = running.next().await;
    assert_eq!(told, [152, 153, 154], "finished above the frontier");
    assert!(is_value_of(&record, 155));
    for ticket in [second, third] {
        ticket.finish();
    }
    let at = || async { Some(commits(&kafka).await.remove(partition as usize)) };
    let above = |(offset, text): &(i64, String)| {
        let ranges = commit_metadata::decode(*offset, text);
        *offset == 150 && ranges.first() == Some(&(151..156))
    };
    eventually(SOON, || async { at().await.filter(above) }).await;
    first.finish();
    for offset in (156..160).chain(161..200) {
        let (told, record, ticket) = running.next().await;
        let expected = if offset == 161 { vec![160] } else { vec![] };
        assert_eq!((told, record.offset), (expected, offset));
        ticket.finish();
        assert!(committed(&kafka).await[partition as usize] >= 150, "a commit went back");
    }
    running.task.stop().await;
    assert_eq!(committed(&kafka).await[partition as usize], 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_has_finished_nothing_is_told_nothing() {
    let kafka = prepared("recall-fresh").await;
    produce(&kafka, "k", 0..3).await;
    let mut running = Remembering::start(&kafka);
    for offset in 0..3 {
        let (told, record, ticket) = running.next().await;
        assert!(told.is_empty() && record.offset == offset);
        ticket.finish();
    }
    running.task.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_log_no_longer_has_is_not_waited_for() {
    let kafka = prepared("recall-trimmed").await;
    let partition = produce(&kafka, "k", 0..20).await.unwrap();
    kafka_wire::commit(&kafka, partition, 15, b"").await;
    trim(&kafka, Offset::Offset(12)).await;
    let mut running = Remembering::start(&kafka);
    let (told, record, ticket) = running.next().await;
    assert_eq!((told, record.offset), (vec![12, 13, 14], 15));
    ticket.finish();
    running.task.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_position_below_the_start_of_the_log_is_still_an_alarm() {
    let kafka = prepared("recall-overtaken").await;
    let partition = produce(&kafka, "k", 0..5).await.unwrap();
    kafka_wire::commit(&kafka, partition, 2, b"").await;
    trim(&kafka, Offset::Offset(4)).await;
    let mut running = Remembering::start(&kafka);
    let said = format!("{:#}", running.task.ended().await.unwrap_err());
    assert!(said.contains("the log goes from 4 to 5"), "{said}");
    assert!(running.told.recv().await.is_none(), "nothing was told");
    assert_eq!(committed(&kafka).await[partition as usize], 2);
}

/// Writes the values in one transaction, whose marker takes an offset of its own.
async fn produce_in_a_transaction(kafka: &KafkaSettings, partition: i32, values: [usize; 2]) {
    let producer: ThreadedProducer<_> = ClientConfig::new()
        .set("bootstrap.servers", &kafka.brokers)
        .set("transactional.id", kafka.topics.group("transaction"))
        .create()
        .unwrap();
    let topic = kafka.topics.deliveries();
    let write = move || {
        producer.init_transactions(SOON).unwrap();
        producer.begin_transaction().unwrap();
        for value in values.map(|value| value.to_string()) {
            let record = BaseRecord::<(), _>::to(&topic).partition(partition).payload(&value);
            producer.send(record).unwrap();
        }
        producer.commit_transaction(SOON).unwrap();
    };
    tokio::task::spawn_blocking(write).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn offsets_without_a_record_count_as_told() {
    let kafka = prepared("recall-gaps").await;
    let partition = produce(&kafka, "k", [0]).await.unwrap();
    produce_in_a_transaction(&kafka, partition, [1, 2]).await;
    // The frontier lies behind the marker at 3, and the log ends there.
    kafka_wire::commit(&kafka, partition, 4, b"").await;
    let mut running = Remembering::start(&kafka);
    let mut told = BTreeSet::new();
    while told.len() < 3 {
        match tokio::time::timeout(SOON, running.told.recv()).await.unwrap().unwrap() {
            Told::Done(_, record) => told.insert(record.offset),
            Told::Take(record, _) => panic!("{} was taken", record.offset),
        };
    }
    produce(&kafka, "k", [4]).await;
    let (more, record, ticket) = running.next().await;
    assert!(more.is_empty() && told == BTreeSet::from([0, 1, 2]));
    assert!(record.offset == 4 && is_value_of(&record, 4));
    ticket.finish();
    running.task.stop().await;
}
