//! The canonical form against CPython: its recorded answers always, and as many random bodies
//! as it answers in a few seconds where a `python3` is at hand.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use proptest::prelude::*;
use serde::Deserialize;
use signature::canonical_json::MAX_DEPTH;
use signature::{CanonicalError, Secret, canonical, sign_hub};

const RANDOM_BODIES: usize = 100_000;

fn canonical_text(body: &str) -> Result<String, CanonicalError> {
    canonical(body.as_bytes()).map(|form| String::from_utf8(form).unwrap())
}

#[test]
fn the_vectors_of_the_contract_hold() {
    let secret = Secret::from_text("your_secure_secret_key").unwrap();
    for (body, form, signature) in [
        (
            r#"{"payload": {"user_id": 123, "action": "created", "timestamp": "..."}, "event_type": "user.created"}"#,
            r#"{"event_type":"user.created","payload":{"action":"created","timestamp":"...","user_id":123}}"#,
            "3396f2b35a246984a0e61d668d25c60a727603fe496b17cb217112a5d2ff722f",
        ),
        (
            r#"{"payload":{"a":1.0,"b":1e5,"c":1e16,"d":1E-5,"e":0.0001,"f":-0.0,"g":-0,"h":123456789012345678901234567890,"i":1.50,"j":1e22,"k":123456789.123456789,"l":0.1e1}}"#,
            r#"{"payload":{"a":1.0,"b":100000.0,"c":1e+16,"d":1e-05,"e":0.0001,"f":-0.0,"g":0,"h":123456789012345678901234567890,"i":1.5,"j":1e+22,"k":123456789.12345679,"l":1.0}}"#,
            "76d23b664f932f7bc77644174465db43452710a1c4667d02e0bd65442bdcae8b",
        ),
        (
            r#"{"payload":{"a":1,"a":2},"payload":{"b":true,"b":null}}"#,
            r#"{"payload":{"b":null}}"#,
            "27e88f5414d7528d3a434bf19a1982bcf12bc7fea7980e856855c9f9a98dc784",
        ),
    ] {
        assert_eq!(canonical_text(body).as_deref(), Ok(form));
        assert_eq!(sign_hub(&secret, form.as_bytes()), format!("sha256={signature}"));
    }
}

