//! What happens to records and tickets when partitions change hands.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use super::*;

/// The ids of the group's members.
async fn members(kafka: &KafkaSettings) -> Vec<String> {
    let kafka = kafka.clone();
    let ask = move || {
        let consumer: BaseConsumer =
            ClientConfig::new().set("bootstrap.servers", &kafka.brokers).create().unwrap();
        let groups = consumer.fetch_group_list(Some(&kafka.topics.group("test")), SOON).unwrap();
        let members = groups.groups().iter().flat_map(|group| group.members());
        members.map(|member| member.id().to_owned()).collect()
    };
    tokio::task::spawn_blocking(ask).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_tells_that_its_record_has_gone_to_another_member() {
    let kafka = prepared("handover").await;
    produce(&kafka, KEYS[0], [1]).await;
    produce(&kafka, KEYS[1], [2]).await;
    let mut first = Running::start(&kafka, 100);
    let mut held = vec![first.next().await, first.next().await];
    assert!(held.iter().all(|(_, ticket)| ticket.is_current()));

    let mut second = Running::start(&kafka, 100);
    let (moved, ticket) = second.next().await;
    let index = held.iter().position(|(record, _)| record.partition == moved.partition).unwrap();
    let (_, gone) = held.remove(index);
    let (_, kept) = held.remove(0);
    assert!(!gone.is_current() && kept.is_current() && ticket.is_current());
    // The late end counts for nothing; that of the other partition does.
    gone.finish();
    kept.finish();
    let at = moved.partition as usize;
    eventually(SOON, || async { (committed(&kafka).await[1 - at] == 1).then_some(()) }).await;
    assert!(committed(&kafka).await[at] <= 0);
    ticket.finish();
    eventually(SOON, || async { (committed(&kafka).await[at] == 1).then_some(()) }).await;
    first.stop().await;
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_lost_its_partitions_commits_nothing_of_theirs_and_reads_them_again() {
    let kafka = prepared("lost").await;
    let partition = produce(&kafka, "k", 0..3).await.unwrap() as usize;
    let mut running = Running::start(&kafka, 100);
    running.next().await.1.finish();
    eventually(SOON, || async { (committed(&kafka).await[partition] == 1).then_some(()) }).await;
    let (_, early) = running.next().await;
    let (_, late) = running.next().await;

    let before = members(&kafka).await;
    kafka_wire::expel(&kafka, &before[0]).await;
    // The member does not know yet: its commit is refused, and it finds out.
    early.finish();
    eventually(SOON, || async { (!late.is_current()).then_some(()) }).await;
    late.finish();
    let again = [running.next().await, running.next().await];
    assert_eq!(again.each_ref().map(|(record, _)| record.offset), [1, 2]);
    assert_eq!(committed(&kafka).await[partition], 1);
    for (_, ticket) in again {
        assert!(ticket.is_current());
        ticket.finish();
    }
    eventually(SOON, || async { (committed(&kafka).await[partition] == 3).then_some(()) }).await;
    assert_ne!(members(&kafka).await, before);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tickets_are_no_longer_current_when_the_loop_has_ended_its_grace_period() {
    let kafka = prepared("grace").await;
    produce(&kafka, "k", [1]).await;
    let mut running = Running::start(&kafka, 100);
    let (_, ticket) = running.next().await;
    running.task.shut_down();
    assert!(ticket.is_current(), "it has its grace period");
    running.stop().await;
    assert!(!ticket.is_current());
    ticket.finish();
    assert!(committed(&kafka).await.iter().all(|&offset| offset <= 0));
}

/// Asks for the shutdown while its partitions are being assigned.
struct Leaver(CancellationToken);

impl Role for Leaver {
    fn start_at(
        &mut self,
        partitions: &[(String, i32)],
        _: &CancellationToken,
    ) -> anyhow::Result<Vec<Option<i64>>> {
        self.0.cancel();
        Ok(vec![None; partitions.len()])
    }

    fn take(&mut self, _record: Record, _ticket: Ticket) {}
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shutdown_in_the_middle_of_an_assignment_ends_the_loop() {
    let kafka = prepared("leaver").await;
    let shutdown = CancellationToken::new();
    let ended = consumer_loop::run(&kafka, config(&kafka, 1), Leaver(shutdown.clone()), shutdown);
    tokio::time::timeout(SOON, ended).await.expect("it ends").unwrap();
    eventually(SOON, || async { members(&kafka).await.is_empty().then_some(()) }).await;
}

/// What all members together were handed.
#[derive(Default)]
struct Log {
    /// How often each value was handed out.
    handed_out: HashMap<usize, usize>,
    /// When each partition had its last record.
    last: HashMap<i32, Instant>,
    /// The longest time that a partition had none.
    longest_silence: Duration,
}

/// A member that finishes each record after a few milliseconds.
struct Worker {
    log: Arc<Mutex<Log>>,
    taken: Arc<AtomicUsize>,
    runtime: tokio::runtime::Handle,
}

impl Role for Worker {
    fn take(&mut self, record: Record, ticket: Ticket) {
        let value: usize =
            std::str::from_utf8(record.value.as_ref().unwrap()).unwrap().parse().unwrap();
        let now = Instant::now();
        let mut log = self.log.lock().unwrap();
        *log.handed_out.entry(value).or_default() += 1;
        if let Some(last) = log.last.insert(record.partition, now) {
            log.longest_silence = log.longest_silence.max(now - last);
        }
        self.taken.fetch_add(1, Ordering::Relaxed);
        self.runtime.spawn(async move {
            tokio::time::sleep(Duration::from_millis(5)).await;
            ticket.finish();
        });
    }
}

struct Member {
    taken: Arc<AtomicUsize>,
    running: test_bed::Running,
}

impl Member {
    fn join(kafka: &KafkaSettings, log: &Arc<Mutex<Log>>) -> Self {
        let taken = Arc::<AtomicUsize>::default();
        let worker = Worker {
            log: Arc::clone(log),
            taken: Arc::clone(&taken),
            runtime: tokio::runtime::Handle::current(),
        };
        let kafka = kafka.clone();
        let running = test_bed::Running::start(|shutdown| async move {
            consumer_loop::run(&kafka, config(&kafka, 1_000), worker, shutdown).await
        });
        Self { taken, running }
    }

    /// Waits until it has taken some more records.
    async fn works(&self) {
        let before = self.taken.load(Ordering::Relaxed);
        let more = || async { (self.taken.load(Ordering::Relaxed) > before + 100).then_some(()) };
        eventually(SOON, more).await;
    }

    async fn leave(self) {
        self.running.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn from_one_member_to_three_and_back_nothing_is_lost_and_no_partition_stalls() {
    const SIX: i32 = 6;
    let mut kafka = TestBed::start("scaling").await.kafka();
    kafka.partitions = SIX;
    assert!(topic_setup::prepare(&kafka, &CancellationToken::new()).await.unwrap());
    let log = Arc::<Mutex<Log>>::default();
    let enough = Arc::new(AtomicBool::new(false));
    let first = Member::join(&kafka, &log);
    let load = tokio::spawn({
        let (kafka, enough) = (kafka.clone(), Arc::clone(&enough));
        async move {
            let producer = Producer::new(&kafka, None).unwrap();
            let topic = kafka.topics.deliveries();
            let mut pace = tokio::time::interval(Duration::from_millis(5));
            let mut sent = 0_usize;
            while !enough.load(Ordering::Relaxed) {
                pace.tick().await;
                let burst = (sent..sent + 5).map(|value| {
                    let (key, value) = (format!("key {}", value % 97), value.to_string());
                    let (key, value) = (key.as_bytes(), value.as_bytes());
                    producer.send(Message { topic: &topic, key, value, headers: &[] }).unwrap()
                });
                for written in burst.collect::<Vec<_>>() {
                    written.await.unwrap();
                }
                sent += 5;
            }
            sent
        }
    });
    first.works().await;
    let second = Member::join(&kafka, &log);
    second.works().await;
    let third = Member::join(&kafka, &log);
    for member in [&third, &first, &second] {
        member.works().await;
    }
    second.leave().await;
    third.works().await;
    first.leave().await;
    third.works().await;
    third.works().await;
    enough.store(true, Ordering::Relaxed);
    let sent = load.await.unwrap();
    eventually(SOON, || async { (log.lock().unwrap().handed_out.len() == sent).then_some(()) })
        .await;
    third.leave().await;

    let log = log.lock().unwrap();
    let repeats: usize = log.handed_out.values().map(|times| times - 1).sum();
    println!("{sent} records, {repeats} repeats, longest silence {:?}", log.longest_silence);
    assert!(repeats <= 50, "{repeats} of {sent} were handed out again");
    assert!(log.longest_silence < Duration::from_secs(6), "silent for {:?}", log.longest_silence);
}
