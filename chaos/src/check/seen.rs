//! I3: what receivers saw, and what stands in `deliveries`, was accepted or is unknown, and goes
//! to whom it is for. Nothing of what was refused or filtered is ever seen.

use std::collections::HashMap;

use pipeline::ids::{DeliveryId, SubscriptionId};

use super::Violation;
use crate::evidence::{Evidence, Marker, Sent, Told};

pub(super) fn check(evidence: &Evidence) -> Vec<Violation> {
    let sent = evidence.sent_by_marker();
    let called = evidence.calls.iter().map(|call| {
        let delivery = call.message_id.parse::<DeliveryId>().ok();
        ("a receiver got", delivery, call.subscription, &call.body)
    });
    let produced = evidence.deliveries.iter().map(|placed| {
        let delivery = &placed.value;
        ("deliveries has", Some(delivery.id), delivery.subscription_id, &delivery.body)
    });
    let judge = |(who, delivery, subscription, body): (_, _, _, &bytes::Bytes)| {
        let why = why_not(&sent, subscription, body)?;
        Some(Violation { what: format!("{who} {why}"), delivery })
    };
    called.chain(produced).filter_map(judge).collect()
}

fn why_not(
    sent: &HashMap<Marker, &Sent>,
    subscription: SubscriptionId,
    body: &[u8],
) -> Option<String> {
    let Some(sent) = Marker::in_body(body).and_then(|marker| sent.get(&marker)) else {
        return Some("an event that nobody sent".to_owned());
    };
    let (marker, way) = (sent.marker.0, sent.way);
    if let Told::Refused(status) = sent.told {
        return Some(format!(
            "event {marker} ({way}), which was refused or filtered with {status}"
        ));
    }
    if !sent.must.contains(&subscription) && !sent.may.contains(&subscription) {
        return Some(format!("event {marker} ({way}) for {subscription}, which it is not for"));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::test_evidence;

    #[test]
    fn a_refused_event_that_a_receiver_saw_is_found() {
        let mut evidence = test_evidence::good();
        evidence.sent[0].told = Told::Refused(401);
        let violations = check(&evidence);
        assert!(violations.iter().any(|v| v.what.contains("a receiver got")), "{violations:?}");
        assert!(violations.iter().any(|v| v.what.contains("deliveries has")), "{violations:?}");
    }

    #[test]
    fn an_event_for_somebody_else_and_one_that_nobody_sent_are_found() {
        let mut evidence = test_evidence::good();
        evidence.sent[0].must.clear();
        assert!(check(&evidence)[0].what.contains("not for"));
        evidence.sent.clear();
        assert!(check(&evidence)[0].what.contains("nobody sent"));
    }
}
