//! How a command fails: in one line that says what to do, and with an exit code. Pure.

use std::fmt::Write as _;
use std::io;
use std::process::ExitCode;

use serde::Deserialize;
use serde_json::Value;

use crate::cli::harmless;

/// Characters of an answer's own words; an answer may come from anybody.
const MAX_WORDS: usize = 1_000;
/// Fields that are named; the rest are counted.
const MAX_FIELDS: usize = 10;

#[derive(Debug)]
pub(crate) enum Failure {
    /// The server, or whoever answered, said no. `is_passing`: the same may work later.
    Refused { line: String, is_passing: bool },
    /// The command was given something that it cannot work with.
    Usage(String),
    /// There was no answer.
    Unreachable(String),
    /// Whoever read the output has gone.
    Closed,
    /// The machine itself refused.
    Local(io::Error),
}

impl Failure {
    pub(crate) fn refused(line: impl Into<String>) -> Self {
        Self::Refused { line: line.into(), is_passing: false }
    }

    /// What a person reads, if there is somebody to tell.
    pub(crate) fn line(&self) -> Option<String> {
        match self {
            Self::Refused { line, .. } | Self::Usage(line) | Self::Unreachable(line) => {
                Some(line.clone())
            }
            Self::Closed => None,
            Self::Local(error) => Some(error.to_string()),
        }
    }

    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Self::Closed => ExitCode::SUCCESS,
            Self::Refused { .. } | Self::Local(_) => ExitCode::from(1),
            Self::Usage(_) => ExitCode::from(2),
            Self::Unreachable(_) => ExitCode::from(3),
        }
    }
}

/// Every shape of refusal there is: problem documents, and both older contracts'.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Document {
    code: Option<String>,
    detail: Value,
    message: Option<String>,
    errors: Value,
    results: Vec<Value>,
}

/// Words an answer that is no success; `retry_after` is its header.
pub(crate) fn refusal(status: u16, retry_after: Option<&str>, body: &[u8]) -> Failure {
    let is_passing = status == 503 || status == 429;
    let Ok(document) = serde_json::from_slice::<Document>(body) else {
        let line = format!(
            "the answer is HTTP {status} and not hooklog's; is --url (HOOKLOG_URL) right, and \
             nothing else on the way?"
        );
        return Failure::Refused { line, is_passing };
    };
    let mut line = shortened(&words(&document));
    match &document.code {
        Some(code) => _ = write!(line, " ({}, HTTP {status})", shortened(code)),
        None => _ = write!(line, " (HTTP {status})"),
    }
    if let Some(advice) = advice(status, document.code.as_deref()) {
        _ = write!(line, "; {advice}");
    }
    if is_passing {
        let seconds = retry_after.and_then(|text| text.parse::<u32>().ok());
        let when = seconds.map_or_else(|| "later".to_owned(), |seconds| format!("in {seconds} s"));
        _ = write!(line, "; try again {when}");
    }
    Failure::Refused { line, is_passing }
}

fn words(document: &Document) -> String {
    let mut words = match (&document.detail, &document.message) {
        (Value::String(detail), _) => detail.trim_end_matches('.').to_owned(),
        // The first contract's list of what is wrong.
        (Value::Array(wrong), _) => {
            let told = wrong.iter().filter_map(|item| Some(item.get("msg")?.as_str()?.to_owned()));
            told.take(MAX_FIELDS).collect::<Vec<_>>().join("; ")
        }
        (_, Some(message)) => message.clone(),
        _ => String::new(),
    };
    let bad = document.results.iter().filter(|item| item["status"] == "rejected");
    if let Some(first) = bad.clone().next() {
        let text = |name: &str| first[name].as_str().unwrap_or_default().to_owned();
        words = format!(
            "no item was taken, {} rejected; item {}: {} ({})",
            bad.count(),
            first["index"],
            text("detail").trim_end_matches('.'),
            text("code"),
        );
    }
    if let Value::Array(fields) = &document.errors {
        for field in fields.iter().take(MAX_FIELDS) {
            let pointer = field["pointer"].as_str().unwrap_or_default();
            let place = if pointer.is_empty() { "the body" } else { pointer };
            let detail = field["detail"].as_str().unwrap_or_default();
            _ = write!(words, "; {place}: {}", detail.trim_end_matches('.'));
        }
        if fields.len() > MAX_FIELDS {
            _ = write!(words, "; and {} more", fields.len() - MAX_FIELDS);
        }
    }
    if words.is_empty() { "the server refused".to_owned() } else { words }
}

