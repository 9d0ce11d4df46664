//! `hooklog tail`: outcomes as they happen, from `/v1/stream`.
//!
//! Connects again when the stream ends, at most [`Arguments::reconnects`] times in a row. What
//! happens while there is no connection is missed, and said to be.

use std::time::Duration;

use serde_json::Value;
use uuid::Uuid;

use crate::cli::call::Call;
use crate::cli::client::Client;
use crate::cli::event_stream::{Event, EventStream};
use crate::cli::failure::Failure;
use crate::cli::screen::Screen;
use crate::cli::table::{Tone, painted};
use crate::cli::values::{NONE, count, millis, text, time};
use crate::cli::{Session, harmless};

/// Before the first new connection; each further one in a row waits twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    session: Session,
    /// Of this subscription.
    #[arg(long, value_name = "ID")]
    subscription: Option<Uuid>,
    /// Of this event type.
    #[arg(long = "type", value_name = "TYPE")]
    event_type: Option<String>,
    /// After which a delivery stands so: pending, retrying, delivered, dead_lettered, cancelled;
    /// several with commas between.
    #[arg(long)]
    status: Option<String>,
    /// End after so many outcomes.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// Try so often in a row to connect again.
    #[arg(long, value_name = "N", default_value_t = 10)]
    reconnects: u32,
}

/// Why a stream is followed no further.
enum Ended {
    /// As many outcomes were shown as were asked for.
    Enough,
    /// For a person, why the connection is gone, and whether anything came through it.
    Lost { why: String, was_of_use: bool },
}

pub(crate) async fn run(arguments: Arguments) -> Result<(), Failure> {
    let (client, screen) = arguments.session.open()?;
    let mut left = arguments.count.unwrap_or(u64::MAX);
    let mut failed_in_a_row = 0;
    let mut is_first = true;
    loop {
        let why = match follow(&client, screen, &arguments, is_first, &mut left).await {
            Ok(Ended::Enough) => return Ok(()),
            Ok(Ended::Lost { why, was_of_use }) => {
                failed_in_a_row = if was_of_use { 0 } else { failed_in_a_row };
                why
            }
            Err(Failure::Unreachable(line)) if !is_first => line,
            Err(Failure::Refused { line, is_passing: true }) if !is_first => line,
            Err(failure) => return Err(failure),
        };
        is_first = false;
        if failed_in_a_row >= arguments.reconnects {
            return Err(Failure::Unreachable(why));
        }
        let pause = pause(failed_in_a_row);
        failed_in_a_row += 1;
        Screen::tell(&format!(
            "hooklog: {why}; connecting again ({failed_in_a_row} of {}), outcomes meanwhile are \
             missed",
            arguments.reconnects
        ));
        tokio::time::sleep(pause).await;
    }
}

/// How long to wait after so many vain connections in a row.
fn pause(failed_in_a_row: u32) -> Duration {
    FIRST_PAUSE.saturating_mul(1 << failed_in_a_row.min(10)).min(LONGEST_PAUSE)
}

async fn follow(
    client: &Client,
    screen: Screen,
    arguments: &Arguments,
    is_first: bool,
    left: &mut u64,
) -> Result<Ended, Failure> {
    let call = Call::get("/v1/stream")
        .header("accept", Some("text/event-stream"))?
        .query("subscription_id", arguments.subscription)
        .query("event_type", arguments.event_type.as_deref())
        .query("status", arguments.status.as_deref());
    let mut incoming = client.open(call).await?;
    let again = if is_first { "following" } else { "following again" };
    Screen::tell(&format!("hooklog: {again} outcomes of {} (Ctrl-C ends)", client.base()));
    let mut stream = EventStream::default();
    let mut was_of_use = false;
    loop {
        let part = match incoming.part().await {
            Ok(Some(part)) => part,
            Ok(None) => return Ok(Ended::Lost { why: "the stream has ended".into(), was_of_use }),
            Err(why) => {
                let why = format!("the stream broke: {why}");
                return Ok(Ended::Lost { why, was_of_use });
            }
        };
        was_of_use = true;
        let events = stream.take(part.as_ref()).map_err(|_| {
            Failure::refused("the stream is not hooklog's; is --url (HOOKLOG_URL) right?")
        })?;
        for event in events {
            if show(screen, &event)? {
                *left -= 1;
            }
            if *left == 0 {
                return Ok(Ended::Enough);
            }
        }
    }
}

