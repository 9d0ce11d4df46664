//! `hooklog replay`.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value};
use tokio::time::Instant;
use uuid::Uuid;

use crate::cli::Session;
use crate::cli::call::Call;
use crate::cli::client::{Answer, Client};
use crate::cli::failure::Failure;
use crate::cli::moment;
use crate::cli::page::{Page, PageArguments};
use crate::cli::replay_view as view;
use crate::cli::screen::Screen;

const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Looks in a row that may go unanswered while a replay is watched.
const VAIN_LOOKS: u32 = 30;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    session: Session,
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Deliver again what was accepted in a range and has ended.
    Create {
        #[command(flatten)]
        range: Range,
        #[command(flatten)]
        watching: Watching,
        /// Watch it until it has ended.
        #[arg(long)]
        watch: bool,
    },
    /// List them, newest first.
    List(PageArguments),
    /// Show one.
    Show { id: Uuid },
    /// Make nothing more anew; what was made goes on.
    Cancel { id: Uuid },
    /// Show how far one has come until it has ended.
    Watch {
        id: Uuid,
        #[command(flatten)]
        watching: Watching,
    },
}

#[derive(Debug, clap::Args)]
struct Range {
    /// Accepted then or later: 2026-03-04T05:06:07Z, or a span before now such as 2h.
    #[arg(long, value_name = "TIME", value_parser = moment::argument)]
    from: Timestamp,
    /// Accepted earlier than this.
    #[arg(long, value_name = "TIME", value_parser = moment::argument, default_value = "now")]
    to: Timestamp,
    /// How they ended: dead_lettered, delivered, cancelled; dead letters if it is not given.
    #[arg(long, value_name = "STATUS,...", value_delimiter = ',')]
    status: Vec<String>,
    /// Of this subscription.
    #[arg(long, value_name = "ID")]
    subscription: Option<Uuid>,
    /// Of this event type.
    #[arg(long = "type", value_name = "TYPE")]
    event_type: Option<String>,
    /// All of them go to this subscription, instead of each to its own.
    #[arg(long, value_name = "ID")]
    to_subscription: Option<Uuid>,
    /// For people.
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
}

#[derive(Debug, clap::Args)]
struct Watching {
    /// Watch for so many seconds at most; the replay goes on without being watched.
    #[arg(long, value_name = "SECONDS", default_value_t = 3_600)]
    timeout: u64,
}

impl Range {
    fn body(&self) -> Value {
        let mut body = Map::new();
        let mut set = |name: &str, value: Option<Value>| {
            body.extend(value.map(|value| (name.to_owned(), value)));
        };
        let text = |text: String| Some(Value::from(text));
        set("from", text(self.from.to_string()));
        set("to", text(self.to.to_string()));
        set("status", (!self.status.is_empty()).then(|| self.status.clone().into()));
        set("subscription_id", self.subscription.map(|id| id.to_string().into()));
        set("event_type", self.event_type.clone().map(Value::from));
        set("to_subscription_id", self.to_subscription.map(|id| id.to_string().into()));
        set("description", self.description.clone().map(Value::from));
        Value::Object(body)
    }
}

pub(crate) async fn run(arguments: Arguments) -> Result<(), Failure> {
    let (client, screen) = arguments.session.open()?;
    match arguments.command {
        Command::Create { range, watching, watch } => {
            let made = client.call(Call::post("/v1/replays").json(&range.body())).await?;
            let id = made.value()["id"].as_str().and_then(|id| id.parse().ok());
            match id.filter(|_| watch) {
                Some(id) => self::watch(&client, screen, id, &watching).await,
                None => shown(screen, &made),
            }
        }
        Command::List(page) => {
            let page = Page::read(&client, &page, || Call::get("/v1/replays")).await?;
            page.show(screen, "no replays", view::table)
        }
        Command::Show { id } => shown(screen, &client.call(look(id)).await?),
        Command::Cancel { id } => {
            shown(screen, &client.call(Call::post(format!("/v1/replays/{id}/cancel"))).await?)
        }
        Command::Watch { id, watching } => watch(&client, screen, id, &watching).await,
    }
}

fn look(id: Uuid) -> Call {
    Call::get(format!("/v1/replays/{id}"))
}

/// Looks at a replay until it has ended; a replay that did not end well is a refusal.
async fn watch(
    client: &Client,
    screen: Screen,
    id: Uuid,
    watching: &Watching,
) -> Result<(), Failure> {
    let deadline = Instant::now() + Duration::from_secs(watching.timeout);
    let mut told = String::new();
    let mut vain = 0;
    let mut line_is_open = false;
    loop {
        match client.call(look(id)).await {
            Ok(answer) => {
                vain = 0;
                let replay = answer.value();
                let progress = view::progress(&replay);
                if progress != told {
                    if screen.json {
                        screen.print_json(answer.text.get())?;
                    } else if Screen::progress(&progress) {
                        line_is_open = true;
                    } else {
                        Screen::tell(&progress);
                    }
                    told = progress;
                }
                if replay["state"] != "running" {
                    if line_is_open {
                        Screen::tell("");
                    }
                    return ended(screen, &answer);
                }
            }
            Err(
                failure @ (Failure::Unreachable(_) | Failure::Refused { is_passing: true, .. }),
            ) if vain < VAIN_LOOKS && !told.is_empty() => {
                vain += 1;
                drop(failure);
            }
            Err(failure) => return Err(failure),
        }
        if Instant::now() >= deadline {
            return Err(Failure::refused(format!(
                "it is still running after {} s; hooklog replay watch {id} goes on watching",
                watching.timeout
            )));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn ended(screen: Screen, answer: &Answer) -> Result<(), Failure> {
    if !screen.json {
        shown(screen, answer)?;
    }
    match answer.value()["state"].as_str() {
        Some("done") => Ok(()),
        Some("cancelled") => Err(Failure::refused("the replay was cancelled")),
        _ => Err(Failure::refused("the replay failed; its error says why")),
    }
}

fn shown(screen: Screen, answer: &Answer) -> Result<(), Failure> {
    if screen.json {
        return screen.print_json(answer.text.get());
    }
    screen.print(&view::sheet(&answer.value(), screen.colour))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_not_given_is_not_sent() {
        let mut range = Range {
            from: "2026-03-04T05:06:07Z".parse().unwrap(),
            to: "2026-03-04T06:06:07Z".parse().unwrap(),
            status: Vec::new(),
            subscription: None,
            event_type: None,
            to_subscription: None,
            description: None,
        };
        let times = json!({"from": "2026-03-04T05:06:07Z", "to": "2026-03-04T06:06:07Z"});
        assert_eq!(range.body(), times);
        range.status = vec!["delivered".to_owned()];
        range.to_subscription = Some(Uuid::nil());
        let body = range.body();
        assert_eq!(body["status"], json!(["delivered"]));
        assert_eq!(body["to_subscription_id"], "00000000-0000-0000-0000-000000000000");
    }
}
