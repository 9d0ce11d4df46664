//! `hooklog subscriptions`.

use reqwest::header::IF_MATCH;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::cli::Session;
use crate::cli::call::Call;
use crate::cli::client::{Answer, Client};
use crate::cli::failure::Failure;
use crate::cli::health_view;
use crate::cli::page::{Page, PageArguments};
use crate::cli::screen::Screen;
use crate::cli::subscription_fields::FieldArguments;
use crate::cli::subscription_view as view;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    session: Session,
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// List them, oldest first.
    List(PageArguments),
    /// Show one, with every field.
    Show { id: Uuid },
    /// Create one; its signing secret is shown once.
    Create {
        /// Where deliveries go; may stand in --fields instead.
        target_url: Option<String>,
        #[command(flatten)]
        fields: FieldArguments,
    },
    /// Change what is given, and leave the rest.
    Update {
        #[command(flatten)]
        which: Which,
        /// Where deliveries go.
        #[arg(long, value_name = "URL")]
        target_url: Option<String>,
        #[command(flatten)]
        fields: FieldArguments,
        /// A field that gets its default back; may be repeated.
        #[arg(long, value_name = "FIELD")]
        unset: Vec<String>,
    },
    /// Make no more calls; everything is kept.
    Pause(Which),
    /// Continue where it stopped.
    Resume(Which),
    /// Send the event hooklog.test to it.
    Test(Which),
    /// Make new keys; the old ones sign for a while beside them.
    RotateSecret {
        #[command(flatten)]
        which: Which,
        /// How long the old keys go on signing; a day if it is not given.
        #[arg(long, value_name = "SECONDS")]
        overlap: Option<u64>,
    },
    /// Delete it; what waits for it ends cancelled.
    Delete(Which),
    /// How its receiver does, or how all do, worst first.
    Health {
        id: Option<Uuid>,
        /// Look back so far: 5m, 1h or 24h.
        #[arg(long)]
        window: Option<String>,
        /// Only those that fail.
        #[arg(long, conflicts_with = "id")]
        failing: bool,
        #[command(flatten)]
        page: PageArguments,
    },
}

#[derive(clap::Args)]
struct Which {
    id: Uuid,
    /// Only if it still has this version.
    #[arg(long, value_name = "VERSION")]
    if_version: Option<u64>,
}

impl Which {
    /// The path of the subscription, or of what is done with it.
    fn path(&self, action: &str) -> String {
        path(self.id, action)
    }

    fn guard(&self, call: Call) -> Result<Call, Failure> {
        let version = self.if_version.map(|version| format!("\"{version}\""));
        call.header(IF_MATCH.as_str(), version.as_deref())
    }
}

fn path(id: Uuid, action: &str) -> String {
    format!("/v1/subscriptions/{id}{action}")
}

pub(crate) async fn run(arguments: Arguments) -> Result<(), Failure> {
    let (client, screen) = arguments.session.open()?;
    match arguments.command {
        Command::List(page) => {
            let page = Page::read(&client, &page, || Call::get("/v1/subscriptions")).await?;
            let nothing = "no subscriptions; hooklog subscriptions create makes one";
            page.show(screen, nothing, view::table)
        }
        Command::Show { id } => shown(screen, &client.call(Call::get(path(id, ""))).await?),
        Command::Create { target_url, fields } => {
            let mut body = fields.body()?;
            body.extend(target_url.map(|url| ("target_url".to_owned(), Value::from(url))));
            let call = Call::post("/v1/subscriptions").json(&Value::Object(body));
            shown(screen, &client.call(call).await?)
        }
        Command::Update { which, target_url, fields, unset } => {
            let mut body = fields.body()?;
            body.extend(target_url.map(|url| ("target_url".to_owned(), Value::from(url))));
            body.extend(unset.into_iter().map(|name| (name, Value::Null)));
            let call = which.guard(Call::patch(which.path("")).json(&Value::Object(body)))?;
            shown(screen, &client.call(call).await?)
        }
        Command::Pause(which) => act(&client, screen, &which, "/pause").await,
        Command::Resume(which) => act(&client, screen, &which, "/resume").await,
        Command::Test(which) => {
            let answer = client.call(which.guard(Call::post(which.path("/test")))?).await?;
            if screen.json {
                return screen.print_json(answer.text.get());
            }
            screen.print(&view::tested(&answer.value()))
        }
        Command::RotateSecret { which, overlap } => {
            let call = which.guard(Call::post(which.path("/rotate-secret")))?;
            let call = match overlap {
                Some(seconds) => call.json(&json!({ "overlap_seconds": seconds })),
                None => call,
            };
            shown(screen, &client.call(call).await?)
        }
        Command::Delete(which) => {
            client.call_for_nothing(which.guard(Call::delete(which.path("")))?).await?;
            let id = which.id;
            if screen.json {
                return screen.print_json(&json!({ "deleted": id }).to_string());
            }
            screen.print(&format!("deleted {id}\n"))
        }
        Command::Health { id: Some(id), window, .. } => {
            let call = Call::get(path(id, "/health")).query("window", window);
            let answer = client.call(call).await?;
            if screen.json {
                return screen.print_json(answer.text.get());
            }
            screen.print(&health_view::sheet(&answer.value(), screen.colour))
        }
        Command::Health { id: None, window, failing, page } => {
            let call = || {
                let call = Call::get("/v1/health").query("window", window.as_deref());
                call.query("failing", failing.then_some(true))
            };
            let page = Page::read(&client, &page, call).await?;
            let nothing = if failing { "no subscription fails" } else { "no subscriptions" };
            page.show(screen, nothing, health_view::table)
        }
    }
}

async fn act(client: &Client, screen: Screen, which: &Which, action: &str) -> Result<(), Failure> {
    shown(screen, &client.call(which.guard(Call::post(which.path(action)))?).await?)
}

fn shown(screen: Screen, answer: &Answer) -> Result<(), Failure> {
    if screen.json {
        return screen.print_json(answer.text.get());
    }
    screen.print(&view::sheet(&answer.value(), screen.colour))
}
