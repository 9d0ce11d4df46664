//! What is shown of how receivers do. Pure.

use serde_json::Value;

use crate::cli::table::{self, Cell, Table};
use crate::cli::values::{millis, percent, text, time};

pub(crate) fn table(healths: &[Value]) -> Table {
    let headings =
        ["ID", "STATUS", ">SUCCESS", ">CALLS", ">P95", ">BACKLOG", "SINCE", "TARGET", "LAST ERROR"];
    let mut table = Table::new(&headings);
    for health in healths {
        table.row([
            text(health, "subscription_id").into(),
            Cell::word(status(health)),
            percent(&health["success_rate"]).into(),
            text(health, "attempts").into(),
            millis(&health["latency_ms"]["p95"]).into(),
            text(health, "backlog").into(),
            time(health, "failing_since").into(),
            text(health, "target_url").into(),
            text(health, "last_error").into(),
        ]);
    }
    table
}

pub(crate) fn sheet(health: &Value, colour: bool) -> String {
    let of = |name| Cell::from(text(health, name));
    let at = |name| Cell::from(time(health, name));
    let latency = |name: &str| Cell::from(millis(&health["latency_ms"][name]));
    table::sheet(
        &[
            ("subscription", of("subscription_id")),
            ("target", of("target_url")),
            ("description", of("description")),
            ("status", Cell::word(status(health))),
            ("breaker", Cell::word(text(health, "breaker"))),
            ("window", format!("{} s", text(health, "window_seconds")).into()),
            ("calls", of("attempts")),
            ("succeeded", of("succeeded")),
            ("success rate", percent(&health["success_rate"]).into()),
            ("latency p50", latency("p50")),
            ("latency p95", latency("p95")),
            ("latency p99", latency("p99")),
            ("failures in a row", of("consecutive_failures")),
            ("failing since", at("failing_since")),
            ("last call", at("last_attempt_at")),
            ("last success", at("last_success_at")),
            ("last status", of("last_http_status")),
            ("last error", of("last_error")),
            ("backlog", of("backlog")),
            ("oldest waiting", at("oldest_undelivered_at")),
            ("dead-lettered", of("dead_lettered")),
        ],
        colour,
    )
}

fn status(health: &Value) -> String {
    if health["failing"] == true { "failing".to_owned() } else { text(health, "status") }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn health() -> Value {
        json!({
            "subscription_id": "0190a0e0-0000-7000-8000-000000000001",
            "target_url": "https://shop.example.com/hooks", "description": null,
            "status": "active", "paused_reason": null, "window_seconds": 3_600, "attempts": 200,
            "succeeded": 150, "success_rate": 0.75,
            "latency_ms": {"p50": 3.25, "p95": 120.5, "p99": 900.0}, "failing": true,
            "consecutive_failures": 12, "failing_since": "2026-03-04T05:06:07.123456Z",
            "last_attempt_at": "2026-03-04T06:06:07Z", "last_success_at": null,
            "last_error": "the answer was 503", "last_http_status": 503, "breaker": "open",
            "backlog": 40, "oldest_undelivered_at": "2026-03-04T05:06:07Z", "dead_lettered": 2,
        })
    }

    #[test]
    fn how_all_do_is_a_line_for_each() {
        let mut idle = health();
        for name in ["success_rate", "latency_ms", "failing_since", "last_error"] {
            idle[name] = Value::Null;
        }
        (idle["failing"], idle["attempts"]) = (json!(false), json!(0));
        insta::assert_snapshot!(table(&[health(), idle]).render(false));
    }

    #[test]
    fn how_one_does_is_shown_in_full() {
        insta::assert_snapshot!(sheet(&health(), false));
    }
}
