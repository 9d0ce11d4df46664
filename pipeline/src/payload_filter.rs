//! Whether an event's body is for a subscription: a JSONPath query (RFC 9535) that has to select
//! something ([ADR 6](../../docs/adr/0006-payload-filter.md), `docs/filters.md` for users).
//!
//! Owns the filter's form (`{"jsonpath": "..."}`), what it means for a body, and the promise
//! that a filter which was accepted costs a small multiple of parsing the body
//! (`payload_filter_cost`). The language is the library's: nothing here reads a path.
//!
//! It does not judge event types; that is [`crate::filter`].

use std::cell::OnceCell;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json_path::JsonPath;

use crate::payload_filter_cost;
pub use crate::payload_filter_cost::Refusal;

/// A payload filter, compiled.
///
/// The query runs on an array that holds the body and nothing else, and the filter lets an event
/// through if the query selects at least one node. So `$[?@.amount > 100]` judges the body
/// itself, and `$[0].items[?@.sku == "x"]` something in it.
///
/// Serde reads and writes `{"jsonpath": "..."}`; reading compiles. Equality and `Debug` go by
/// the text, and a clone shares the compiled query.
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "Form", into = "Form")]
pub struct PayloadFilter {
    compiled: Arc<Compiled>,
}

struct Compiled {
    text: Box<str>,
    query: JsonPath,
}

/// How a filter is written.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Form {
    jsonpath: String,
}

/// Why a text is no filter. `Display` tells the place as [`position`](Self::position) does.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PayloadFilterError {
    #[error("the query is {length} bytes long; at most {} are taken", PayloadFilter::MAX_LENGTH)]
    TooLong { length: usize },
    /// It is no JSONPath; the message is the library's.
    #[error("at character {position}: {message}")]
    NoJsonPath { position: usize, message: String },
    /// It is unbalanced, or it is JSONPath that is not taken as a filter.
    #[error("at character {position}: {refusal}")]
    Refused { position: usize, refusal: Refusal },
}

impl PayloadFilter {
    /// The longest query, in bytes.
    pub const MAX_LENGTH: usize = 1_024;

    /// Compiles a query.
    ///
    /// # Errors
    /// With the place: what is no JSONPath, and what could cost too much for a body.
    pub fn new(jsonpath: &str) -> Result<Self, PayloadFilterError> {
        if jsonpath.len() > Self::MAX_LENGTH {
            return Err(PayloadFilterError::TooLong { length: jsonpath.len() });
        }
        // First, because the parser's own time is bounded by this rule too.
        payload_filter_cost::check(jsonpath).map_err(|(at, refusal)| {
            PayloadFilterError::Refused { position: character(jsonpath, at), refusal }
        })?;
        // The library documents its position as 1-based and gives a 0-based offset in bytes.
        let query = JsonPath::parse(jsonpath).map_err(|error| PayloadFilterError::NoJsonPath {
            position: character(jsonpath, error.position()),
            message: error.message().to_owned(),
        })?;
        Ok(Self { compiled: Arc::new(Compiled { text: jsonpath.into(), query }) })
    }

    /// The query as it was written.
    pub fn text(&self) -> &str {
        &self.compiled.text
    }

    /// Whether the filter lets an event with this body through. No filter lets a body through
    /// that is not JSON.
    pub fn lets_through(&self, payload: &Payload<'_>) -> bool {
        payload.in_array().is_some_and(|array| !self.compiled.query.query(array).is_empty())
    }
}

impl PartialEq for PayloadFilter {
    fn eq(&self, other: &Self) -> bool {
        self.text() == other.text()
    }
}

impl Eq for PayloadFilter {}

impl fmt::Debug for PayloadFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PayloadFilter").field(&self.text()).finish()
    }
}

impl TryFrom<Form> for PayloadFilter {
    type Error = PayloadFilterError;

    fn try_from(form: Form) -> Result<Self, PayloadFilterError> {
        Self::new(&form.jsonpath)
    }
}

impl From<PayloadFilter> for Form {
    fn from(filter: PayloadFilter) -> Self {
        Self { jsonpath: filter.text().to_owned() }
    }
}

