//! Makes a pause of what a consumer has found out: that a receiver is gone (410).
//!
//! A consumer has no database. It pauses the subscription's version in its own table and leaves
//! a mark beside the subscriptions, where every process reads it. Whichever gateway comes first
//! writes it to Postgres, if the version is still that one; the next version answers the mark.
//! While Postgres is away the mark waits, and the subscription is paused all the same.

use std::time::Duration;

use kafka_loop::subscription_table::SubscriptionTable;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::subscription_changes::SubscriptionChanges;

/// Between two looks at the marks.
const LOOK: Duration = Duration::from_secs(1);

/// Pauses until `stop` is cancelled, however often Postgres goes away.
pub(crate) async fn pause(
    table: SubscriptionTable,
    changes: SubscriptionChanges,
    stop: CancellationToken,
) {
    while stop.run_until_cancelled(sleep(LOOK)).await.is_some() {
        for mark in table.gone() {
            match changes.pause_gone(mark).await {
                Ok(true) => {
                    tracing::info!(
                        subscription = %mark.subscription_id, version = mark.version,
                        "paused: its receiver is gone"
                    );
                }
                Ok(false) => {}
                Err(error) => {
                    tracing::debug!(%error, "a receiver that is gone is not entered yet");
                    break;
                }
            }
        }
    }
}
