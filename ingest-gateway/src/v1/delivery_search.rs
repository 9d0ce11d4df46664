//! From the query of `GET /v1/deliveries` to what is searched for.

use egress::FailureKind;
use pipeline::outcome::State;
use uuid::Uuid;

use crate::event_type;
use crate::own_delivery_store::Search;
use crate::v1::page::Page;
use crate::v1::problem::Problem;
use crate::v1::query;

const STATES: [(&str, State); 5] = {
    let states =
        [State::Pending, State::Retrying, State::Delivered, State::DeadLettered, State::Cancelled];
    let mut words = [("", State::Pending); 5];
    let mut index = 0;
    while index < words.len() {
        words[index] = (states[index].as_str(), states[index]);
        index += 1;
    }
    words
};

/// The words of `call.error_kind` in outcome records that are not [`FailureKind`]'s.
const OTHER_KINDS: [&str; 2] = ["http_status", "secret"];

/// Reads it.
///
/// # Errors
/// 400: a parameter that is none, or whose value is not of its form.
pub(crate) fn read(query: Option<&str>) -> Result<(Search, Page), Problem> {
    let names = [
        "status",
        "subscription_id",
        "event_type",
        "accepted_from",
        "accepted_to",
        "http_status",
        "error_kind",
        "cursor",
        "limit",
    ];
    let [status, subscription, event_type, from, to, http_status, error_kind, cursor, limit] =
        query::read(query, names)?;
    let page = Page::of(cursor.as_deref(), limit.as_deref())?;
    let time = |name, text: Option<String>| text.map(|text| query::time(name, &text)).transpose();
    let search = Search {
        states: status.map(|text| states(&text)).transpose()?.unwrap_or_default(),
        subscription_id: subscription.map(|text| id(&text)).transpose()?,
        event_type: event_type.map(storable_type).transpose()?,
        accepted_from: time("accepted_from", from)?,
        accepted_to: time("accepted_to", to)?,
        http_status: http_status.map(|text| statuses(&text)).transpose()?,
        error_kind: error_kind.map(known_kind).transpose()?,
        after: page.after.map(|place| (place.at, place.id)),
    };
    if let (Some(from), Some(to)) = (search.accepted_from, search.accepted_to)
        && from >= to
    {
        return Err(Problem::invalid_query("accepted_from is earlier than accepted_to."));
    }
    Ok((search, page))
}

/// Delivery states as words with commas between.
///
/// # Errors
/// 400: one that is none.
pub(super) fn states(text: &str) -> Result<Vec<State>, Problem> {
    let mut states = Vec::new();
    for (_, state) in STATES {
        if text.split(',').any(|word| word == state.as_str()) {
            states.push(state);
        }
    }
    let is_known = |word: &str| STATES.iter().any(|(known, _)| *known == word);
    if text.split(',').all(is_known) {
        return Ok(states);
    }
    let words = STATES.map(|(word, _)| word).join(", ");
    Err(Problem::invalid_query(format!("status is one or more of {words}, with commas between.")))
}

/// A subscription's id.
///
/// # Errors
/// 400: it is none.
pub(super) fn id(text: &str) -> Result<Uuid, Problem> {
    text.parse().map_err(|_| Problem::invalid_query("subscription_id is a UUID."))
}

/// An event type that a delivery may have.
///
/// # Errors
/// 400: none has it.
pub(super) fn storable_type(text: String) -> Result<String, Problem> {
    let length = text.chars().count();
    if (1..=event_type::MAX_LENGTH).contains(&length) && !text.contains('\0') {
        return Ok(text);
    }
    let most = event_type::MAX_LENGTH;
    let detail = format!("event_type is a text of 1 to {most} characters without NUL.");
    Err(Problem::invalid_query(detail))
}

/// The first and the last of the statuses that are meant.
fn statuses(text: &str) -> Result<(i32, i32), Problem> {
    let class = text.strip_suffix("xx").and_then(|class| match class {
        "2" => Some((200, 299)),
        "3" => Some((300, 399)),
        "4" => Some((400, 499)),
        "5" => Some((500, 599)),
        _ => None,
    });
    let number = || {
        let is_number = text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_digit());
        let number = text.parse().ok().filter(|number| (100..=599).contains(number));
        number.filter(|_| is_number).map(|number| (number, number))
    };
    class.or_else(number).ok_or_else(|| {
        Problem::invalid_query("http_status is a number from 100 to 599, or 2xx, 3xx, 4xx or 5xx.")
    })
}

