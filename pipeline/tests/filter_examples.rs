//! Every example of `docs/filters.md` does what the page says.

use pipeline::filter::{Match, match_wildcard};
use pipeline::payload_filter::{Payload, PayloadFilter};

/// The lines of the page's `text` blocks, each split into what it says and of what.
fn statements() -> Vec<(&'static str, &'static str)> {
    let page = include_str!("../../docs/filters.md");
    let blocks = page.split("```").skip(1).step_by(2);
    let examples = blocks.filter_map(|block| block.strip_prefix("text\n"));
    let lines = examples.flat_map(str::lines).filter(|line| !line.is_empty());
    lines.map(|line| line.split_once("  ").expect(line)).map(|(k, v)| (k, v.trim())).collect()
}

enum Example {
    Types(Vec<String>),
    Payload(&'static str),
}

impl Example {
    fn lets_through(&self, event: &str) -> bool {
        match self {
            Self::Types(types) => match_wildcard(types, Some(event)) == Match::Yes,
            Self::Payload(query) => {
                serde_json::from_str::<serde_json::Value>(event).expect(event);
                let filter = PayloadFilter::new(query).expect(query);
                filter.lets_through(&Payload::new(event.as_bytes()))
            }
        }
    }

    fn error(&self) -> (Option<usize>, String) {
        let Self::Payload(query) = self else { panic!("types are not refused") };
        let error = PayloadFilter::new(query).expect_err(query);
        (error.position(), error.to_string())
    }
}

#[test]
fn the_examples_of_the_page_hold() {
    let mut example = None;
    let mut held = 0;
    for (says, what) in statements() {
        match (says, &example) {
            ("types", _) => example = Some(Example::Types(vec![what.to_owned()])),
            ("filter", _) => example = Some(Example::Payload(what)),
            ("lets through", Some(filter)) => assert!(filter.lets_through(what), "{what}"),
            ("holds back", Some(filter)) => assert!(!filter.lets_through(what), "{what}"),
            ("refused at", Some(filter)) => assert_eq!(filter.error().0, what.parse().ok()),
            ("because", Some(filter)) => {
                let message = filter.error().1;
                assert!(message.ends_with(&format!(": {what}")), "{message}");
            }
            (says, _) => panic!("the page says `{says}`, which this test does not know"),
        }
        held += 1;
    }
    assert!(held > 60, "only {held} lines were found on the page");
}
