//! `hooklog deliveries`.

use jiff::Timestamp;
use uuid::Uuid;

use crate::cli::Session;
use crate::cli::call::Call;
use crate::cli::client::Client;
use crate::cli::delivery_view as view;
use crate::cli::failure::Failure;
use crate::cli::moment;
use crate::cli::page::{Page, PageArguments};
use crate::cli::screen::Screen;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    session: Session,
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Search for them, newest first.
    List {
        /// pending, retrying, delivered, dead_lettered, cancelled; several with commas between.
        #[arg(long)]
        status: Option<String>,
        #[command(flatten)]
        filter: Filter,
        #[command(flatten)]
        page: PageArguments,
    },
    /// Show one, with its payload and every call.
    Show {
        id: Uuid,
        /// All of the payload, not only its first 64 KiB.
        #[arg(long)]
        full: bool,
    },
    /// Deliver one again that has ended, as a new delivery of the same bytes.
    Retry {
        id: Uuid,
        /// A repeat under the same key within a day makes no second one.
        #[arg(long, value_name = "KEY")]
        idempotency_key: Option<String>,
    },
    /// End one that has not ended.
    Cancel { id: Uuid },
}

/// Which deliveries.
#[derive(Debug, clap::Args)]
pub(crate) struct Filter {
    /// Of this subscription.
    #[arg(long, value_name = "ID")]
    subscription: Option<Uuid>,
    /// Of this event type.
    #[arg(long = "type", value_name = "TYPE")]
    event_type: Option<String>,
    /// Accepted then or later: 2026-03-04T05:06:07Z, or a span before now such as 2h.
    #[arg(long, value_name = "TIME", value_parser = moment::argument)]
    from: Option<Timestamp>,
    /// Accepted earlier than this.
    #[arg(long, value_name = "TIME", value_parser = moment::argument)]
    to: Option<Timestamp>,
    /// Whose last call was answered so: a number, or 2xx, 3xx, 4xx, 5xx.
    #[arg(long, value_name = "STATUS")]
    http_status: Option<String>,
    /// With a call that failed so: timeout, dns, refused, tls, http_status, ...
    #[arg(long, value_name = "KIND")]
    error_kind: Option<String>,
}

impl Filter {
    /// The request for those of them that stand so.
    pub(crate) fn call(&self, status: Option<&str>) -> Call {
        Call::get("/v1/deliveries")
            .query("status", status)
            .query("subscription_id", self.subscription)
            .query("event_type", self.event_type.as_deref())
            .query("accepted_from", self.from)
            .query("accepted_to", self.to)
            .query("http_status", self.http_status.as_deref())
            .query("error_kind", self.error_kind.as_deref())
    }
}

pub(crate) async fn run(arguments: Arguments) -> Result<(), Failure> {
    let (client, screen) = arguments.session.open()?;
    match arguments.command {
        Command::List { status, filter, page } => {
            let page = Page::read(&client, &page, || filter.call(status.as_deref())).await?;
            page.show(screen, "no deliveries like that", view::table)
        }
        Command::Show { id, full } => show(&client, screen, id, full).await,
        Command::Retry { id, idempotency_key } => {
            let call = Call::post(format!("/v1/deliveries/{id}/retry"));
            let call = call.header("idempotency-key", idempotency_key.as_deref())?;
            let answer = client.call(call).await?;
            if screen.json {
                return screen.print_json(answer.text.get());
            }
            screen.print(&view::retried(&answer.value()))
        }
        Command::Cancel { id } => {
            let answer = client.call(Call::post(format!("/v1/deliveries/{id}/cancel"))).await?;
            if screen.json {
                return screen.print_json(answer.text.get());
            }
            screen.print(&format!("{id} is being cancelled; a call under way may still arrive\n"))
        }
    }
}

async fn show(client: &Client, screen: Screen, id: Uuid, full: bool) -> Result<(), Failure> {
    let call = Call::get(format!("/v1/deliveries/{id}"));
    let answer = client.call(call.query("payload", full.then_some("full"))).await?;
    if screen.json {
        return screen.print_json(answer.text.get());
    }
    screen.print(&view::story(&answer.value(), screen.colour))
}
