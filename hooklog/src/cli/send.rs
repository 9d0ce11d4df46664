//! `hooklog send`: publishes over `/v1`, or with `--secret` through the older contract's ingest
//! route, which asks for a signature instead of a key.

use std::fmt::Write as _;

use serde_json::Value;
use signature::sign_hub;
use uuid::Uuid;

use crate::cli::body::BodyArguments;
use crate::cli::call::Call;
use crate::cli::failure::Failure;
use crate::cli::subscription_fields::header;
use crate::cli::table::{Cell, Table};
use crate::cli::values::{count, text};
use crate::cli::{Session, harmless, sign};

/// Rejected items of a batch that are told; all are in the JSON.
const MAX_TOLD: usize = 20;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    session: Session,
    #[command(flatten)]
    body: BodyArguments,
    /// To this subscription alone; to all that want it otherwise.
    #[arg(long, value_name = "ID")]
    subscription: Option<Uuid>,
    /// The event's type; without it the body has to describe itself.
    #[arg(long = "type", value_name = "TYPE")]
    event_type: Option<String>,
    /// What the body is; application/x-ndjson is a batch, one event a line.
    #[arg(long, value_name = "MEDIA TYPE", default_value = "application/json")]
    content_type: String,
    /// A header of the request, such as ce-id:7; may be repeated.
    #[arg(long = "header", short = 'H', value_name = "NAME:VALUE", value_parser = header)]
    headers: Vec<(String, String)>,
    /// A repeat under the same key is the same event.
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
    /// Sign with this secret and send to the older contract's /ingest/{id}, whose body is
    /// {"payload": {...}, "event_type": "..."}.
    #[arg(long, requires = "subscription", conflicts_with_all = ["event_type", "idempotency_key"])]
    secret: Option<String>,
    /// The signature's header: the server's WEBHOOK_SECRET_HEADER.
    #[arg(long, value_name = "NAME", default_value = sign::HEADER, requires = "secret")]
    signature_header: String,
}

pub(crate) async fn run(arguments: Arguments) -> Result<(), Failure> {
    let (client, screen) = arguments.session.open()?;
    let answer = client.call(arguments.call()?).await?;
    let value = answer.value();
    if screen.json {
        screen.print_json(answer.text.get())?;
    } else {
        screen.print(&told(&value, screen.colour))?;
    }
    match count(&value, "rejected") {
        0 => Ok(()),
        rejected => Err(Failure::refused(format!("{rejected} items were rejected"))),
    }
}

impl Arguments {
    fn call(&self) -> Result<Call, Failure> {
        let body = self.body.read()?;
        let mut call = match (&self.secret, self.subscription) {
            (Some(secret), Some(id)) => {
                let signature = sign_hub(&sign::secret(secret)?, &body);
                let call = Call::post(format!("/ingest/{id}"));
                call.header(&self.signature_header, Some(&signature))?
            }
            (_, Some(id)) => Call::post(format!("/v1/subscriptions/{id}/events")),
            (_, None) => Call::post("/v1/events"),
        };
        for (name, value) in &self.headers {
            call = call.header(name, Some(value))?;
        }
        call.header("x-event-type", self.event_type.as_deref())?
            .header("idempotency-key", self.idempotency_key.as_deref())?
            .body(&self.content_type, body)
    }
}

/// What has become of it, whatever form the answer has.
fn told(answer: &Value, colour: bool) -> String {
    if let Some(results) = answer["results"].as_array() {
        return batch(answer, results);
    }
    if let Some(message) = answer["message"].as_str() {
        let id = text(answer, "webhook_id");
        return format!("{}\ndelivery {}\n", harmless::line(message), harmless::line(&id));
    }
    let id = text(answer, "event_id");
    let id = harmless::line(&id);
    if answer["status"] == "filtered" {
        let reason = text(answer, "reason");
        let reason = harmless::line(&reason);
        return format!("the subscription does not want it ({reason}); nothing was stored\n");
    }
    let deliveries = count(answer, "delivery_count");
    let mut told = match deliveries {
        0 => format!("accepted event {id}; no subscription wants it\n"),
        1 => format!("accepted event {id}, 1 delivery\n"),
        _ => format!("accepted event {id}, {deliveries} deliveries\n"),
    };
    let listed = answer["deliveries"].as_array().map(Vec::as_slice).unwrap_or_default();
    if !listed.is_empty() {
        let mut table = Table::new(&["DELIVERY", "SUBSCRIPTION"]);
        for delivery in listed {
            let id = Cell::from(text(delivery, "delivery_id"));
            table.row([id, text(delivery, "subscription_id").into()]);
        }
        told.push_str(&table.render(colour));
    }
    told
}

fn batch(answer: &Value, results: &[Value]) -> String {
    let number = |name| count(answer, name);
    let mut told = format!(
        "{} accepted, {} filtered, {} rejected\n",
        number("accepted"),
        number("filtered"),
        number("rejected")
    );
    let rejected: Vec<&Value> =
        results.iter().filter(|item| item["status"] == "rejected").collect();
    for item in rejected.iter().take(MAX_TOLD) {
        let line =
            format!("item {}: {} ({})", item["index"], text(item, "detail"), text(item, "code"));
        _ = writeln!(told, "  {}", harmless::line(&line));
    }
    if rejected.len() > MAX_TOLD {
        _ = writeln!(told, "  and {} more", rejected.len() - MAX_TOLD);
    }
    told
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_event_is_told_with_its_deliveries() {
        let answer = json!({
            "status": "accepted", "event_id": "e-1", "delivery_count": 2,
            "deliveries": [{"delivery_id": "d-1", "subscription_id": "s-1"},
                           {"delivery_id": "d-2", "subscription_id": "s-22"}],
        });
        insta::assert_snapshot!(told(&answer, false));
        let answer = json!({"event_id": "e", "delivery_count": 0, "deliveries": []});
        assert_eq!(told(&answer, false), "accepted event e; no subscription wants it\n");
        let answer = json!({"status": "filtered", "event_id": "e", "reason": "payload"});
        assert!(told(&answer, false).contains("does not want it (payload)"));
    }

    #[test]
    fn a_batch_is_told_with_what_was_rejected_and_the_older_contract_with_its_message() {
        let answer = json!({"accepted": 1, "filtered": 0, "rejected": 1, "results": [
            {"index": 0, "status": "accepted", "event_id": "e"},
            {"index": 1, "status": "rejected", "code": "invalid_event", "detail": "No \u{1b}type."},
        ]});
        assert_eq!(
            told(&answer, false),
            "1 accepted, 0 filtered, 1 rejected\n  item 1: No \\u{1b}type. (invalid_event)\n"
        );
        let answer = json!({"message": "Webhook accepted for processing", "webhook_id": "d-1"});
        assert_eq!(told(&answer, false), "Webhook accepted for processing\ndelivery d-1\n");
    }
}
