//! From what a client says to the subscription that it wants: JSON Merge Patch (RFC 7396) over
//! what an answer shows, then the rules for each field that is to be different.
//!
//! A field that stays as it is shown is not judged again, so that a subscription made under
//! other rules can still be changed, and sending back what GET shows changes nothing. Pure:
//! new keys and `now` are arguments.

use egress::EgressPolicy;
use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::own_subscription::OwnSubscription;
use crate::v1::problem::FieldError;
use crate::v1::signing_keys::NewKeys;
use crate::v1::subscription_shape::SubscriptionShape;
use crate::v1::values::{self, READ_ONLY, Read, wrong};
use crate::v1::{
    subscription_fields as fields, subscription_signing as signing,
    subscription_verification as verification,
};

type Object = Map<String, Value>;

/// What a client may set, in the order in which answers have it.
const FIELDS: [&str; 13] = [
    "target_url",
    "description",
    "event_types",
    "filter",
    "headers",
    "max_concurrency",
    "rate_limit",
    "timeout_seconds",
    "retry",
    "retry_on",
    "verification",
    "signing",
    "labels",
];
/// What answers show besides.
const SHOWN_ONLY: [&str; 5] = ["id", "paused", "version", "created_at", "updated_at"];

/// What reading a body needs beside the body.
pub(crate) struct Rules<'a> {
    pub policy: &'a EgressPolicy,
    pub new_keys: &'a NewKeys,
    pub now: Timestamp,
}

/// A new subscription: everything that is left out has its default.
///
/// # Errors
/// Everything that is wrong.
pub(crate) fn created(
    blank: OwnSubscription,
    body: Object,
    rules: &Rules<'_>,
) -> Result<OwnSubscription, Vec<FieldError>> {
    let unknown = unknown_fields(&body);
    let mut wanted = Value::Object(Object::new());
    merge(&mut wanted, Value::Object(body));
    let fields = FIELDS.iter().chain(&SHOWN_ONLY).copied();
    // A target is required, and there is always a signing.
    let named = fields
        .filter(|name| ["target_url", "signing"].contains(name) || field(&wanted, name).is_some());
    let named: Vec<&str> = named.collect();
    apply(blank, &wanted, &named, unknown, rules)
}

/// The subscription as a merge patch wants it.
///
/// # Errors
/// Everything that is wrong.
pub(crate) fn patched(
    current: &OwnSubscription,
    patch: &Object,
    rules: &Rules<'_>,
) -> Result<OwnSubscription, Vec<FieldError>> {
    let unknown = unknown_fields(patch);
    let shown = serde_json::to_value(SubscriptionShape::from(current)).unwrap_or_default();
    let mut wanted = shown.clone();
    forget_other_choice(&mut wanted, patch);
    merge(&mut wanted, Value::Object(patch.clone()));
    let fields = FIELDS.iter().chain(&SHOWN_ONLY).copied();
    let named: Vec<&str> =
        fields.filter(|name| field(&wanted, name) != field(&shown, name)).collect();
    apply(current.clone(), &wanted, &named, unknown, rules)
}

fn apply(
    mut subscription: OwnSubscription,
    wanted: &Value,
    named: &[&str],
    unknown: Vec<FieldError>,
    rules: &Rules<'_>,
) -> Result<OwnSubscription, Vec<FieldError>> {
    let mut errors = Vec::new();
    for name in named {
        let set = set(&mut subscription, name, field(wanted, name), rules);
        errors.extend(set.err().into_iter().flatten());
    }
    errors.extend(unknown);
    if errors.is_empty() { Ok(subscription) } else { Err(errors) }
}

/// Sets one field; `None` is its default.
fn set(
    subscription: &mut OwnSubscription,
    name: &str,
    value: Option<&Value>,
    rules: &Rules<'_>,
) -> Read<()> {
    let OwnSubscription { record, description, labels } = subscription;
    let options = &mut record.options;
    match name {
        "target_url" => record.target_url = fields::target_url(value, rules.policy)?,
        "description" => *description = fields::description(value)?,
        "event_types" => {
            let types = fields::event_types(value)?;
            // The older contracts tell none from null.
            if types != record.event_types() {
                record.event_types = Some(types);
            }
        }
        "filter" => options.filter = fields::filter(value)?,
        "headers" => options.headers = fields::headers(value)?,
        "max_concurrency" => {
            let range = fields::MAX_CONCURRENCY;
            options.max_concurrency = fields::limit(value, "/max_concurrency", range)?;
        }
        "rate_limit" => {
            options.rate_limit = fields::limit(value, "/rate_limit", fields::RATE_LIMIT)?;
        }
        "timeout_seconds" => {
            let range = fields::TIMEOUT_SECONDS;
            options.timeout_seconds = fields::limit(value, "/timeout_seconds", range)?;
        }
        "retry" => options.retry = fields::retry(value)?,
        "retry_on" => options.retry_on = fields::retry_on(value)?,
        "verification" => {
            record.verification = verification::read(value, record.verification.as_ref())?;
        }
        "signing" => record.signing = signing::read(value, record, rules.new_keys, rules.now)?,
        "labels" => *labels = fields::labels(value)?,
        "paused" => return wrong("/paused", "It is set by the routes pause and resume."),
        other => return wrong(&values::member("", other), READ_ONLY),
    }
    Ok(())
}

fn unknown_fields(body: &Object) -> Vec<FieldError> {
    let is_known = |name: &&String| {
        let name = name.as_str();
        !FIELDS.contains(&name) && !SHOWN_ONLY.contains(&name)
    };
    body.keys().filter(is_known).map(|name| values::unknown_field("", name, &FIELDS)).collect()
}

/// A null is as a field that is not there.
fn field<'a>(object: &'a Value, name: &str) -> Option<&'a Value> {
    object.get(name).filter(|value| !value.is_null())
}

/// Some members choose between forms that have different members. A patch that names another
/// form replaces the whole: what the former one had would only be refused beside it.
fn forget_other_choice(shown: &mut Value, patch: &Object) {
    let names_other_retry = match (patch.get("retry"), &shown["retry"]) {
        (Some(Value::Object(retry)), Value::Object(known)) => {
            retry.keys().any(|form| !known.contains_key(form))
        }
        _ => false,
    };
    if names_other_retry {
        shown["retry"] = Value::Null;
    }
    let preset = patch.get("verification").and_then(|verification| verification.get("preset"));
    if preset.is_some_and(|preset| *preset != shown["verification"]["preset"]) {
        shown["verification"] = Value::Null;
    }
}

/// RFC 7396, section 2. A patch is no deeper than its parser lets it be.
fn merge(target: &mut Value, patch: Value) {
    let Value::Object(patch) = patch else {
        *target = patch;
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Object::new());
    }
    let Value::Object(target) = target else { return };
    for (name, value) in patch {
        if value.is_null() {
            target.remove(&name);
        } else {
            merge(target.entry(name).or_insert(Value::Null), value);
        }
    }
}

#[cfg(test)]
#[path = "subscription_patch_tests.rs"]
mod tests;
