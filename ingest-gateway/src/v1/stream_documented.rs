//! What the API document says of a stream's parameters.

use utoipa::IntoParams;
use uuid::Uuid;

/// Which outcomes are wanted; each one that is given has to be so.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "the document is made of it, and no answer is")]
pub(crate) struct StreamParameters {
    #[param(required = false)]
    subscription_id: Uuid,
    /// This very type.
    #[param(required = false, min_length = 1, max_length = 1024)]
    event_type: String,
    /// The delivery's after the outcome: one or more of `pending`, `retrying`, `delivered`,
    /// `dead_lettered`, `cancelled`, with commas between.
    #[param(required = false, example = "dead_lettered,cancelled")]
    status: String,
}