fn known_kind(text: String) -> Result<String, Problem> {
    let words = FailureKind::ALL.map(FailureKind::as_str);
    let words: Vec<_> = OTHER_KINDS.into_iter().chain(words).collect();
    if words.contains(&text.as_str()) {
        return Ok(text);
    }
    Err(Problem::invalid_query(format!("error_kind is one of {}.", words.join(", "))))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;

    fn search(query: &str) -> Search {
        read(Some(query)).unwrap().0
    }

    fn detail(query: &str) -> String {
        let problem = read(Some(query)).unwrap_err();
        assert_eq!(problem.code(), "invalid_query", "{query}");
        problem.detail().to_owned()
    }

    #[test]
    fn every_filter_is_read() {
        assert_eq!(read(None).unwrap().0, Search::default());
        let query = "status=dead_lettered,pending,pending&event_type=a%2Eb&http_status=404\
                     &accepted_from=2026-03-04T05:06:07Z&accepted_to=2026-03-04T05:06:08Z\
                     &error_kind=timeout&limit=3&subscription_id=\
                     0190a0e0-0000-7000-8000-000000000001";
        let (search, page) = read(Some(query)).unwrap();
        assert_eq!(page.limit, 3);
        assert_eq!(search.states, [State::Pending, State::DeadLettered]);
        assert_eq!(search.event_type.as_deref(), Some("a.b"));
        assert_eq!(search.http_status, Some((404, 404)));
        assert_eq!(search.error_kind.as_deref(), Some("timeout"));
        assert!(search.subscription_id.is_some());
        assert!(search.accepted_from < search.accepted_to);
    }

    #[test]
    fn statuses_are_a_number_or_a_class() {
        assert_eq!(search("http_status=5xx").http_status, Some((500, 599)));
        assert_eq!(search("http_status=100").http_status, Some((100, 100)));
        for text in ["", "5", "5XX", "1xx", "99", "600", "+20", "0200", "2xxx"] {
            let told = detail(&format!("http_status={}", text.replace('+', "%2B")));
            assert_eq!(told, "http_status is a number from 100 to 599, or 2xx, 3xx, 4xx or 5xx.");
        }
    }

    #[test]
    fn what_is_not_of_its_form_is_told_what_is_allowed() {
        for (query, told) in [
            ("status=", "status is one or more of pending, retrying, delivered, dead_lettered, "),
            ("status=failed", "status is one or more of pending"),
            ("status=pending,", "status is one or more of pending"),
            ("subscription_id=1", "subscription_id is a UUID."),
            ("event_type=", "event_type is a text of 1 to 1024 characters"),
            ("event_type=%00", "event_type is a text of 1 to 1024 characters"),
            ("accepted_from=yesterday", "accepted_from is a time as in RFC 3339"),
            ("accepted_to=2026-03-04", "accepted_to is a time as in RFC 3339"),
            ("error_kind=boom", "error_kind is one of http_status, secret, egress_denied, dns"),
            ("limit=0", "limit is a number from 1 to 100."),
            ("state=pending", "There is a parameter that is none of status, subscription_id"),
        ] {
            assert!(detail(query).starts_with(told), "{query}: {}", detail(query));
        }
        let at = "2026-03-04T05:06:07Z";
        let told = detail(&format!("accepted_from={at}&accepted_to={at}"));
        assert_eq!(told, "accepted_from is earlier than accepted_to.");
        assert!(detail(&format!("event_type={}", "x".repeat(1_025))).contains("1024"));
    }

    #[test]
    fn the_kinds_of_errors_are_those_of_outcome_records() {
        let schema = include_str!("../../../docs/schemas/outcome.schema.json");
        let schema: Value = serde_json::from_str(schema).unwrap();
        let mut documented = BTreeSet::new();
        let call = "/$defs/Call/properties/error_kind/enum";
        let words = schema.pointer(call).or_else(|| find(&schema, "error_kind")).unwrap();
        documented.extend(words.as_array().unwrap().iter().map(|word| word.as_str().unwrap()));
        for word in &documented {
            assert_eq!(search(&format!("error_kind={word}")).error_kind.as_deref(), Some(*word));
        }
        assert_eq!(documented.len(), OTHER_KINDS.len() + FailureKind::ALL.len());
    }

    /// The words that a field anywhere in the schema may have.
    fn find<'a>(schema: &'a Value, name: &str) -> Option<&'a Value> {
        let object = schema.as_object()?;
        let here = object.get(name).and_then(|field| field.get("enum"));
        here.or_else(|| object.values().find_map(|value| find(value, name)))
    }
}