impl PayloadFilterError {
    /// The place of the error in the query: which of its characters, counted from 1. One past
    /// the last if something is missing at the end; `None` if the query as a whole is too long.
    pub fn position(&self) -> Option<usize> {
        match self {
            Self::TooLong { .. } => None,
            Self::NoJsonPath { position, .. } | Self::Refused { position, .. } => Some(*position),
        }
    }
}

/// Which character, from 1, stands at a byte.
fn character(text: &str, byte: usize) -> usize {
    text.char_indices().take_while(|(start, _)| *start < byte).count() + 1
}

/// An event's body, parsed at most once however many filters ask, and only when one asks.
pub struct Payload<'b> {
    body: &'b [u8],
    /// In an array of its own, as filters see it; `None` inside if the body is not JSON, or
    /// nested deeper than serde_json goes (128).
    parsed: OnceCell<Option<Value>>,
}

impl<'b> Payload<'b> {
    pub fn new(body: &'b [u8]) -> Self {
        Self { body, parsed: OnceCell::new() }
    }

    fn in_array(&self) -> Option<&Value> {
        let parse =
            || serde_json::from_slice(self.body).ok().map(|value| Value::Array(vec![value]));
        self.parsed.get_or_init(parse).as_ref()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lets_through(query: &str, body: &str) -> bool {
        let filter = PayloadFilter::new(query).unwrap_or_else(|error| panic!("{query}: {error}"));
        filter.lets_through(&Payload::new(body.as_bytes()))
    }

    fn error(query: &str) -> PayloadFilterError {
        PayloadFilter::new(query).expect_err(query)
    }

    #[test]
    fn a_filter_lets_through_what_its_query_selects_something_in() {
        let order = r#"{"amount": 250, "currency": "EUR", "items": [{"sku": "x"}, {"sku": "y"}]}"#;
        assert!(lets_through(r#"$[?@.amount > 100 && @.currency == "EUR"]"#, order));
        assert!(!lets_through(r#"$[?@.amount > 250 && @.currency == "EUR"]"#, order));
        assert!(lets_through(r#"$[0].items[?@.sku == "y"]"#, order));
        assert!(!lets_through(r#"$[0].items[?@.sku == "z"]"#, order));
        assert!(lets_through("$", order));
    }

    #[test]
    fn what_is_selected_counts_even_if_it_is_null_false_or_empty() {
        for value in ["null", "false", "0", "\"\"", "[]", "{}"] {
            assert!(lets_through("$[?@.a]", &format!(r#"{{"a": {value}}}"#)), "{value}");
        }
        assert!(!lets_through("$[?@.a]", "{}"));
        assert!(lets_through("$[?@ == null]", "null"));
        assert!(!lets_through("$[?@.a == null]", "{}"));
    }

    /// RFC 9535, section 2.3.5.3, table 11, as far as it is about comparisons with literals or
    /// between paths from the current node.
    #[test]
    fn comparisons_go_by_the_rfc() {
        let body = r#"{"obj": {"x": "y"}, "arr": [2, 3]}"#;
        for (test, holds) in [
            ("@.absent1 == @.absent2", true),
            ("@.absent == 'g'", false),
            ("@.absent1 != @.absent2", false),
            ("@.absent != 'g'", true),
            ("@.obj == @.arr", false),
            ("@.obj != @.arr", true),
            ("@.obj == @.obj", true),
            ("@.arr == @.arr", true),
            ("@.obj == 17", false),
            ("@.obj != 17", true),
            ("1 <= @.arr", false),
            ("1 >= @.arr", false),
            ("1 > @.arr", false),
            ("1 < @.arr", false),
            ("1 <= @.absent", false),
            ("1 > @.absent", false),
            ("'a' >= @.absent", false),
            ("@.obj.x < 'z'", true),
            ("@.arr[0] == 2", true),
            ("'2' == @.arr[0]", false),
            ("!(@.arr[0] == 2)", false),
            ("@.absent && @.arr || @.obj", true),
            ("@.absent && (@.arr || @.obj)", false),
        ] {
            assert_eq!(lets_through(&format!("$[?{test}]"), body), holds, "{test}");
        }
    }

    #[test]
    fn numbers_are_compared_as_doubles_whatever_they_look_like() {
        assert!(lets_through("$[?@ == 1]", "1.0"));
        assert!(lets_through("$[?@ == 1e2]", "100"));
        assert!(lets_through("$[?@ == 0]", "-0"));
        assert!(!lets_through("$[?@ == 1]", "\"1\""));
        assert!(!lets_through("$[?@ > 1]", "\"2\""));
        // Whole numbers beyond 2^53 blur into their neighbours.
        assert!(lets_through("$[?@ == 9007199254740992]", "9007199254740993"));
        assert!(lets_through("$[?@ > 1]", "123456789012345678901234567890"));
    }

    #[test]
    fn the_last_of_equal_keys_counts() {
        assert!(lets_through("$[?@.a == 2]", r#"{"a": 1, "a": 2}"#));
        assert!(!lets_through("$[?@.a == 1]", r#"{"a": 1, "a": 2}"#));
    }

    #[test]
    fn no_filter_lets_a_body_through_that_is_not_json() {
        let everything = PayloadFilter::new("$").unwrap();
        let bodies: [&[u8]; 8] = [
            b"",
            b"amount=100",
            b"{\"a\": 1",
            b"{} {}",
            b"\xef\xbb\xbf{}",
            b"\"\xff\"",
            b"NaN",
            b"[1e999]",
        ];
        for body in bodies {
            assert!(!everything.lets_through(&Payload::new(body)), "{body:?}");
        }
    }

    #[test]
    fn a_body_is_seen_down_to_127_levels_and_not_at_all_beyond() {
        let nested = |levels| "[".repeat(levels) + &"]".repeat(levels);
        assert!(lets_through("$..[0]", &nested(127)));
        assert!(!lets_through("$", &nested(128)));
    }

    #[test]
    fn a_body_is_parsed_when_the_first_filter_asks_and_then_not_again() {
        let payload = Payload::new(b"{\"a\": 1}");
        assert!(payload.parsed.get().is_none());
        assert!(PayloadFilter::new("$[?@.a]").unwrap().lets_through(&payload));
        let parsed = payload.parsed.get().and_then(Option::as_ref).map(std::ptr::from_ref);
        assert!(parsed.is_some());
        assert!(!PayloadFilter::new("$[?@.b]").unwrap().lets_through(&payload));
        assert_eq!(payload.parsed.get().and_then(Option::as_ref).map(std::ptr::from_ref), parsed);
    }

    #[test]
    fn a_filter_is_written_as_an_object_and_compiled_when_read() {
        let filter: PayloadFilter = serde_json::from_str(r#"{"jsonpath": "$[?@.a]"}"#).unwrap();
        assert_eq!(filter.text(), "$[?@.a]");
        assert_eq!(filter, PayloadFilter::new("$[?@.a]").unwrap());
        assert_ne!(filter, PayloadFilter::new("$[?@.b]").unwrap());
        assert_eq!(serde_json::to_string(&filter).unwrap(), r#"{"jsonpath":"$[?@.a]"}"#);
        assert_eq!(format!("{filter:?}"), r#"PayloadFilter("$[?@.a]")"#);

        let refused = |json| serde_json::from_str::<PayloadFilter>(json).unwrap_err().to_string();
        assert!(refused(r#"{"jsonpath": "$[?@.a"}"#).starts_with("at character 2: "));
        assert!(refused(r#"{"jsonpath": "$", "cesql": "x"}"#).contains("unknown field"));
        assert!(refused("{}").contains("missing field"));
        assert!(refused(r#""$""#).contains("expected struct"));
    }

    #[test]
    fn an_error_tells_the_character_where_the_query_goes_wrong() {
        for (query, position) in [
            ("", 1),
            ("a", 1),
            ("$ ", 2),
            ("$.a b", 4),
            ("$.a..", 6),
            ("$[?@.amount > 100 && @.currency = 'EUR']", 33),
            ("$[?@['é'] = 1]", 11),
            ("$['a\\x']", 5),
            ("$[?@.a == 1]]", 13),
            ("$[?(@.a == 1]", 13),
            ("$[?@.a == 1", 2),
            ("$[?@.a == \"x]", 11),
            ("$[?@.a == 'x\\", 11),
        ] {
            let error = error(query);
            assert_eq!(error.position(), Some(position), "{query}: {error}");
            assert!(error.to_string().starts_with(&format!("at character {position}: ")));
        }
        let long = format!("$.{}", "a".repeat(PayloadFilter::MAX_LENGTH - 2));
        assert!(PayloadFilter::new(&long).is_ok());
        assert_eq!(error(&format!("{long}a")), PayloadFilterError::TooLong { length: 1_025 });
        assert_eq!(error(&format!("{long}a")).position(), None);
    }

    /// Why [`Refusal::NegativeIndex`] and [`Refusal::NothingOrdered`] are there: each of these
    /// is the other way round in the RFC (2.3.3.2 and 2.3.5.2.2). When this fails, they can go.
    #[test]
    fn the_library_still_judges_some_comparisons_otherwise_than_the_rfc() {
        let selects = |query, body| {
            let array = Value::Array(vec![body]);
            !JsonPath::parse(query).unwrap().query(&array).is_empty()
        };
        assert!(!selects("$[?@[-1] == 2]", serde_json::json!([1, 2])));
        assert!(selects("$[?@ > false]", serde_json::json!(true)));
        assert!(selects("$[?@[0] >= @[1]]", serde_json::json!([[1], [2]])));
        assert!(!selects("$[?@.absent <= @.absent]", serde_json::json!({})));
    }

    /// Texts of which many are queries.
    fn query_like() -> impl Strategy<Value = String> {
        const PIECES: &[&str] = &[
            "$", "@", "@.a", "$[?", "[?", "[*]", "[0]", "[1:]", "['b']", "[-1]", "..", ".a", ".*",
            "]", "(", ")", "!", "&&", "||", "==", "!=", "<", ">=", "1", "2.5", "'x'", "null", " ",
            ",", "length(", "é", "\\", "\"",
        ];
        prop::collection::vec(prop::sample::select(PIECES), 0..24)
            .prop_map(|pieces| pieces.concat())
    }

    /// Queries that are accepted, built so.
    fn accepted_query() -> impl Strategy<Value = String> {
        let step = prop::sample::select(
            &["[0]", ".a", "[*]", ".*", "..a", "..*", "[::2]", "[::-1]", "[-1]"][..],
        );
        let test = prop::sample::select(
            &["@", "@.a", "@[*]", "@ == 1", "@.a != @.b", "!@.b", "(@.a)", "@[?@ > 1]", "@..a"][..],
        );
        let filter = prop::collection::vec(test, 1..3).prop_map(|t| format!("[?{}]", t.join("||")));
        let segment = prop_oneof![2 => step.prop_map(str::to_owned), 1 => filter];
        prop::collection::vec(segment, 0..5)
            .prop_map(|segments| format!("${}", segments.concat()))
            .prop_filter("accepted", |query| PayloadFilter::new(query).is_ok())
    }

    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![Just(Value::Null), (0..3_i64).prop_map(Value::from)];
        leaf.prop_recursive(5, 60, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
                prop::collection::btree_map("[ab]", inner, 0..3)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn no_text_and_no_body_makes_a_filter_panic(
            text in prop_oneof![".{0,40}", query_like()],
            body in prop_oneof![
                prop::collection::vec(any::<u8>(), 0..40),
                json().prop_map(|value| value.to_string().into_bytes()),
            ],
        ) {
            match PayloadFilter::new(&text) {
                Ok(filter) => { filter.lets_through(&Payload::new(&body)); }
                Err(error) => {
                    let position = error.position().unwrap();
                    prop_assert!((1..=text.chars().count() + 1).contains(&position));
                }
            }
        }

        /// What makes queries explode is that they select a node again and again.
        #[test]
        fn an_accepted_query_selects_no_node_twice(query in accepted_query(), body in json()) {
            let filter = PayloadFilter::new(&query).unwrap();
            let array = Value::Array(vec![body]);
            let selected = filter.compiled.query.query(&array).all();
            let mut nodes: Vec<_> = selected.iter().copied().map(std::ptr::from_ref).collect();
            nodes.sort_unstable();
            nodes.dedup();
            prop_assert_eq!(nodes.len(), selected.len());
        }
    }
}
