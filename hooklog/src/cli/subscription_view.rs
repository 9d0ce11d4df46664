//! What is shown of subscriptions. Pure.

use std::fmt::Write as _;

use serde_json::Value;

use crate::cli::harmless;
use crate::cli::table::{self, Cell, Table};
use crate::cli::values::{NONE, text, time, word};

pub(crate) fn table(subscriptions: &[Value]) -> Table {
    let mut table = Table::new(&["ID", "STATUS", "TYPES", "TARGET", "DESCRIPTION"]);
    for subscription in subscriptions {
        table.row([
            text(subscription, "id").into(),
            Cell::word(status(subscription)),
            types(subscription).into(),
            text(subscription, "target_url").into(),
            text(subscription, "description").into(),
        ]);
    }
    table
}

/// One of them, and a secret that this answer alone has.
pub(crate) fn sheet(subscription: &Value, colour: bool) -> String {
    let of = |name| Cell::from(text(subscription, name));
    let or_installations = |name: &str| match &subscription[name] {
        Value::Null => Cell::from("the installation's"),
        value => word(value).into(),
    };
    let mut shown = table::sheet(
        &[
            ("id", of("id")),
            ("target", of("target_url")),
            ("status", Cell::word(status(subscription))),
            ("description", of("description")),
            ("event types", types(subscription).into()),
            ("filter", word(&subscription["filter"]["jsonpath"]).into()),
            ("headers", of("headers")),
            ("max concurrency", or_installations("max_concurrency")),
            ("rate limit", or_installations("rate_limit")),
            ("timeout", or_installations("timeout_seconds")),
            ("retry", or_installations("retry")),
            ("retry on", or_installations("retry_on")),
            ("verification", of("verification")),
            ("signing", word(&subscription["signing"]["schemes"]).into()),
            ("public key", word(&subscription["signing"]["public_key"]).into()),
            ("labels", of("labels")),
            ("version", of("version")),
            ("created", time(subscription, "created_at").into()),
            ("updated", time(subscription, "updated_at").into()),
        ],
        colour,
    );
    if let Some(secret) = subscription["signing_secret"].as_str() {
        let secret = harmless::line(secret);
        _ = write!(shown, "\nsigning secret, which is shown this once:\n{secret}\n");
    }
    shown
}

/// A test event that is on its way.
pub(crate) fn tested(answer: &Value) -> String {
    let id = text(answer, "delivery_id");
    let id = harmless::line(&id);
    format!("sent as delivery {id}; hooklog deliveries show {id} tells how it went\n")
}

fn status(subscription: &Value) -> String {
    match subscription["paused"].as_str() {
        None => "active".to_owned(),
        Some("operator") => "paused".to_owned(),
        Some(why) => format!("paused ({why})"),
    }
}

fn types(subscription: &Value) -> String {
    match text(subscription, "event_types") {
        none if none == NONE => "every event".to_owned(),
        types => types,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn subscription() -> Value {
        json!({
            "id": "0190a0e0-0000-7000-8000-000000000001",
            "target_url": "https://shop.example.com/hooks", "description": "the \u{1b}[31mshop",
            "event_types": ["order.*", "a"], "filter": {"jsonpath": "$[?@.n > 1]"},
            "headers": {"x-a": "b"}, "max_concurrency": 3, "rate_limit": null,
            "timeout_seconds": null, "retry": {"schedule": [5, 60]}, "retry_on": null,
            "verification": null, "signing": {"schemes": ["standard"], "public_key": null},
            "labels": {}, "paused": null, "version": 2,
            "created_at": "2026-03-04T05:06:07.123456Z",
            "updated_at": "2026-03-04T05:06:08.123456Z",
        })
    }

    #[test]
    fn a_list_has_a_line_for_each() {
        let mut gone = subscription();
        gone["paused"] = json!("gone");
        gone["event_types"] = json!([]);
        insta::assert_snapshot!(table(&[subscription(), gone]).render(false));
    }

    #[test]
    fn one_is_shown_with_every_field_and_its_new_secret() {
        let mut made = subscription();
        made["signing_secret"] = json!("whsec_AAAA");
        insta::assert_snapshot!(sheet(&made, false));
    }
}
