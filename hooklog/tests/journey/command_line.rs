//! The operator's commands, each as a process, against a running hooklog; and against servers
//! that are none.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use test_bed::{Receiver, TestBed, eventually};

use crate::running::Hooklog;

const SOON: Duration = Duration::from_secs(20);
const SECRET: &str = "your_secure_secret_key";
const ONE_CALL: [(&str, &str); 1] = [("CELERY_MAX_RETRIES", "1")];

/// How a command ended, and what it wrote.
#[derive(Debug)]
struct Ran {
    code: Option<i32>,
    out: String,
    said: String,
}

impl Ran {
    /// It failed so, with one line that has these words.
    fn refused(&self, code: i32, words: &str) {
        assert_eq!(self.code, Some(code), "{self:?}");
        assert_eq!(self.said.lines().count(), 1, "{self:?}");
        assert!(self.said.starts_with("hooklog: ") && self.said.contains(words), "{self:?}");
    }
}

fn start(url: &str, arguments: &[&str]) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hooklog"));
    command.args(arguments).env_clear().env("HOOKLOG_URL", url);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().expect("start hooklog")
}

fn run_with(url: &str, arguments: &[&str], input: &[u8]) -> Ran {
    tokio::task::block_in_place(|| {
        let mut child = start(url, arguments);
        child.stdin.take().unwrap().write_all(input).expect("write its stdin");
        let ended = child.wait_with_output().expect("wait for hooklog");
        let text = |bytes| String::from_utf8(bytes).expect("it writes UTF-8");
        Ran { code: ended.status.code(), out: text(ended.stdout), said: text(ended.stderr) }
    })
}

fn run(url: &str, arguments: &[&str]) -> Ran {
    run_with(url, arguments, b"")
}

/// The one JSON document of a command that succeeds.
fn json_of(url: &str, arguments: &[&str]) -> Value {
    let ran = run(url, &[arguments, &["--json"]].concat());
    assert_eq!(ran.code, Some(0), "{arguments:?}: {ran:?}");
    assert_eq!(ran.out.lines().count(), 1, "{ran:?}");
    serde_json::from_str(&ran.out).expect("one JSON document")
}

/// What a command that succeeds shows to a person.
fn shown(url: &str, arguments: &[&str]) -> String {
    let ran = run(url, arguments);
    assert_eq!(ran.code, Some(0), "{arguments:?}: {ran:?}");
    assert!(!ran.out.contains('\u{1b}'), "{ran:?}");
    ran.out
}