#[test]
fn the_recorded_answers_of_python_hold() {
    #[derive(Deserialize)]
    struct Recorded {
        input: String,
        output: Option<String>,
    }
    let mut wrong = Vec::new();
    for line in include_str!("canonical_vectors.jsonl").lines() {
        let Recorded { input, output } = serde_json::from_str(line).unwrap();
        let form = canonical_text(&input);
        if form.as_ref().ok() != output.as_ref() {
            wrong.push(format!("{input:?} gives {form:?} and not {output:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn random_bodies_get_the_answer_that_python_gives() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/canonical_reference.py");
    let started = Command::new("python3")
        .args([script.as_os_str(), "random".as_ref(), "20261122".as_ref()])
        .arg(RANDOM_BODIES.to_string())
        .stdout(Stdio::piped())
        .spawn();
    let mut python = match started {
        Ok(python) => python,
        Err(error) => {
            eprintln!("random bodies were not compared: python3 did not start: {error}");
            return;
        }
    };
    let mut compared = 0;
    let mut refused = 0;
    let mut wrong = Vec::new();
    for line in BufReader::new(python.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        let (body, answer) = line.split_once(' ').unwrap();
        let body = hex::decode(body).unwrap();
        let answer = (answer != "-").then(|| hex::decode(answer).unwrap());
        let form = canonical(&body);
        if form.as_ref().ok() != answer.as_ref() {
            let [body, form, answer] = [Some(&body), form.as_ref().ok(), answer.as_ref()]
                .map(|bytes| bytes.map(|bytes| String::from_utf8_lossy(bytes).into_owned()));
            wrong.push(format!("{body:?} gives {form:?} and not {answer:?}"));
        }
        compared += 1;
        refused += usize::from(answer.is_none());
    }
    assert!(python.wait().unwrap().success());
    assert_eq!(compared, RANDOM_BODIES);
    wrong.sort_by_key(String::len);
    let shown = wrong[..wrong.len().min(5)].join("\n");
    assert!(wrong.is_empty(), "{} are wrong, among them:\n{shown}", wrong.len());
    // Neither side of the comparison may be so rare that it shows nothing.
    assert!(refused > RANDOM_BODIES / 20 && refused < RANDOM_BODIES / 2, "{refused} refused");
}

#[test]
fn what_is_refused_is_refused_with_its_reason() {
    use CanonicalError::{LongInteger, NotJson, NotUtf8, TooDeep};
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let objects = |depth: usize| format!("{}0{}", r#"{"a":"#.repeat(depth), "}".repeat(depth));
    assert_eq!(canonical_text(&nested(MAX_DEPTH)), Ok(nested(MAX_DEPTH)));
    assert_eq!(canonical_text(&objects(MAX_DEPTH)), Ok(objects(MAX_DEPTH)));
    let table: [(Vec<u8>, CanonicalError); 11] = [
        (nested(MAX_DEPTH + 1).into(), TooDeep),
        (objects(MAX_DEPTH + 1).into(), TooDeep),
        ("[".repeat(1_000_000).into(), TooDeep),
        ("8".repeat(4301).into(), LongInteger),
        (b"\"\xff\"".into(), NotUtf8),
        (b"\"\xed\xa0\x80\"".into(), NotUtf8),
        (b"\xff\xfe1\x00".into(), NotUtf8),
        (b"\xef\xbb\xbf{}".into(), NotJson { at: 0 }),
        (b"1\x00".into(), NotJson { at: 1 }),
        (b"".into(), NotJson { at: 0 }),
        (b"{\"a\":01}".into(), NotJson { at: 6 }),
    ];
    for (body, refusal) in table {
        assert_eq!(canonical(&body), Err(refusal), "{:?}", &body[..body.len().min(20)]);
    }
}

#[test]
fn objects_out_of_order_at_every_depth_are_put_in_order_once() {
    let long = "x".repeat(100_000);
    let around = |before: &str, after: &str| {
        format!("{}\"{long}\"{}", before.repeat(MAX_DEPTH), after.repeat(MAX_DEPTH))
    };
    let body = around(r#"{"b":"#, r#","a":0}"#);
    assert_eq!(canonical_text(&body), Ok(around(r#"{"a":0,"b":"#, "}")));
}

/// JSON-like text: far more of it is JSON, or nearly, than of random bytes.
fn json_like() -> impl Strategy<Value = String> {
    let token = prop_oneof![
        Just("{"),
        Just("}"),
        Just("["),
        Just("]"),
        Just(","),
        Just(":"),
        Just(" "),
        Just("\"a\""),
        Just("\"\\ud83d\\ude00\""),
        Just("\"\\ud800\""),
        Just("\"é\""),
        Just("\""),
        Just("\\"),
        Just("-0"),
        Just("1.50"),
        Just("1e999"),
        Just("NaN"),
        Just("-Infinity"),
        Just("null"),
        Just("\"b\":1"),
        Just("{\"b\":[],\"a\":{}}"),
    ];
    proptest::collection::vec(token, 0..12).prop_map(|tokens| tokens.concat())
}

fn json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        any::<f64>().prop_map(|value| {
            format!("{value:e}").replace("inf", "Infinity").replace("-NaN", "NaN")
        }),
        any::<i128>().prop_map(|value| value.to_string()),
        any::<String>().prop_map(|text| serde_json::to_string(&text).unwrap()),
        any::<u16>().prop_map(|unit| format!("\"\\u{unit:04X}\"")),
        Just("null".to_owned()),
    ];
    leaf.prop_recursive(5, 60, 8, |value| {
        let member = ("[a-c\u{e9}\u{1f600}]{0,2}", value.clone());
        prop_oneof![
            proptest::collection::vec(value, 0..6).prop_map(|all| format!("[{}]", all.join(", "))),
            proptest::collection::vec(member, 0..6).prop_map(|all| {
                let all: Vec<_> = all.iter().map(|(k, v)| format!("\"{k}\" :{v}")).collect();
                format!("{{{}}}", all.join(",\n"))
            }),
        ]
    })
}

proptest! {
    #[test]
    fn a_canonical_form_is_its_own_canonical_form(body in json()) {
        let form = canonical(body.as_bytes()).unwrap();
        prop_assert!(form.iter().all(|byte| (0x20..0x7f).contains(byte)));
        prop_assert_eq!(canonical(&form), Ok(form));
    }

    #[test]
    fn no_bytes_make_it_panic(bytes: Vec<u8>, text: String, like in json_like()) {
        for body in [&bytes[..], text.as_bytes(), like.as_bytes()] {
            if let Ok(form) = canonical(body) {
                prop_assert_eq!(canonical(&form), Ok(form));
            }
        }
    }
}
