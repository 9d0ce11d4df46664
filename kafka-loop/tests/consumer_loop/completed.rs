//! What above the frontier is finished outlives a crash.

use pipeline::commit_metadata;

use super::*;

/// How many offsets above the frontiers the group's commits tell of.
async fn told(kafka: &KafkaSettings) -> usize {
    let commits = commits(kafka).await;
    let ranges = commits.iter().flat_map(|(offset, text)| commit_metadata::decode(*offset, text));
    ranges.map(|range| (range.end - range.start) as usize).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn of_five_thousand_finished_behind_a_slow_one_a_crash_repeats_at_most_fifty() {
    const BEHIND: usize = 5_000;
    let kafka = prepared("completed").await;
    produce_many(&kafka, "k", 0..=BEHIND).await;
    let mut running = Running::start(&kafka, 100);
    let (record, slow) = running.next().await;
    assert_eq!(record.offset, 0);
    for _ in 0..BEHIND {
        running.next().await.1.finish();
    }
    // Every commit from now on leaves the frontier where it is.
    eventually(SOON, || async { (told(&kafka).await + 50 >= BEHIND).then_some(()) }).await;
    // As a kill would, this ends the loop at once: it drains and commits nothing.
    drop(slow);
    let said = complaint(running).await;
    assert!(said.contains("has died"), "{said}");

    produce(&kafka, "k", [BEHIND + 1]).await;
    let mut again = Running::start(&kafka, 100);
    let mut handed_out = Vec::new();
    while handed_out.last() != Some(&(BEHIND as i64 + 1)) {
        let (record, ticket) = again.next().await;
        handed_out.push(record.offset);
        ticket.finish();
    }
    assert_eq!(handed_out[0], 0, "the slow one comes first");
    assert!(handed_out.len() - 2 <= 50, "{} repeats", handed_out.len() - 2);
    again.stop().await;
    let end = (BEHIND as i64 + 2, String::new());
    assert!(commits(&kafka).await.contains(&end), "nothing is above the last frontier");
}

/// A role that keeps its offsets itself, and has none yet.
struct FromTheStart(UnboundedSender<(Record, Ticket)>);

impl Role for FromTheStart {
    fn start_at(
        &mut self,
        partitions: &[(String, i32)],
        _: &CancellationToken,
    ) -> anyhow::Result<Vec<Option<i64>>> {
        Ok(vec![Some(0); partitions.len()])
    }

    fn take(&mut self, record: Record, ticket: Ticket) {
        let _ = self.0.send((record, ticket));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_keeps_its_own_offsets_gets_every_record_from_there() {
    let kafka = prepared("own-offsets").await;
    let partition = produce(&kafka, "k", 0..4).await.unwrap();
    let text = commit_metadata::encode(0, std::iter::once(1..4));
    kafka_wire::commit(&kafka, partition, 0, text.as_bytes()).await;
    assert_eq!(told(&kafka).await, 3);

    let (hand, records) = unbounded_channel();
    let mut running = Running::start_with(&kafka, 100, FromTheStart(hand), records);
    let mut tickets = Vec::new();
    for offset in 0..4 {
        let (record, ticket) = running.next().await;
        assert_eq!(record.offset, offset);
        tickets.push(ticket);
    }
    let slow = tickets.remove(1);
    tickets.into_iter().rev().for_each(Ticket::finish);
    let at = || async { Some(commits(&kafka).await.remove(partition as usize)) };
    let found = eventually(SOON, || async { at().await.filter(|(offset, _)| *offset == 1) }).await;
    assert_eq!(found, (1, String::new()), "its commits only show the lag");
    slow.finish();
    running.stop().await;
    assert_eq!(commits(&kafka).await[partition as usize], (4, String::new()));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_wrote_beside_the_offset_is_ignored_and_overwritten() {
    let kafka = prepared("foreign").await;
    let partition = produce(&kafka, "k", 0..3).await.unwrap();
    kafka_wire::commit(&kafka, partition, 1, b"\xff\xfe a note").await;
    let mut running = Running::start(&kafka, 100);
    for offset in 1..3 {
        let (record, ticket) = running.next().await;
        assert_eq!(record.offset, offset);
        ticket.finish();
    }
    running.stop().await;
    assert_eq!(commits(&kafka).await[partition as usize], (3, String::new()));
}
