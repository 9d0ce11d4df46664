//! What is shown of deliveries and their calls. Pure.

use std::fmt::Write as _;

use serde_json::Value;

use crate::cli::harmless;
use crate::cli::table::{self, Cell, Table};
use crate::cli::values::{NONE, millis, text, time};

pub(crate) fn table(deliveries: &[Value]) -> Table {
    let headings =
        ["ID", "STATUS", ">CALLS", "ACCEPTED", "TYPE", "SUBSCRIPTION", "LAST ANSWER", "NEXT"];
    let mut table = Table::new(&headings);
    for delivery in deliveries {
        table.row([
            text(delivery, "id").into(),
            Cell::word(text(delivery, "status")),
            text(delivery, "attempts").into(),
            time(delivery, "accepted_at").into(),
            text(delivery, "event_type").into(),
            text(delivery, "subscription_id").into(),
            last_answer(delivery).into(),
            time(delivery, "next_attempt_at").into(),
        ]);
    }
    table
}

/// Those that were given up, with why.
pub(crate) fn dead_letters(deliveries: &[Value]) -> Table {
    let headings =
        ["ID", "REASON", ">CALLS", "ACCEPTED", "LAST CALL", "TYPE", "SUBSCRIPTION", "LAST ERROR"];
    let mut table = Table::new(&headings);
    for delivery in deliveries {
        table.row([
            text(delivery, "id").into(),
            text(delivery, "reason").into(),
            text(delivery, "attempts").into(),
            time(delivery, "accepted_at").into(),
            time(delivery, "last_attempt_at").into(),
            text(delivery, "event_type").into(),
            text(delivery, "subscription_id").into(),
            last_error(delivery).into(),
        ]);
    }
    table
}

/// One of them, with its payload as text and every call.
pub(crate) fn story(delivery: &Value, colour: bool) -> String {
    let of = |name| Cell::from(text(delivery, name));
    let mut shown = table::sheet(
        &[
            ("id", of("id")),
            ("status", Cell::word(text(delivery, "status"))),
            ("reason", of("reason")),
            ("event type", of("event_type")),
            ("subscription", of("subscription_id")),
            ("message id", of("message_id")),
            ("accepted", time(delivery, "accepted_at").into()),
            ("next call", time(delivery, "next_attempt_at").into()),
            ("repeats", of("replay_of")),
            ("content type", of("content_type")),
            ("payload bytes", of("payload_bytes")),
        ],
        colour,
    );
    shown.push('\n');
    shown.push_str(&payload(&delivery["payload"]));
    shown.push('\n');
    match delivery["timeline"].as_array().filter(|calls| !calls.is_empty()) {
        None => shown.push_str("no call yet\n"),
        Some(calls) => shown.push_str(&timeline(calls).render(colour)),
    }
    shown
}

/// The new delivery that a retry has made.
pub(crate) fn retried(answer: &Value) -> String {
    let (id, old) = (text(answer, "id"), text(answer, "replay_of"));
    format!("{} repeats {}\n", harmless::line(&id), harmless::line(&old))
}

fn payload(payload: &Value) -> String {
    let Some(data) = payload["data"].as_str() else { return "payload: not stored\n".to_owned() };
    let encoding = text(payload, "encoding");
    let encoding = if encoding == "utf-8" { String::new() } else { format!(" ({encoding})") };
    let mut shown = format!("payload{}:\n", harmless::line(&encoding));
    for line in harmless::lines(data).lines() {
        _ = writeln!(shown, "  {line}");
    }
    if payload["truncated"] == true {
        shown.push_str("  ... there is more of it: --full\n");
    }
    shown
}

fn timeline(calls: &[Value]) -> Table {
    let mut table = Table::new(&["CALL", "AT", "ANSWER", ">TOOK", "THEN", "NEXT", "SAID"]);
    for call in calls {
        let answer = match (&call["http_status"], call["error_kind"].as_str()) {
            (Value::Null, Some(kind)) => kind.to_owned(),
            _ => text(call, "http_status"),
        };
        let said = match call["response_excerpt"].as_str().filter(|excerpt| !excerpt.is_empty()) {
            Some(excerpt) => excerpt.to_owned(),
            None => text(call, "error"),
        };
        table.row([
            text(call, "number").into(),
            time(call, "attempted_at").into(),
            answer.into(),
            millis(&call["latency_ms"]).into(),
            Cell::word(text(call, "status")),
            time(call, "next_attempt_at").into(),
            said.into(),
        ]);
    }
    table
}