/// Shows an event; true for an outcome.
fn show(screen: Screen, event: &Event) -> Result<bool, Failure> {
    let value: Value = serde_json::from_str(&event.data).unwrap_or_default();
    match event.name.as_str() {
        "outcome" if screen.json => screen.print_json(&event.data)?,
        "outcome" => screen.print(&line(&value, screen.colour))?,
        "gap" => {
            let missed = count(&value, "missed");
            Screen::tell(&format!("hooklog: reading is too slow, {missed} outcomes were missed"));
            return Ok(false);
        }
        // What a later version may add.
        _ => return Ok(false),
    }
    Ok(true)
}

/// An outcome as one line.
fn line(outcome: &Value, colour: bool) -> String {
    let state = text(outcome, "state");
    let call = &outcome["call"];
    let what = match (outcome["kind"].as_str(), &call["http_status"]) {
        (Some("attempt"), Value::Null) => text(call, "error_kind"),
        (Some("attempt"), status) => status.to_string(),
        _ => text(outcome, "reason"),
    };
    let took = call["latency_micros"].as_f64().map(|micros| millis(&(micros / 1_000.0).into()));
    let tone = Tone::of(&state);
    let state = format!("{:<13}", harmless::line(&state));
    let mut line = format!(
        "{}  {}  #{:<2}  {:<12}  {:>8}  {}  {}  {}",
        harmless::line(&time(outcome, "occurred_at")),
        painted(&state, tone, colour),
        count(outcome, "attempt"),
        harmless::line(&what),
        took.as_deref().unwrap_or(NONE),
        harmless::line(&text(outcome, "delivery_id")),
        harmless::line(&text(outcome, "event_type")),
        harmless::line(&text(call, "target_url")),
    );
    let next = time(outcome, "next_attempt_at");
    if next != NONE {
        line.push_str(&format!("  next {}", harmless::line(&next)));
    }
    line.push('\n');
    line
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_outcome_is_one_line() {
        let mut outcome = json!({
            "delivery_id": "0190a0e0-0000-7000-8000-000000000001", "event_type": "a.\u{1b}[2Jb\n",
            "attempt": 1, "kind": "attempt", "state": "retrying",
            "occurred_at": "2026-03-04T05:06:07.5Z", "next_attempt_at": "2026-03-04T05:06:17.5Z",
            "call": {"target_url": "http://a/", "succeeded": false, "error_kind": "timeout",
                     "latency_micros": 10_000_123},
        });
        let mut shown = line(&outcome, false);
        outcome["call"]["http_status"] = json!(200);
        outcome["call"]["latency_micros"] = json!(1_234);
        (outcome["state"], outcome["next_attempt_at"]) = (json!("delivered"), Value::Null);
        shown.push_str(&line(&outcome, false));
        let end = json!({"kind": "end", "state": "cancelled", "reason": "cancel_requested",
                         "attempt": 2, "occurred_at": "2026-03-04T05:06:07Z"});
        shown.push_str(&line(&end, false));
        assert_eq!(shown.lines().count(), 3);
        insta::assert_snapshot!(shown);
    }

    #[test]
    fn pauses_grow_to_a_bound() {
        let millis = |failed| pause(failed).as_millis();
        assert_eq!([0, 1, 2, 4, 5, 100].map(millis), [500, 1_000, 2_000, 8_000, 10_000, 10_000]);
    }
}
