//! I2: delivered means that the receiver logged a 2xx for the same bytes under a valid signature.

use std::time::Duration;

use pipeline::ids::DeliveryId;
use pipeline::outcome::State;
use signature::{Secret, StandardHeaders, verify_standard};

use super::Violation;
use crate::evidence::{Call, Evidence, Marker};

/// What Standard Webhooks recommends to receivers.
const TOLERANCE: Duration = Duration::from_secs(300);

pub(super) fn check(evidence: &Evidence) -> Vec<Violation> {
    let mut violations = Vec::new();
    let sent = evidence.sent_by_marker();
    for call in &evidence.calls {
        if let Err(why) = is_signed(call, evidence) {
            violations.push(told(call, format!("a call of message {} {why}", call.message_id)));
        }
        // One whose marker nobody sent is a violation of I3.
        let known = Marker::in_body(&call.body).and_then(|marker| sent.get(&marker));
        if known.is_some_and(|sent| sent.body != call.body) {
            let what = format!("message {} reached its receiver with other bytes", call.message_id);
            violations.push(told(call, what));
        }
    }
    let calls = evidence.calls_by_message();
    for outcome in evidence.outcomes.iter().map(|placed| &placed.value) {
        let message = outcome.message_id.to_string();
        let logged = calls.get(message.as_str()).into_iter().flatten();
        let succeeded = logged
            .filter(|call| call.subscription == outcome.subscription_id)
            .any(|call| call.answered.is_success());
        if outcome.state == State::Delivered && !succeeded {
            let id = outcome.delivery_id;
            let what = format!("delivery {id} is told delivered, and its receiver logged no 2xx");
            violations.push(Violation::of(id, what));
        }
    }
    violations
}

fn is_signed(call: &Call, evidence: &Evidence) -> Result<(), String> {
    let subscribed = evidence.subscription(call.subscription).ok_or("is for nobody")?;
    let secrets = subscribed.secrets.iter().map(|text| Secret::from_text(text));
    let secrets: Vec<Secret> = secrets.collect::<Result<_, _>>().map_err(|e| e.to_string())?;
    let headers = StandardHeaders {
        id: &call.message_id,
        timestamp: &call.timestamp,
        signature: &call.signature,
    };
    verify_standard(&secrets, headers, &call.body, call.received_at.as_second(), TOLERANCE)
        .map_err(|rejection| format!("is not signed: {rejection}"))
}

fn told(call: &Call, what: String) -> Violation {
    // On first ways a message's id is its delivery's; the runs replay nothing.
    Violation { what, delivery: call.message_id.parse::<DeliveryId>().ok() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::test_evidence;
    use crate::evidence::Answered;

    #[test]
    fn a_delivered_without_a_2xx_is_found() {
        let mut lying = test_evidence::good();
        for call in &mut lying.calls {
            call.answered = Answered::Status(500);
        }
        assert!(check(&lying)[0].what.contains("no 2xx"));
    }

    #[test]
    fn a_wrong_signature_and_other_bytes_are_found() {
        let mut forged = test_evidence::good();
        forged.calls[0].signature = "v1,AAAA".to_owned();
        assert!(check(&forged)[0].what.contains("not signed"));
        let mut changed = test_evidence::good();
        changed.sent[0].body = bytes::Bytes::from_static(br#"{"marker":1,"x":2}"#);
        assert!(check(&changed).iter().any(|v| v.what.contains("other bytes")));
    }
}
