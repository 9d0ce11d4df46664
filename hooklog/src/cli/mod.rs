//! The operator's commands: hooklog's HTTP API from a shell.
//!
//! Owns their arguments, the words that people read, and the exit codes: 0 done, 1 refused by
//! the server, 2 wrong usage, 3 not reachable. Each resource has a file that asks, and what it
//! shows is made by pure functions of the answer.
//!
//! Opens connections of its own, past `egress` (ARCHITECTURE.md, invariant 9): `egress` keeps
//! URLs of subscriptions away from the operator's network, and this is the operator, who calls
//! the one URL that they give, which is loopback more often than not. It connects to nothing
//! else: no redirect is followed and no proxy asked, and nothing here is linked to a role
//! ([`client`]).
//!
//! Promises: whatever came from elsewhere (payloads, receivers' answers, URLs) cannot speak to
//! the terminal ([`harmless`]); every wait has a bound, but that of `tail`, which is there to
//! wait; a reader that has gone ends the command without a word. Holds no logic of the API: what
//! may be asked for, the server says.

mod body;
mod call;
mod client;
mod completions;
mod dead_letters;
mod deliveries;
mod delivery_view;
mod event_stream;
mod failure;
mod harmless;
mod health_view;
mod moment;
mod page;
mod replay;
mod replay_view;
mod screen;
mod send;
mod sign;
mod stats;
mod subscription_fields;
mod subscription_view;
mod subscriptions;
mod table;
mod tail;
mod values;

use std::process::ExitCode;

use client::Client;
use failure::Failure;
use screen::Screen;

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Where events go: list, create, change, pause, test, see how they do.
    Subscriptions(subscriptions::Arguments),
    /// Publish an event, or a batch of them.
    Send(send::Arguments),
    /// Sign a body as the older services' producers do, without asking anybody.
    Sign(sign::Arguments),
    /// Events on their way: search, look at every call, retry, cancel.
    Deliveries(deliveries::Arguments),
    /// Follow outcomes as they happen, until Ctrl-C.
    Tail(tail::Arguments),
    /// Deliver a range of deliveries again, and see how far that has come.
    Replay(replay::Arguments),
    /// Deliveries that were given up, and why.
    DeadLetters(dead_letters::Arguments),
    /// The installation's numbers.
    Stats(stats::Arguments),
    /// Print the completions of a shell.
    Completions(completions::Arguments),
}

/// Whom to ask, and how to show it.
#[derive(clap::Args)]
struct Session {
    /// Where hooklog is.
    #[arg(
        long,
        env = "HOOKLOG_URL",
        default_value = "http://127.0.0.1:8000",
        global = true,
        help_heading = "Connection"
    )]
    url: String,
    /// The API key; the variable keeps it out of the list of processes.
    #[arg(
        long,
        env = "HOOKLOG_API_KEY",
        hide_env_values = true,
        global = true,
        help_heading = "Connection"
    )]
    key: Option<String>,
    /// Print JSON: one document, or one a line where there is no end.
    #[arg(long, global = true, help_heading = "Connection")]
    json: bool,
}

impl Session {
    /// # Errors
    /// [`Failure::Usage`]: the URL or the key cannot be one.
    fn open(&self) -> Result<(Client, Screen), Failure> {
        let key = self.key.as_deref().filter(|key| !key.is_empty());
        Ok((Client::new(&self.url, key)?, Screen::new(self.json)))
    }
}

/// Runs a command; `whole` is the command line that completions are for.
pub(crate) fn run(command: Command, whole: clap::Command) -> ExitCode {
    let ran = match command {
        Command::Sign(arguments) => sign::run(&arguments),
        Command::Completions(arguments) => completions::run(&arguments, whole),
        asking => tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(Failure::Local)
            .and_then(|runtime| runtime.block_on(ask(asking))),
    };
    match ran {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if let Some(line) = failure.line() {
                Screen::tell(&format!("hooklog: {line}"));
            }
            failure.exit_code()
        }
    }
}

async fn ask(command: Command) -> Result<(), Failure> {
    match command {
        Command::Subscriptions(arguments) => subscriptions::run(arguments).await,
        Command::Send(arguments) => send::run(arguments).await,
        Command::Deliveries(arguments) => deliveries::run(arguments).await,
        Command::Tail(arguments) => tail::run(arguments).await,
        Command::Replay(arguments) => replay::run(arguments).await,
        Command::DeadLetters(arguments) => dead_letters::run(arguments).await,
        Command::Stats(arguments) => stats::run(arguments).await,
        Command::Sign(_) | Command::Completions(_) => Ok(()),
    }
}
