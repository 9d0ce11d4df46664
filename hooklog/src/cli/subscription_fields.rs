//! The fields of a subscription as flags, and as the body that they make. What a field may be,
//! the server says; only what is no JSON at all is refused here.

use serde_json::{Map, Value, json};

use crate::cli::body::file_or_stdin;
use crate::cli::failure::Failure;

#[derive(Debug, Default, clap::Args)]
pub(crate) struct FieldArguments {
    /// A JSON object with any fields; the flags stand above it. - reads stdin.
    #[arg(long, value_name = "FILE")]
    fields: Option<String>,
    /// For people.
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// An event type that is wanted, such as order.created or order.*; may be repeated.
    #[arg(long = "type", value_name = "TYPE")]
    event_types: Vec<String>,
    /// A JSONPath query that an event's body has to answer.
    #[arg(long, value_name = "JSONPATH")]
    filter: Option<String>,
    /// A header that every call carries; may be repeated.
    #[arg(long = "header", short = 'H', value_name = "NAME:VALUE", value_parser = header)]
    headers: Vec<(String, String)>,
    /// Calls under way at once.
    #[arg(long, value_name = "N")]
    max_concurrency: Option<u32>,
    /// Calls per second.
    #[arg(long, value_name = "N")]
    rate_limit: Option<u32>,
    /// Seconds for one call.
    #[arg(long, value_name = "SECONDS")]
    timeout: Option<u32>,
    /// Seconds before each retry, such as 5,60,3600.
    #[arg(long, value_name = "SECONDS,...", value_delimiter = ',')]
    retry_schedule: Vec<u64>,
    /// Failures that are tried again: network, 3xx, 4xx, 5xx, or a status.
    #[arg(long, value_name = "KIND,...", value_delimiter = ',')]
    retry_on: Vec<String>,
    /// How deliveries are signed: standard, hub, ed25519.
    #[arg(long, value_name = "SCHEME,...", value_delimiter = ',')]
    signing: Vec<String>,
    /// For programs; may be repeated.
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = label)]
    labels: Vec<(String, String)>,
}

impl FieldArguments {
    /// The body that they make.
    ///
    /// # Errors
    /// [`Failure::Usage`]: the file cannot be read, or holds no JSON object.
    pub(crate) fn body(&self) -> Result<Map<String, Value>, Failure> {
        let mut body = match &self.fields {
            None => Map::new(),
            Some(name) => serde_json::from_slice(&file_or_stdin(name)?)
                .map_err(|error| Failure::Usage(format!("{name} holds no JSON object: {error}")))?,
        };
        self.write(&mut body);
        Ok(body)
    }

    fn write(&self, body: &mut Map<String, Value>) {
        let mut set = |name: &str, value: Option<Value>| {
            body.extend(value.map(|value| (name.to_owned(), value)));
        };
        set("description", self.description.as_deref().map(Value::from));
        set("event_types", some(&self.event_types).map(|types| json!(types)));
        set("filter", self.filter.as_deref().map(|query| json!({ "jsonpath": query })));
        set("headers", some(&self.headers).map(object));
        set("max_concurrency", self.max_concurrency.map(Value::from));
        set("rate_limit", self.rate_limit.map(Value::from));
        set("timeout_seconds", self.timeout.map(Value::from));
        set("retry", some(&self.retry_schedule).map(|delays| json!({ "schedule": delays })));
        set("retry_on", some(&self.retry_on).map(|kinds| json!(kinds)));
        set("signing", some(&self.signing).map(|schemes| json!({ "schemes": schemes })));
        set("labels", some(&self.labels).map(object));
    }
}

fn some<T>(list: &[T]) -> Option<&[T]> {
    (!list.is_empty()).then_some(list)
}

fn object(pairs: &[(String, String)]) -> Value {
    pairs.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str()))).collect()
}

/// `NAME:VALUE`, without the white space around either.
pub(crate) fn header(text: &str) -> Result<(String, String), String> {
    match text.split_once(':') {
        Some((name, value)) if !name.trim().is_empty() => {
            Ok((name.trim().to_owned(), value.trim().to_owned()))
        }
        _ => Err("a header is written as NAME:VALUE".to_owned()),
    }
}

fn label(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("a label is written as KEY=VALUE".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_stand_above_what_a_file_says_and_what_is_not_given_is_not_sent() {
        let mut body = Map::from_iter([
            ("description".to_owned(), json!("from the file")),
            ("verification".to_owned(), json!({"preset": "github"})),
        ]);
        let fields = FieldArguments {
            description: Some("from a flag".to_owned()),
            event_types: vec!["a.*".to_owned()],
            retry_schedule: vec![5, 60],
            retry_on: vec!["network".to_owned(), "503".to_owned()],
            labels: vec![label("team=x=y").unwrap()],
            headers: vec![header("X-A: b:c").unwrap()],
            ..FieldArguments::default()
        };
        fields.write(&mut body);
        assert_eq!(
            Value::Object(body),
            json!({
                "description": "from a flag", "event_types": ["a.*"],
                "retry": {"schedule": [5, 60]}, "retry_on": ["network", "503"],
                "labels": {"team": "x=y"}, "headers": {"X-A": "b:c"},
                "verification": {"preset": "github"},
            })
        );
    }

    #[test]
    fn a_header_and_a_label_without_their_sign_are_refused() {
        assert!(header("x").is_err() && header(": y").is_err());
        assert!(label("x").is_err() && label("=y").is_err());
        assert_eq!(header("x:").unwrap(), ("x".to_owned(), String::new()));
    }
}
