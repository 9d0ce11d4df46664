//! Everything that is known about one delivery, in the order of time: for whoever has to find
//! out why it ended as it did. Pure.

use jiff::Timestamp;
use pipeline::ids::DeliveryId;

use crate::evidence::{Evidence, Marker, Sent};

/// The story's lines.
pub fn of(evidence: &Evidence, id: DeliveryId) -> Vec<String> {
    let mut lines: Vec<(Timestamp, String)> = Vec::new();
    let mut marker = None;
    for (name, placed) in evidence
        .deliveries
        .iter()
        .map(|placed| ("deliveries", placed))
        .chain(evidence.waiting.iter().map(|placed| ("a tier", placed)))
        .filter(|(_, placed)| placed.value.id == id)
    {
        let delivery = &placed.value;
        marker = marker.or_else(|| Marker::in_body(&delivery.body));
        let due_at = delivery.wait.map(|wait| wait.due_at.to_string()).unwrap_or_default();
        lines.push((
            at_millis(placed.appended_at_millis),
            format!(
                "{name} {}/{}: release {}, attempt {}, due {due_at}",
                placed.place.partition, placed.place.offset, delivery.release, delivery.attempt
            ),
        ));
    }
    for placed in evidence.outcomes.iter().filter(|placed| placed.value.delivery_id == id) {
        let outcome = &placed.value;
        let call = outcome.call.as_ref();
        let status = call.and_then(|call| call.http_status);
        let error = call.and_then(|call| call.error.clone()).unwrap_or_default();
        lines.push((
            at_millis(placed.appended_at_millis),
            format!(
                "outcomes {}/{}: release {}, attempt {}, {:?} {:?} {:?}, status {status:?} {error}, \
                 occurred at {}",
                placed.place.partition, placed.place.offset, outcome.release, outcome.attempt,
                outcome.kind, outcome.state, outcome.reason, outcome.occurred_at
            ),
        ));
    }
    let message = id.to_string();
    for call in evidence.calls.iter().filter(|call| call.message_id == message) {
        lines.push((call.received_at, format!("its receiver got it: {:?}", call.answered)));
    }
    lines.sort();
    let mut story = vec![format!("delivery {id}")];
    let sent: Option<&Sent> =
        marker.and_then(|marker| evidence.sent.iter().find(|sent| sent.marker == marker));
    story.extend(sent.map(|sent| format!("  sent over {}, told {:?}", sent.way, sent.told)));
    story.extend(lines.into_iter().map(|(at, line)| format!("  {at} {line}")));
    let rows = evidence.rows.iter().filter(|row| row.id == id);
    story.extend(rows.map(|row| format!("  its row: {row:?}")));
    story
}

fn at_millis(millis: i64) -> Timestamp {
    Timestamp::from_millisecond(millis).unwrap_or_default()
}
