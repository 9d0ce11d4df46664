use pipeline::ids::SubscriptionId;
use pipeline::subscription::SecretText;
use proptest::prelude::*;
use serde_json::json;
use settings::Environment;
use uuid::Uuid;

use super::*;
use crate::v1::signing_keys::tests::keys;

fn with_rules<T>(read: impl FnOnce(&Rules<'_>) -> T) -> T {
    let env = Environment::from_pairs([]).unwrap();
    let policy = EgressPolicy::from_settings(&env, Vec::new()).unwrap();
    let new_keys = keys(1);
    read(&Rules { policy: &policy, new_keys: &new_keys, now: Timestamp::UNIX_EPOCH })
}

fn object(value: Value) -> Object {
    let Value::Object(object) = value else { panic!("{value} is no object") };
    object
}

fn blank() -> OwnSubscription {
    OwnSubscription::blank(SubscriptionId::from_uuid(Uuid::nil()), Timestamp::UNIX_EPOCH)
}

fn create(body: Value) -> Result<OwnSubscription, Vec<FieldError>> {
    with_rules(|rules| created(blank(), object(body), rules))
}

fn patch(current: &OwnSubscription, body: Value) -> Result<OwnSubscription, Vec<FieldError>> {
    with_rules(|rules| patched(current, &object(body), rules))
}

fn places<T: std::fmt::Debug>(read: Result<T, Vec<FieldError>>) -> Vec<String> {
    read.unwrap_err().into_iter().map(|error| error.pointer).collect()
}

fn shown(subscription: &OwnSubscription) -> Value {
    serde_json::to_value(SubscriptionShape::from(subscription)).unwrap()
}

/// Everything that a client can set, set to something else than its default.
fn everything() -> Value {
    json!({
        "target_url": "https://example.com/hook",
        "description": "For the shop",
        "event_types": ["order.*", "user.created"],
        "filter": {"jsonpath": "$[?@.amount > 100]"},
        "headers": {"Authorization": "Bearer t", "x-a": "1"},
        "max_concurrency": 10,
        "rate_limit": 100,
        "timeout_seconds": 30,
        "retry": {"exponential": {
            "base_seconds": 10, "factor": 3, "max_delay_seconds": 900, "max_attempts": 7,
        }},
        "retry_on": ["network", "5xx", "429"],
        "verification": {"preset": "stripe", "tolerance_seconds": 60, "secrets": ["one", "two"]},
        "signing": {"schemes": ["standard", "hub", "ed25519"]},
        "labels": {"team": "a", "stage/of": "b"},
    })
}

/// As an older contract makes it.
fn of_an_older_contract() -> OwnSubscription {
    let mut made = create(json!({"target_url": "https://example.com/"})).unwrap();
    made.record.signing = None;
    made.record.secret = Some(SecretText::Plain("shared".to_owned()));
    made.record.event_types = None;
    // Neither of them could be made here.
    made.record.target_url = "http://127.0.0.1/".to_owned();
    made
}

#[test]
fn what_is_left_out_has_its_default() {
    let made = create(json!({"target_url": "HTTPS://Example.com", "labels": null})).unwrap();
    assert_eq!(made.record.target_url, "https://example.com/");
    let wanted = json!({
        "id": Uuid::nil(), "target_url": "https://example.com/", "description": null,
        "event_types": [], "filter": null, "headers": {}, "max_concurrency": null,
        "rate_limit": null, "timeout_seconds": null, "retry": null, "retry_on": null,
        "verification": null, "labels": {}, "paused": null, "version": 1,
        "signing": {
            "schemes": ["standard"], "public_key": null,
            "keys": [{"kind": "secret", "expires_at": null}],
        },
        "created_at": "1970-01-01T00:00:00.000000Z", "updated_at": "1970-01-01T00:00:00.000000Z",
    });
    assert_eq!(shown(&made), wanted);
}

#[test]
fn every_wrong_field_is_told_at_once() {
    let wrong = create(json!({
        "max_concurrency": 0, "rate_limit": "x", "timeout_seconds": 61, "description": 7,
        "event_types": ["a*"], "headers": {"host": "x"}, "retry": {}, "retry_on": ["x"],
        "verification": {}, "signing": {"schemes": []}, "labels": [], "filter": {}, "id": "x",
        "paused": "operator", "retries": 3,
    }));
    let places = places(wrong);
    assert_eq!(
        places,
        [
            "/target_url",
            "/description",
            "/event_types/0",
            "/filter",
            "/headers/host",
            "/max_concurrency",
            "/rate_limit",
            "/timeout_seconds",
            "/retry",
            "/retry_on",
            "/verification",
            "/signing/schemes",
            "/labels",
            "/id",
            "/paused",
            "/retries",
        ]
    );
}

#[test]
fn a_null_clears_a_field_to_its_default() {
    let full = create(everything()).unwrap();
    let mut nulls = Object::new();
    for name in FIELDS.iter().filter(|name| **name != "target_url") {
        nulls.insert((*name).to_owned(), Value::Null);
    }
    let mut cleared = patch(&full, Value::Object(nulls)).unwrap();
    let mut plain = create(json!({"target_url": "https://example.com/hook"})).unwrap();
    // Its keys are kept: a receiver may go on verifying with the secret.
    assert_eq!(cleared.record.signing.take().unwrap().secrets.len(), 1);
    plain.record.signing = None;
    assert_eq!(cleared, plain);
    assert_eq!(places(patch(&full, json!({"target_url": null}))), ["/target_url"]);
}

#[test]
fn a_patch_changes_what_it_names_and_merges_objects() {
    let full = create(everything()).unwrap();
    let body = json!({
        "labels": {"team": null, "new": "c"}, "headers": {"x-b": "2"}, "event_types": ["a"],
        "retry": {"exponential": {"factor": 2}}, "verification": {"tolerance_seconds": 90},
    });
    let after = shown(&patch(&full, body).unwrap());
    assert_eq!(after["labels"], json!({"stage/of": "b", "new": "c"}));
    assert_eq!(after["headers"], json!({"authorization": "Bearer t", "x-a": "1", "x-b": "2"}));
    assert_eq!(after["event_types"], json!(["a"]));
    assert_eq!(after["retry"]["exponential"]["factor"], 2.0);
    assert_eq!(after["retry"]["exponential"]["max_attempts"], 7);
    assert_eq!(
        after["verification"],
        json!({"preset": "stripe", "tolerance_seconds": 90, "secret_count": 2})
    );
    assert_eq!(after["rate_limit"], 100);
}

#[test]
fn another_form_replaces_the_former_one_as_a_whole() {
    let full = create(everything()).unwrap();
    let after = patch(&full, json!({"retry": {"schedule": [1]}})).unwrap();
    assert_eq!(shown(&after)["retry"], json!({"schedule": [1.0]}));
    let github = json!({"verification": {"preset": "github", "secrets": ["s"]}});
    let after = shown(&patch(&full, github).unwrap());
    assert_eq!(after["verification"], json!({"preset": "github", "secret_count": 1}));
    let without = json!({"verification": {"preset": "github"}});
    assert_eq!(places(patch(&full, without)), ["/verification/secrets"]);
}

#[test]
fn what_only_hooklog_sets_may_be_sent_back_and_not_changed() {
    let full = create(everything()).unwrap();
    for (name, value) in [
        ("id", json!(Uuid::max())),
        ("version", json!(2)),
        ("paused", json!("operator")),
        ("created_at", json!("2026-01-01T00:00:00.000000Z")),
    ] {
        let place = format!("/{name}");
        assert_eq!(places(patch(&full, json!({ name: value }))), [place]);
    }
}

#[test]
fn a_subscription_made_under_other_rules_can_still_be_changed() {
    let older = of_an_older_contract();
    let after = patch(&older, json!({"description": "still here"})).unwrap();
    assert_eq!(after, OwnSubscription { description: Some("still here".to_owned()), ..older });
}

#[test]
fn sending_back_what_get_shows_changes_nothing() {
    let whole_numbers = |shown: Value| {
        // JavaScript writes 10.0 as 10.
        let text = shown.to_string().replace(".0,", ",").replace(".0}", "}");
        serde_json::from_str(&text).unwrap()
    };
    for current in [create(everything()).unwrap(), of_an_older_contract()] {
        assert_eq!(patch(&current, shown(&current)), Ok(current.clone()));
        assert_eq!(patch(&current, whole_numbers(shown(&current))), Ok(current));
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        prop::sample::select(vec!["standard", "stripe", "*", "a.*", "5xx", "whsec_", "\0"])
            .prop_map(Value::from),
    ];
    let name = prop_oneof![
        any::<String>(),
        prop::sample::select(vec![
            "schemes",
            "secret",
            "secrets",
            "preset",
            "keys",
            "public_key",
            "secret_count",
            "schedule",
            "exponential",
            "x-a",
            "host",
        ])
        .prop_map(str::to_owned),
    ];
    leaf.prop_recursive(4, 32, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(name.clone(), inner, 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn any_body() -> impl Strategy<Value = Value> {
    let names: Vec<&str> = FIELDS.iter().chain(&SHOWN_ONLY).chain(&["other"]).copied().collect();
    let name = prop::sample::select(names).prop_map(str::to_owned);
    prop::collection::btree_map(name, any_json(), 0..8)
        .prop_map(|members| Value::Object(members.into_iter().collect()))
}

proptest! {
    #[test]
    fn no_body_makes_it_panic_and_what_it_makes_can_be_sent_back(body in any_body()) {
        let full = create(everything()).unwrap();
        for made in [create(body.clone()), patch(&full, body)].into_iter().flatten() {
            prop_assert_eq!(patch(&made, shown(&made)), Ok(made));
        }
    }
}