fn last_answer(delivery: &Value) -> String {
    match (&delivery["last_http_status"], delivery["last_error_kind"].as_str()) {
        (Value::Null, Some(kind)) => kind.to_owned(),
        (Value::Null, None) => delivery["reason"].as_str().unwrap_or(NONE).to_owned(),
        (status, _) => status.to_string(),
    }
}

fn last_error(delivery: &Value) -> String {
    match text(delivery, "last_error") {
        none if none == NONE => last_answer(delivery),
        error => error,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn delivery() -> Value {
        json!({
            "id": "0190a0e0-0000-7000-8000-000000000001",
            "subscription_id": "0190a0e0-0000-7000-8000-000000000002",
            "message_id": "0190a0e0-0000-7000-8000-000000000003", "event_type": "order.created",
            "status": "dead_lettered", "reason": "exhausted", "attempts": 3,
            "accepted_at": "2026-03-04T05:06:07.123456Z",
            "last_attempt_at": "2026-03-04T05:07:07.123456Z", "next_attempt_at": null,
            "last_http_status": 503, "last_error_kind": "http_status",
            "last_error": "the answer was \u{1b}]0;503\u{7}", "replay_of": null,
            "content_type": "application/json", "payload_bytes": 12,
        })
    }

    fn waiting() -> Value {
        json!({
            "id": "0190a0e0-0000-7000-8000-000000000004",
            "subscription_id": "0190a0e0-0000-7000-8000-000000000002", "event_type": null,
            "status": "retrying", "reason": null, "attempts": 1, "last_error_kind": "timeout",
            "accepted_at": "2026-03-04T05:06:07Z", "next_attempt_at": "2026-03-04T05:08:07Z",
            "last_http_status": null, "last_error": null,
        })
    }

    #[test]
    fn a_list_has_a_line_for_each() {
        insta::assert_snapshot!(table(&[delivery(), waiting()]).render(false));
    }

    #[test]
    fn dead_letters_are_listed_with_their_reasons() {
        insta::assert_snapshot!(dead_letters(&[delivery(), waiting()]).render(false));
    }

    #[test]
    fn one_is_shown_with_its_payload_and_every_call_and_nothing_speaks_to_the_terminal() {
        let mut story = delivery();
        story["payload"] = json!({
            "encoding": "utf-8", "data": "{\"a\":\n\t\"\u{1b}[2J\u{9b}31m\"}", "truncated": true,
        });
        story["timeline"] = json!([
            {"number": 1, "status": "retrying", "succeeded": false, "target_url": "http://a/",
             "http_status": null, "error_kind": "timeout", "error": "no answer within 10 s",
             "latency_ms": 10_000.5, "response_excerpt": "", "response_truncated": false,
             "attempted_at": "2026-03-04T05:06:08Z", "next_attempt_at": "2026-03-04T05:06:18Z"},
            {"number": 2, "status": "dead_lettered", "succeeded": false, "target_url": "http://a/",
             "http_status": 503, "error_kind": "http_status", "error": "503", "latency_ms": 1.5,
             "response_excerpt": "busy\r\n\u{1b}[31m", "response_truncated": false,
             "attempted_at": "2026-03-04T05:07:07Z", "next_attempt_at": null},
        ]);
        let shown = self::story(&story, false);
        assert!(!shown.contains(|c: char| c.is_control() && c != '\n' && c != '\t'));
        insta::assert_snapshot!(shown);
    }

    #[test]
    fn a_payload_that_is_no_text_says_how_it_is_written() {
        let value = json!({"encoding": "base64", "data": "AAE=", "truncated": false});
        assert_eq!(payload(&value), "payload (base64):\n  AAE=\n");
        assert_eq!(payload(&Value::Null), "payload: not stored\n");
    }
}
