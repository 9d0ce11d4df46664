//! `hooklog stats`: the installation's numbers.

use std::fmt::Write as _;

use serde_json::Value;

use crate::cli::call::Call;
use crate::cli::failure::Failure;
use crate::cli::table::{self, Cell, Table};
use crate::cli::values::{millis, percent, text, time};
use crate::cli::{Session, health_view};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    session: Session,
    /// Look back so far: 1h, 24h or 7d.
    #[arg(long)]
    window: Option<String>,
}

pub(crate) async fn run(arguments: Arguments) -> Result<(), Failure> {
    let (client, screen) = arguments.session.open()?;
    let answer = client.call(Call::get("/v1/stats").query("window", arguments.window)).await?;
    if screen.json {
        return screen.print_json(answer.text.get());
    }
    screen.print(&shown(&answer.value(), screen.colour))
}

fn shown(stats: &Value, colour: bool) -> String {
    let totals = &stats["totals"];
    let of = |name| Cell::from(text(totals, name));
    let latency = |name: &str| millis(&stats["latency_ms"][name]);
    let lag = stats["projection"]["lag_seconds"].as_f64();
    let lag = lag.map_or_else(|| "not known".to_owned(), |seconds| format!("{seconds:.1} s"));
    let mut shown = table::sheet(
        &[
            ("from", time(stats, "from").into()),
            ("to", time(stats, "to").into()),
            ("accepted", of("accepted")),
            ("delivered", of("delivered")),
            ("pending", of("pending")),
            ("retrying", of("retrying")),
            ("dead-lettered", of("dead_lettered")),
            ("cancelled", of("cancelled")),
            ("calls", of("attempts")),
            ("success rate", percent(&totals["success_rate"]).into()),
            (
                "latency",
                format!("p50 {}, p95 {}, p99 {}", latency("p50"), latency("p95"), latency("p99"))
                    .into(),
            ),
            ("waiting", backlog(&stats["backlog"]).into()),
            ("oldest waiting", time(&stats["backlog"], "oldest_undelivered_at").into()),
            ("behind by", lag.into()),
        ],
        colour,
    );
    let list = |name: &str| stats[name].as_array().filter(|list| !list.is_empty());
    if let Some(reasons) = list("failure_reasons") {
        _ = write!(shown, "\nwhy calls fail\n{}", self::reasons(reasons).render(colour));
    }
    if let Some(failing) = list("failing") {
        _ = write!(shown, "\nwhat fails\n{}", health_view::table(failing).render(colour));
    }
    shown
}

/// How many wait, and when they are due.
fn backlog(backlog: &Value) -> String {
    let due = backlog["by_due"].as_array().map(Vec::as_slice).unwrap_or_default();
    let due: Vec<String> = due
        .iter()
        .filter(|step| step["count"].as_i64().is_some_and(|count| count > 0))
        .map(|step| match step["within"].as_str() {
            Some("later") => format!("{} later", step["count"]),
            _ => format!("{} within {}", step["count"], text(step, "within")),
        })
        .collect();
    let unfinished = text(backlog, "unfinished");
    if due.is_empty() { unfinished } else { format!("{unfinished}, due {}", due.join(", ")) }
}

fn reasons(reasons: &[Value]) -> Table {
    let mut table = Table::new(&["REASON", ">CALLS", ">SUBSCRIPTIONS", "LAST"]);
    for reason in reasons {
        table.row([
            text(reason, "reason").into(),
            text(reason, "count").into(),
            text(reason, "subscriptions").into(),
            time(reason, "last_at").into(),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_numbers_are_shown_with_what_fails_and_why() {
        let stats = json!({
            "from": "2026-03-04T05:06:00Z", "to": "2026-03-04T06:05:30.5Z",
            "totals": {"accepted": 1_000, "delivered": 900, "retrying": 50, "pending": 30,
                       "dead_lettered": 15, "cancelled": 5, "attempts": 1_100,
                       "succeeded_attempts": 900, "success_rate": 0.818_181},
            "latency_ms": {"p50": 3.5, "p95": 40.0, "p99": 1_000.0},
            "backlog": {"unfinished": 80, "oldest_undelivered_at": "2026-03-04T05:10:00Z",
                        "by_due": [{"within": "1m", "count": 60}, {"within": "10m", "count": 0},
                                   {"within": "later", "count": 20}]},
            "failure_reasons": [{"reason": "http_503", "count": 120, "subscriptions": 2,
                                 "last_at": "2026-03-04T06:05:29Z"}],
            "failing": [{"subscription_id": "s-1", "failing": true, "success_rate": 0,
                         "attempts": 20, "backlog": 40, "target_url": "https://a.example/",
                         "last_error": "503", "failing_since": "2026-03-04T05:10:00Z"}],
            "projection": {"lag_seconds": 0.25},
        });
        insta::assert_snapshot!(shown(&stats, false));
    }

    #[test]
    fn an_installation_without_events_has_no_numbers_and_no_empty_tables() {
        let empty = shown(&json!({"totals": {}, "failing": [], "failure_reasons": []}), false);
        assert!(!empty.contains("why calls fail") && empty.contains("behind by"));
    }
}
