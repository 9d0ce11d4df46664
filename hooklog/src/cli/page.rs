//! Lists that the server gives by the page.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::cli::call::Call;
use crate::cli::client::Client;
use crate::cli::failure::Failure;
use crate::cli::screen::Screen;
use crate::cli::table::Table;

/// What one page of the server holds at most.
const PAGE: u32 = 100;

#[derive(Debug, clap::Args)]
pub(crate) struct PageArguments {
    /// How many to list at most.
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    limit: u32,
    /// Go on where an earlier list has ended.
    #[arg(long)]
    cursor: Option<String>,
}

/// Pages as one.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Page {
    data: Vec<Box<RawValue>>,
    next_cursor: Option<String>,
}

impl Page {
    /// Asks for as many pages as the limit takes; `call` makes the request without its page.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub(crate) async fn read(
        client: &Client,
        arguments: &PageArguments,
        call: impl Fn() -> Call,
    ) -> Result<Self, Failure> {
        let mut whole = Self { data: Vec::new(), next_cursor: arguments.cursor.clone() };
        loop {
            let left = arguments.limit.saturating_sub(whole.data.len() as u32);
            let next = call()
                .query("limit", Some(left.min(PAGE)))
                .query("cursor", whole.next_cursor.as_deref());
            let answer = client.call(next).await?;
            let page: Self = serde_json::from_str(answer.text.get()).map_err(|_| {
                Failure::refused("the answer is no list; is --url (HOOKLOG_URL) right?")
            })?;
            let is_empty = page.data.is_empty();
            whole.data.extend(page.data);
            whole.next_cursor = page.next_cursor;
            // An empty page that promises more would never end.
            if whole.next_cursor.is_none() || is_empty || whole.data.len() as u32 >= arguments.limit
            {
                return Ok(whole);
            }
        }
    }

    /// Prints it as a table; `nothing` is said if it is empty.
    ///
    /// # Errors
    /// As [`Screen::print`].
    pub(crate) fn show(
        &self,
        screen: Screen,
        nothing: &str,
        table: impl Fn(&[Value]) -> Table,
    ) -> Result<(), Failure> {
        if screen.json {
            return screen.print_json(&serde_json::to_string(self).unwrap_or_default());
        }
        if self.data.is_empty() {
            Screen::tell(nothing);
            return Ok(());
        }
        let rows = self.data.iter().map(|row| serde_json::from_str(row.get()).unwrap_or_default());
        screen.print(&table(&rows.collect::<Vec<Value>>()).render(screen.colour))?;
        if let Some(cursor) = &self.next_cursor {
            let cursor = crate::cli::harmless::line(cursor);
            Screen::tell(&format!("there are more: --cursor {cursor}, or a larger --limit"));
        }
        Ok(())
    }
}