/// A delivery that the front door has yet to make is not found at first: a read waits for the
/// projection alone.
async fn status_once(url: &str, delivery: &str, wanted: &str) -> Value {
    eventually(SOON, || async {
        let ran = run(url, &["deliveries", "show", delivery, "--json"]);
        if ran.said.contains("delivery_not_found") {
            return None;
        }
        let story = json_of(url, &["deliveries", "show", delivery]);
        (story["status"] == wanted).then_some(story)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_creates_sends_sees_a_dead_letter_and_repairs_it() {
    let bed = TestBed::start("operator").await;
    let hooklog = Hooklog::start(&bed, &ONE_CALL).await;
    let url = hooklog.base.as_str();
    let is_down = Arc::new(AtomicBool::new(false));
    let down = Arc::clone(&is_down);
    let receiver =
        Receiver::start(move |_| if down.load(Ordering::SeqCst) { 503 } else { 200 }).await;

    let target = receiver.url("/hook");
    let made = json_of(url, &["subscriptions", "create", &target, "--type", "order.*"]);
    let subscription = made["id"].as_str().unwrap();
    assert!(made["signing_secret"].as_str().unwrap().starts_with("whsec_"));
    assert!(shown(url, &["subscriptions", "list"]).contains(subscription));

    let sent = json_of(url, &["send", "--type", "order.created", r#"{"n":1}"#]);
    let first = sent["deliveries"][0]["delivery_id"].as_str().unwrap();
    status_once(url, first, "delivered").await;
    assert_eq!(receiver.calls()[0].body, r#"{"n":1}"#);

    is_down.store(true, Ordering::SeqCst);
    let hostile = b"\x1b]0;owned\x07\x1b[2J and \xc2\x9b31m";
    let arguments = ["send", "--type", "order.paid", "--content-type", "text/plain", "--json"];
    let sent = run_with(url, &arguments, hostile);
    let sent: Value = serde_json::from_str(&sent.out).unwrap();
    let second = sent["deliveries"][0]["delivery_id"].as_str().unwrap();
    status_once(url, second, "dead_lettered").await;
    let letters = shown(url, &["dead-letters", "--from", "1h", "--subscription", subscription]);
    assert!(letters.contains(second) && letters.contains("exhausted"), "{letters}");
    assert!(!letters.contains(first), "{letters}");
    let listed = json_of(url, &["dead-letters", "--http-status", "5xx"]);
    assert_eq!(listed["data"].as_array().unwrap().len(), 1);
    let story = shown(url, &["deliveries", "show", second]);
    assert!(story.contains(r"\u{1b}[2J and \u{9b}31m") && story.contains("503"), "{story}");

    is_down.store(false, Ordering::SeqCst);
    let again = json_of(url, &["deliveries", "retry", second]);
    assert_eq!(again["replay_of"], second);
    status_once(url, again["id"].as_str().unwrap(), "delivered").await;
    assert_eq!(receiver.calls().last().unwrap().body, &hostile[..]);
    run(url, &["deliveries", "cancel", second]).refused(1, "(already_ended, HTTP 409)");

    let some = json_of(url, &["deliveries", "list", "--status", "delivered", "--limit", "1"]);
    let cursor = some["next_cursor"].as_str().unwrap();
    let more = ["deliveries", "list", "--status", "delivered", "--cursor", cursor];
    assert_eq!(json_of(url, &more)["data"][0]["id"], first);
    // The numbers are counted a little later.
    let counted = eventually(SOON, || async {
        let stats = json_of(url, &["stats", "--window", "1h"]);
        (stats["totals"]["accepted"] == 3 && stats["failure_reasons"] != json!([])).then_some(stats)
    });
    assert_eq!(counted.await["failure_reasons"][0]["reason"], "http_503");
    assert!(shown(url, &["stats"]).contains("http_503"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_range_of_dead_letters_is_replayed_and_watched() {
    let bed = TestBed::start("operator-replay").await;
    let hooklog = Hooklog::start(&bed, &ONE_CALL).await;
    let url = hooklog.base.as_str();
    let receiver = Receiver::start(|call| if call.number == 1 { 500 } else { 200 }).await;
    let made = json_of(url, &["subscriptions", "create", &receiver.url("/")]);
    let subscription = made["id"].as_str().unwrap();
    let sent = json_of(url, &["send", "--subscription", subscription, "--type", "a", "{}"]);
    let id = sent["deliveries"][0]["delivery_id"].as_str().unwrap();
    status_once(url, id, "dead_lettered").await;

    let create = ["replay", "create", "--from", "1h", "--subscription", subscription, "--watch"];
    let watched = run(url, &[&create[..], &["--timeout", "60"]].concat());
    assert_eq!(watched.code, Some(0), "{watched:?}");
    assert!(watched.said.contains("running: ") || watched.said.contains("done: "), "{watched:?}");
    let listed = json_of(url, &["replay", "list"]);
    assert_eq!(
        (&listed["data"][0]["state"], &listed["data"][0]["published"]),
        (&json!("done"), &json!(1))
    );
    let replay = listed["data"][0]["id"].as_str().unwrap();
    assert!(shown(url, &["replay", "show", replay]).contains("done"));
    run(url, &["replay", "cancel", replay]).refused(1, "(already_ended, HTTP 409)");
    eventually(SOON, || async { (receiver.count() == 2).then_some(()) }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_is_changed_paused_tested_and_deleted_from_a_shell() {
    let bed = TestBed::start("operator-sub").await;
    let hooklog = Hooklog::start(&bed, &[]).await;
    let url = hooklog.base.as_str();
    let receiver = Receiver::start(|_| 200).await;
    let fields = br#"{"labels":{"team":"a"},"description":"from stdin"}"#;
    let target = receiver.url("/");
    let create = ["subscriptions", "create", &target, "--fields", "-", "--json"];
    let made: Value = serde_json::from_str(&run_with(url, &create, fields).out).unwrap();
    let id = made["id"].as_str().unwrap();
    assert_eq!(made["labels"], json!({"team": "a"}));

    let do_it = |action: &str, more: &[&str]| {
        json_of(url, &[&["subscriptions", action, id][..], more].concat())
    };
    let changes =
        ["--retry-schedule", "1,2", "--retry-on", "network,503", "--unset", "description"];
    let changed = do_it("update", &changes);
    assert_eq!(changed["retry"], json!({"schedule": [1.0, 2.0]}));
    assert_eq!(changed["retry_on"], json!(["network", "503"]));
    assert_eq!(changed["description"], Value::Null);
    let stale = ["subscriptions", "update", id, "--timeout", "5", "--if-version", "1"];
    run(url, &stale).refused(1, "(version_mismatch, HTTP 412)");
    assert_eq!(do_it("pause", &[])["paused"], "operator");
    run(url, &["subscriptions", "test", id]).refused(1, "resume continues it");
    assert_eq!(do_it("resume", &[])["paused"], Value::Null);
    let tested = do_it("test", &[]);
    status_once(url, tested["delivery_id"].as_str().unwrap(), "delivered").await;
    let rotated = do_it("rotate-secret", &["--overlap", "60"]);
    assert_ne!(rotated["signing_secret"], made["signing_secret"]);
    let health = eventually(SOON, || async {
        let health = do_it("health", &[]);
        (health["attempts"] == 1).then_some(health)
    });
    assert_eq!(health.await["success_rate"], 1.0);
    assert!(shown(url, &["subscriptions", "health"]).contains(id));
    assert_eq!(do_it("delete", &[]), json!({"deleted": id}));
    run(url, &["subscriptions", "show", id]).refused(1, "(subscription_not_found, HTTP 404)");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_done_is_told_in_one_line_with_an_exit_code() {
    let bed = TestBed::start("operator-errors").await;
    let hooklog = Hooklog::start(&bed, &[]).await;
    let url = hooklog.base.as_str();
    let receiver = Receiver::start(|_| 200).await;
    let id = hooklog.subscribe(&receiver.url("/"), Some(SECRET)).await;

    let signed = ["send", "--subscription", &id, "--secret", SECRET, r#"{"payload":{}}"#];
    assert!(json_of(url, &signed)["webhook_id"].is_string());
    let wrong = ["send", "--subscription", &id, "--secret", "another", r#"{"payload":{}}"#];
    run(url, &wrong).refused(1, "Invalid signature (HTTP 403)");
    let batch = "{\"event_type\":\"a\",\"data\":1}\n{}\n";
    let content_type = ["send", "--content-type", "application/x-ndjson"];
    let sent = run_with(url, &content_type, batch.as_bytes());
    assert!(sent.out.starts_with("1 accepted, 0 filtered, 1 rejected\n  item 1: "), "{sent:?}");
    sent.refused(1, "1 items were rejected");

    let created = run(url, &["subscriptions", "create", "ftp://a", "--timeout", "0"]);
    created.refused(1, "/target_url: ");
    assert!(created.said.contains("/timeout_seconds: "), "{created:?}");
    run(url, &["stats", "--window", "2h"]).refused(1, "window is one of 1h, 24h, 7d");
    assert_eq!(run(url, &["deliveries", "show", "7"]).code, Some(2));
    assert_eq!(run(url, &["deliveries", "list", "--from", "yesterday"]).code, Some(2));
    run(url, &["stats", "--url", "127.0.0.1:8000"]).refused(2, "--url (HOOKLOG_URL)");
    run(url, &["send", "--file", "/no/such/file"]).refused(2, "cannot read /no/such/file");

    let mut unread = start(url, &["subscriptions", "list"]);
    drop(unread.stdout.take());
    let mut said = String::new();
    unread.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!((unread.wait().unwrap().code(), said.as_str()), (Some(0), ""));
}

#[tokio::test(flavor = "multi_thread")]
async fn outcomes_are_followed_as_they_happen() {
    let bed = TestBed::start("operator-tail").await;
    let hooklog = Hooklog::start(&bed, &[]).await;
    let url = hooklog.base.as_str();
    let receiver = Receiver::start(|_| 200).await;
    let made = json_of(url, &["subscriptions", "create", &receiver.url("/")]);
    let id = made["id"].as_str().unwrap();
    let follow = ["tail", "--json", "--count", "2", "--subscription", id, "--status", "delivered"];
    let (sent, followed) = tokio::task::block_in_place(|| {
        let mut tail = start(url, &follow);
        let mut said = String::new();
        BufReader::new(tail.stderr.take().unwrap()).read_line(&mut said).unwrap();
        assert!(said.starts_with("hooklog: following outcomes of http://"), "{said}");
        let send = || json_of(url, &["send", "--type", "a", "{}"]);
        let sent = [send(), send()].map(|sent| sent["deliveries"][0]["delivery_id"].clone());
        (sent, tail.wait_with_output().unwrap())
    });
    assert_eq!(followed.status.code(), Some(0));
    let lines: Vec<Value> =
        followed.stdout.lines().map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect();
    let ids: Vec<&Value> = lines.iter().map(|outcome| &outcome["delivery_id"]).collect();
    assert!(ids.len() == 2 && sent.iter().all(|id| ids.contains(&id)), "{lines:?}");
}

/// Answers one connection after the other with these bytes, and then nobody; keeps their heads.
struct Answering {
    url: String,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Answering {
    fn start(answers: Vec<String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let heads: Arc<Mutex<Vec<String>>> = Arc::default();
        let heard = Arc::clone(&heads);
        std::thread::spawn(move || {
            for answer in answers {
                let (mut connection, _) = listener.accept().unwrap();
                let mut reader = BufReader::new(connection.try_clone().unwrap());
                let mut head = String::new();
                while !head.ends_with("\r\n\r\n") && reader.read_line(&mut head).unwrap() > 0 {}
                heard.lock().unwrap().push(head);
                connection.write_all(answer.as_bytes()).unwrap();
            }
        });
        Self { url, heads }
    }

    fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_ends_is_followed_again_a_bounded_number_of_times() {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
    let outcome = "event: outcome\nid: 0:1\ndata: {\"state\":\"delivered\",\"kind\":\"end\"}\n\n";
    let gap = "event: gap\ndata: {\"missed\":7}\n\n";
    let server =
        Answering::start(vec![format!("{head}{outcome}"), format!("{head}{gap}{outcome}")]);
    let ran = run(&server.url, &["tail", "--reconnects", "1"]);
    assert_eq!((ran.code, ran.out.lines().count()), (Some(3), 2), "{ran:?}");
    assert!(ran.said.contains("7 outcomes were missed"), "{ran:?}");
    assert_eq!(ran.said.matches("connecting again (1 of 1)").count(), 2, "{ran:?}");
    assert!(ran.said.lines().last().unwrap().contains("is hooklog running there?"), "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_else_at_the_url_is_told_and_gets_no_second_request() {
    let answer = |head: &str| vec![format!("HTTP/1.1 {head}\r\nconnection: close\r\n\r\n<html>")];
    let elsewhere = Answering::start(answer("200 OK"));
    run(&elsewhere.url, &["stats"]).refused(1, "HTTP 200 and no JSON");
    assert!(!elsewhere.heads()[0].contains("authorization"), "{:?}", elsewhere.heads());
    let there = Answering::start(answer("200 OK"));
    let moved = answer(&format!("302 Found\r\nlocation: {}/v1/stats", there.url));
    let moved = Answering::start(moved);
    run(&moved.url, &["stats", "--key", "k"]).refused(1, "HTTP 302 and not hooklog's");
    assert!(moved.heads()[0].contains("authorization: Bearer k\r\n"), "{:?}", moved.heads());
    assert_eq!(there.heads(), Vec::<String>::new());
    let nobody = Answering::start(Vec::new()).url;
    run(&nobody, &["stats"]).refused(3, "cannot reach http://127.0.0.1:");
    run(&nobody, &["tail"]).refused(3, "cannot reach http://127.0.0.1:");
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_are_read_until_there_is_no_more_and_an_empty_one_that_promises_more_ends_it() {
    let page = |text: &str| format!("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{text}");
    let pages = [
        r#"{"data":[{"id":"a","new":1.50}],"next_cursor":"1"}"#,
        r#"{"data":[{"id":"b"}],"next_cursor":null}"#,
    ];
    let server = Answering::start(pages.map(page).to_vec());
    let below = format!("{}/below/", server.url);
    let ran = run(&below, &["subscriptions", "list", "--limit", "101", "--json"]);
    let whole = r#"{"data":[{"id":"a","new":1.50},{"id":"b"}],"next_cursor":null}"#;
    assert_eq!(ran.out.trim_end(), whole, "{ran:?}");
    let asked = server.heads();
    assert!(asked[0].starts_with("GET /below/v1/subscriptions?limit=100 "), "{asked:?}");
    assert!(asked[1].starts_with("GET /below/v1/subscriptions?limit=100&cursor=1 "), "{asked:?}");
    let empty = Answering::start(vec![page(r#"{"data":[],"next_cursor":"1"}"#)]);
    let ran = run(&empty.url, &["subscriptions", "list"]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(0), ""), "{ran:?}");
}
