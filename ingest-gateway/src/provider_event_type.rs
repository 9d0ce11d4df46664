//! Where a provider names the type of an event that it sends.
//!
//! Pure. It deliberately refuses nothing: the providers own the forms of their bodies, so what
//! has no type here is an event without one, and the subscription's filter decides.

use http::{HeaderMap, HeaderName};
use serde_json::value::RawValue;
use signature::Preset;

use crate::event_type::{MAX_LENGTH, in_header};
use crate::json_fields;

/// The event's type in a request that a preset has verified: what stands in the header `own`,
/// or else what the provider says in its place. `body` is what was verified. A type that is no
/// text without NUL of at most [`MAX_LENGTH`] characters is none.
pub(crate) fn provider_event_type(
    preset: &Preset,
    headers: &HeaderMap,
    own: &HeaderName,
    body: &[u8],
) -> Option<String> {
    let found = in_header(headers, own).or_else(|| by_provider(preset, headers, body));
    found.filter(|text| text.chars().count() <= MAX_LENGTH)
}

/// Sources: GitHub, "Webhook events and payloads"; Shopify, "Webhooks: headers"; Stripe, "The
/// Event object"; Standard Webhooks, "Payload structure"; Slack, "The Events API", whose outer
/// `type` says only that there is an event inside. The seeds' name is `event_type`.
fn by_provider(preset: &Preset, headers: &HeaderMap, body: &[u8]) -> Option<String> {
    match preset {
        Preset::GitHub {} => in_header(headers, "x-github-event"),
        Preset::Shopify {} => in_header(headers, "x-shopify-topic"),
        Preset::Stripe { .. } | Preset::StandardWebhooks { .. } => field(body, "type"),
        Preset::Slack { .. } => {
            let [event, outer] = fields(body, ["event", "type"]);
            let inner = event.and_then(|event| field(event.get().as_bytes(), "type"));
            inner.or_else(|| outer.and_then(text))
        }
        Preset::Hub { .. } | Preset::Generic(_) => field(body, "event_type"),
    }
}

fn field(body: &[u8], name: &str) -> Option<String> {
    let [value] = fields(body, [name]);
    value.and_then(text)
}

/// None of them if the body is no JSON object.
fn fields<'a, const N: usize>(body: &'a [u8], names: [&str; N]) -> [Option<&'a RawValue>; N] {
    json_fields::read(body, names).map_or([None; N], |fields| fields.values)
}

fn text(value: &RawValue) -> Option<String> {
    json_fields::text(value).ok()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const OWN: HeaderName = HeaderName::from_static("x-kind");

    fn event_type(preset: &str, headers: &[(&'static str, &str)], body: &str) -> String {
        let preset: Preset = serde_json::from_str(preset).unwrap();
        let header = |(name, value): &(&'static str, &str)| {
            (HeaderName::from_static(name), HeaderValue::from_bytes(value.as_bytes()).unwrap())
        };
        let headers = headers.iter().map(header).collect();
        let found = provider_event_type(&preset, &headers, &OWN, body.as_bytes());
        found.unwrap_or_else(|| "none".to_owned())
    }

    /// Names a type in every place where any provider does.
    const EVERYWHERE: &str =
        r#"{"event_type":"seeds","type":"outer","event":{"type":"inner","event_type":"x"}}"#;

    #[test]
    fn each_provider_has_a_place_of_its_own() {
        let github = [("x-github-event", "push")];
        let shopify = [("x-shopify-topic", "orders/create")];
        for (preset, headers, expected) in [
            (r#"{"preset":"github"}"#, github, "push"),
            (r#"{"preset":"github"}"#, shopify, "none"),
            (r#"{"preset":"github"}"#, [("x-github-event", "")], "none"),
            (r#"{"preset":"shopify"}"#, shopify, "orders/create"),
            (r#"{"preset":"shopify"}"#, github, "none"),
            (r#"{"preset":"stripe"}"#, github, "outer"),
            (r#"{"preset":"standard_webhooks"}"#, shopify, "outer"),
            (r#"{"preset":"slack"}"#, github, "inner"),
            (r#"{"preset":"hub"}"#, github, "seeds"),
            (r#"{"preset":"generic","header":"x-sig"}"#, shopify, "seeds"),
        ] {
            assert_eq!(event_type(preset, &headers, EVERYWHERE), expected, "{preset} {headers:?}");
        }
    }

    #[test]
    fn hooklogs_own_header_stands_before_what_any_provider_says() {
        for preset in ["github", "shopify", "stripe", "standard_webhooks", "slack", "hub"] {
            let preset = format!(r#"{{"preset":"{preset}"}}"#);
            let others = [("x-github-event", "push"), ("x-shopify-topic", "orders/create")];
            let own = [&others[..], &[("x-kind", "caf\u{e9}")]].concat();
            assert_eq!(event_type(&preset, &own, EVERYWHERE), "caf\u{e9}");
            let empty = [&others[..], &[("x-kind", "")]].concat();
            assert_eq!(
                event_type(&preset, &empty, EVERYWHERE),
                event_type(&preset, &others, EVERYWHERE)
            );
        }
    }

    #[test]
    fn a_type_of_more_than_1_024_characters_is_none_wherever_it_stands() {
        for (length, is_type) in [(1_024, true), (1_025, false)] {
            let long = "\u{e9}".repeat(length);
            let body = format!(r#"{{"type":"{long}"}}"#);
            for found in [
                event_type(r#"{"preset":"stripe"}"#, &[], &body),
                event_type(r#"{"preset":"github"}"#, &[("x-github-event", &long)], ""),
                event_type(r#"{"preset":"stripe"}"#, &[("x-kind", &long)], r#"{"type":"a"}"#),
            ] {
                assert_eq!(found == long, is_type);
                assert_eq!(found == "none", !is_type);
            }
        }
    }

    #[test]
    fn slacks_outer_type_counts_only_without_one_of_the_event() {
        for (body, expected) in [
            (r#"{"type":"url_verification","challenge":"x"}"#, "url_verification"),
            (r#"{"type":"a","event":{}}"#, "a"),
            (r#"{"type":"a","event":{"type":7}}"#, "a"),
            (r#"{"type":"a","event":"b"}"#, "a"),
            (r#"{"event":{"type":"b"}}"#, "b"),
            ("token=x&type=y", "none"),
        ] {
            assert_eq!(event_type(r#"{"preset":"slack"}"#, &[], body), expected, "{body}");
        }
    }

    #[test]
    fn what_is_no_text_in_a_json_object_is_no_type() {
        for body in [
            "",
            "type=a",
            "[]",
            r#"["type"]"#,
            "{}",
            r#"{"type":null}"#,
            r#"{"type":["a"]}"#,
            r#"{"type":"a\u0000"}"#,
            r#"{"type":"\ud800"}"#,
            r#"{"data":{"type":"a"}}"#,
            r#"{"type":"a"} x"#,
        ] {
            assert_eq!(event_type(r#"{"preset":"stripe"}"#, &[], body), "none", "{body}");
        }
        assert_eq!(event_type(r#"{"preset":"stripe"}"#, &[], r#"{"type":"\u00e9"}"#), "\u{e9}");
    }
}
