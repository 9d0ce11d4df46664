//! From a body of `POST /v1/replays` to what is to be replayed. Pure.

use std::ops::RangeInclusive;

use jiff::Timestamp;
use pipeline::outcome::State;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::event_type;
use crate::replay::store::{ENDS, Scope, Wanted};
use crate::v1::problem::FieldError;
use crate::v1::values::{self, Read, both, wrong};

const FIELDS: [&str; 7] =
    ["from", "to", "status", "subscription_id", "event_type", "to_subscription_id", "description"];
const DESCRIPTION_CHARACTERS: RangeInclusive<usize> = 0..=1_000;

/// Reads a body; a null is as if the field were left out.
///
/// # Errors
/// Everything that is wrong with it.
pub(crate) fn read(body: &Map<String, Value>, now: Timestamp) -> Read<Wanted> {
    let unknown: Vec<FieldError> = body
        .keys()
        .filter(|name| !FIELDS.contains(&name.as_str()))
        .map(|name| values::unknown_field("", name, &FIELDS))
        .collect();
    let field = |name: &str| body.get(name).filter(|value| !value.is_null());
    let known = if unknown.is_empty() { Ok(()) } else { Err(unknown) };
    let times = both(time(field("from"), "/from"), time(field("to"), "/to"));
    let times = times.and_then(|(from, to)| in_order(from, to, now));
    let status = field("status").map_or_else(|| Ok(vec![State::DeadLettered]), states);
    let ids = both(
        id(field("subscription_id"), "/subscription_id"),
        id(field("to_subscription_id"), "/to_subscription_id"),
    );
    let texts = both(
        text(field("event_type"), "/event_type", 1..=event_type::MAX_LENGTH),
        text(field("description"), "/description", DESCRIPTION_CHARACTERS),
    );
    let (((), (from, to)), ((states, ids), texts)) =
        both(both(known, times), both(both(status, ids), texts))?;
    let ((subscription_id, to_subscription_id), (event_type, description)) = (ids, texts);
    let scope = Scope { from, to, states, subscription_id, event_type };
    Ok(Wanted { scope, to_subscription_id, description })
}

fn time(value: Option<&Value>, at: &str) -> Read<Timestamp> {
    let Some(value) = value else { return wrong(at, "It is required.") };
    let time: Option<Timestamp> = value.as_str().and_then(|text| text.parse().ok());
    // Within what Postgres keeps.
    match time.filter(|time| *time >= Timestamp::UNIX_EPOCH) {
        Some(time) => Ok(time),
        None => wrong(at, "It must be a time as in RFC 3339, such as 2026-03-04T05:06:07Z."),
    }
}

fn in_order(from: Timestamp, to: Timestamp, now: Timestamp) -> Read<(Timestamp, Timestamp)> {
    if from >= to {
        return wrong("/from", "It must be earlier than to.");
    }
    if from >= now {
        return wrong("/from", "It must be in the past: what was accepted by now is replayed.");
    }
    Ok((from, to))
}

fn states(value: &Value) -> Read<Vec<State>> {
    let words = ENDS.map(State::as_str).join(", ");
    let read = values::list(value, "/status", 1..=ENDS.len(), "statuses", |item, at| {
        let known = ENDS.into_iter().find(|end| item == end.as_str());
        known.map_or_else(|| wrong(at, format!("It must be one of {words}.")), Ok)
    })?;
    // Each once, in an order of their own.
    Ok(ENDS.into_iter().filter(|end| read.contains(end)).collect())
}

fn id(value: Option<&Value>, at: &str) -> Read<Option<Uuid>> {
    let Some(value) = value else { return Ok(None) };
    match value.as_str().and_then(|text| text.parse().ok()) {
        Some(id) => Ok(Some(id)),
        None => wrong(at, "It must be a UUID."),
    }
}

fn text(
    value: Option<&Value>,
    at: &str,
    characters: RangeInclusive<usize>,
) -> Read<Option<String>> {
    value.map(|value| values::text(value, at, characters)).transpose()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(body: &Value) -> Read<Wanted> {
        read(body.as_object().unwrap(), "2026-03-05T00:00:00Z".parse().unwrap())
    }

    #[test]
    fn a_range_is_enough_and_means_dead_letters() {
        let range = json!({"from": "2026-03-04T00:00:00Z", "to": "2026-03-04T01:00:00+01:00"});
        let refused = told(&range).unwrap_err();
        assert_eq!(refused, [FieldError::at("/from", "It must be earlier than to.")]);
        let range = json!({"from": "2026-03-04T00:00:00Z", "to": "2027-01-01T00:00:00Z"});
        let wanted = told(&range).unwrap();
        assert_eq!(wanted.scope.states, [State::DeadLettered]);
        assert_eq!((wanted.scope.subscription_id, wanted.scope.event_type), (None, None));
        assert_eq!((wanted.to_subscription_id, wanted.description), (None, None));
    }

    #[test]
    fn every_field_is_read_and_a_null_is_none() {
        let id = "0190a0e0-0000-7000-8000-000000000001";
        let wanted = told(&json!({
            "from": "2026-03-04T00:00:00Z", "to": "2026-03-04T00:00:01Z",
            "status": ["cancelled", "delivered", "cancelled"], "subscription_id": id,
            "event_type": "a.b", "to_subscription_id": id, "description": null,
        }));
        let wanted = wanted.unwrap();
        assert_eq!(wanted.scope.states, [State::Delivered, State::Cancelled]);
        assert_eq!(wanted.scope.subscription_id, wanted.to_subscription_id);
        assert_eq!(wanted.scope.subscription_id, Some(id.parse().unwrap()));
        assert_eq!(wanted.scope.event_type.as_deref(), Some("a.b"));
        assert_eq!(wanted.description, None);
    }

    #[test]
    fn everything_that_is_wrong_is_told_with_its_place() {
        let errors = told(&json!({
            "from": "now", "status": ["pending", "failed"], "subscription_id": 1,
            "event_type": "", "to_subscription": null,
        }));
        let told: Vec<_> =
            errors.unwrap_err().into_iter().map(|error| (error.pointer, error.detail)).collect();
        let said = |at: &str| {
            let found = told.iter().find(|(pointer, _)| pointer == at);
            found.map(|(_, detail)| detail.as_ref()).unwrap_or_default()
        };
        assert!(said("/from").starts_with("It must be a time as in RFC 3339"));
        assert_eq!(said("/to"), "It is required.");
        assert_eq!(said("/status/0"), "It must be one of delivered, dead_lettered, cancelled.");
        assert!(!said("/status/1").is_empty() && !said("/event_type").is_empty());
        assert_eq!(said("/subscription_id"), "It must be a UUID.");
        assert_eq!(said("/to_subscription"), "There is no such field.");
        assert_eq!(told.len(), 7);
    }

    #[test]
    fn what_is_yet_to_be_accepted_is_not_replayed() {
        let range = json!({"from": "2026-03-05T00:00:00Z", "to": "2026-03-06T00:00:00Z"});
        assert_eq!(told(&range).unwrap_err()[0].pointer, "/from");
    }
}