/// What helps, where the answer does not say so itself.
fn advice(status: u16, code: Option<&str>) -> Option<&'static str> {
    match (status, code) {
        (401, _) => Some("give a key with --key or HOOKLOG_API_KEY"),
        (403, _) => Some("the key may not do this; one with another scope may"),
        (_, Some("subscription_not_found")) => Some("hooklog subscriptions list shows them"),
        (_, Some("delivery_not_found")) => Some("hooklog deliveries list shows them"),
        (_, Some("replay_not_found")) => Some("hooklog replay list shows them"),
        (_, Some("version_mismatch")) => Some("look at it again and repeat with its version"),
        (_, Some("subscription_paused")) => Some("hooklog subscriptions resume continues it"),
        (_, Some("too_many_replays")) => Some("wait for one, or hooklog replay cancel"),
        (_, Some("no_such_route")) => Some("is --url right, and the server of this version?"),
        _ => None,
    }
}

fn shortened(text: &str) -> String {
    let mut short: String = text.chars().take(MAX_WORDS).collect();
    if short.len() < text.len() {
        short.push_str("...");
    }
    harmless::line(&short).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(status: u16, body: &str) -> String {
        refusal(status, None, body.as_bytes()).line().unwrap()
    }

    #[test]
    fn a_problem_is_one_line_with_every_field_and_what_helps() {
        let body = r#"{"detail":"Some fields cannot be taken; errors names each of them.",
            "code":"invalid_fields","errors":[{"pointer":"/target_url","detail":"It is missing."},
            {"pointer":"","detail":"It is large."}]}"#;
        assert_eq!(
            told(422, body),
            "Some fields cannot be taken; errors names each of them; /target_url: It is missing; \
             the body: It is large (invalid_fields, HTTP 422)"
        );
        let body = r#"{"detail":"There is no delivery with this id.","code":"delivery_not_found"}"#;
        assert_eq!(
            told(404, body),
            "There is no delivery with this id (delivery_not_found, HTTP 404); hooklog deliveries \
             list shows them"
        );
        let failure = refusal(503, Some("7"), br#"{"detail":"Busy.","code":"unavailable"}"#);
        assert_eq!(failure.line().unwrap(), "Busy (unavailable, HTTP 503); try again in 7 s");
    }

    #[test]
    fn the_older_contracts_refusals_and_a_batch_are_told_too() {
        assert_eq!(told(403, r#"{"detail":"Invalid signature."}"#)[..17], *"Invalid signature");
        let list = r#"{"detail":[{"msg":"Field required","loc":["body"]}]}"#;
        assert_eq!(told(422, list), "Field required (HTTP 422)");
        assert_eq!(told(415, r#"{"message":"No JSON"}"#), "No JSON (HTTP 415)");
        let batch = r#"{"rejected":1,"results":[{"index":0,"status":"rejected","code":"c",
            "detail":"No type."}]}"#;
        assert_eq!(
            told(422, batch),
            "no item was taken, 1 rejected; item 0: No type (c) (HTTP 422)"
        );
    }

    #[test]
    fn an_answer_of_somebody_else_is_said_to_be_one_and_cannot_speak_to_the_terminal() {
        assert!(told(502, "<html>").contains("is --url (HOOKLOG_URL) right"));
        assert!(told(500, "[1]").contains("HTTP 500"));
        let said = told(400, "{\"detail\":\"\\u001b]0;owned\\u0007\\n2\"}");
        assert_eq!(said, r"\u{1b}]0;owned\u{7}\n2 (HTTP 400)");
        assert!(told(400, &format!(r#"{{"detail":"{}"}}"#, "x".repeat(9_000))).len() < 1_100);
    }
}
