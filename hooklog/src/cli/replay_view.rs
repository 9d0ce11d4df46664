//! What is shown of replays. Pure.

use serde_json::Value;

use crate::cli::harmless;
use crate::cli::table::{self, Cell, Table};
use crate::cli::values::{count, text, time};

pub(crate) fn table(replays: &[Value]) -> Table {
    let headings =
        ["ID", "STATE", ">PUBLISHED", ">TOTAL", ">DELIVERED", "FROM", "TO", "DESCRIPTION"];
    let mut table = Table::new(&headings);
    for replay in replays {
        table.row([
            text(replay, "id").into(),
            Cell::word(text(replay, "state")),
            text(replay, "published").into(),
            text(replay, "total").into(),
            text(replay, "delivered").into(),
            time(replay, "from").into(),
            time(replay, "to").into(),
            text(replay, "description").into(),
        ]);
    }
    table
}

pub(crate) fn sheet(replay: &Value, colour: bool) -> String {
    let of = |name| Cell::from(text(replay, name));
    let at = |name| Cell::from(time(replay, name));
    table::sheet(
        &[
            ("id", of("id")),
            ("state", Cell::word(text(replay, "state"))),
            ("error", of("error")),
            ("description", of("description")),
            ("from", at("from")),
            ("to", at("to")),
            ("status", of("status")),
            ("subscription", of("subscription_id")),
            ("event type", of("event_type")),
            ("goes to", of("to_subscription_id")),
            ("total", of("total")),
            ("published", of("published")),
            ("skipped", of("skipped")),
            ("finished", of("finished")),
            ("delivered", of("delivered")),
            ("dead-lettered", of("dead_lettered")),
            ("created", at("created_at")),
            ("ended", at("ended_at")),
        ],
        colour,
    )
}

/// How far it has come, on a line that a terminal of 80 columns holds.
pub(crate) fn progress(replay: &Value) -> String {
    let number = |name| count(replay, name);
    let passed = number("published") + number("skipped");
    let of = match replay["total"].as_i64() {
        Some(total) if total > 0 => {
            // What is accepted late may make it more than was counted.
            format!("{passed} of {total} ({} %)", (passed * 100 / total).min(100))
        }
        _ => passed.to_string(),
    };
    format!(
        "{}: {of}, {} skipped; {} delivered, {} dead-lettered",
        harmless::line(&text(replay, "state")),
        number("skipped"),
        number("delivered"),
        number("dead_lettered"),
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn replay() -> Value {
        json!({
            "id": "0190a0e0-0000-7000-8000-000000000001", "from": "2026-03-04T05:06:07Z",
            "to": "2026-03-04T06:06:07Z", "status": ["dead_lettered", "cancelled"],
            "subscription_id": null, "event_type": null, "to_subscription_id": null,
            "description": "after the outage", "state": "running", "total": 500,
            "published": 120, "finished": 100, "delivered": 90, "dead_lettered": 10,
            "skipped": 3, "created_at": "2026-03-04T07:06:07Z",
            "updated_at": "2026-03-04T07:06:08Z", "ended_at": null, "error": null,
        })
    }

    #[test]
    fn a_replay_is_shown_in_a_list_and_in_full() {
        let list = table(&[replay()]).render(false);
        insta::assert_snapshot!(format!("{list}\n{}", sheet(&replay(), false)));
    }

    #[test]
    fn progress_is_told_with_and_without_a_total() {
        assert_eq!(
            progress(&replay()),
            "running: 123 of 500 (24 %), 3 skipped; 90 delivered, 10 dead-lettered"
        );
        let mut unknown = replay();
        unknown["total"] = Value::Null;
        assert!(progress(&unknown).starts_with("running: 123, 3 skipped;"));
    }
}
