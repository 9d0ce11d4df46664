//! `hooklog dead-letters`: deliveries that were given up, as the projection has them. What could
//! not be read at all is in the topic `dead-letters` alone.

use crate::cli::Session;
use crate::cli::deliveries::Filter;
use crate::cli::delivery_view as view;
use crate::cli::failure::Failure;
use crate::cli::page::{Page, PageArguments};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    session: Session,
    #[command(flatten)]
    filter: Filter,
    #[command(flatten)]
    page: PageArguments,
}

pub(crate) async fn run(arguments: Arguments) -> Result<(), Failure> {
    let (client, screen) = arguments.session.open()?;
    let call = || arguments.filter.call(Some("dead_lettered"));
    let page = Page::read(&client, &arguments.page, call).await?;
    page.show(screen, "no dead letters like that", view::dead_letters)
}
