//! One change of a subscription that others may be changing too.
//!
//! What is wanted is decided from the row as it is read, and written only if the row still has
//! that version; otherwise it is read and decided again. So of two changes at once both are
//! made, one after the other, and each is judged by what the other has left.

use pipeline::ids::SubscriptionId;

use crate::gateway::Gateway;
use crate::own_subscription::OwnSubscription;
use crate::refusal::Refusal;
use crate::v1::etag::IfMatch;
use crate::v1::problem::Problem;

/// Each one that fails means that somebody else's change was made.
const MAX_TRIES: usize = 20;

/// The subscription as it was when the change was decided, and as it is now.
#[derive(Debug)]
pub(crate) struct Changed {
    pub before: OwnSubscription,
    pub after: OwnSubscription,
}

/// Makes the change that `decide` wants; if that is none, there is no new version.
///
/// # Errors
/// 404, 412 for another version than `if_match` names, whatever `decide` refuses, and 503 if
/// Postgres is away or others change the subscription all the time.
pub(crate) async fn change(
    gateway: &Gateway,
    id: SubscriptionId,
    if_match: &IfMatch,
    decide: impl Fn(&OwnSubscription) -> Result<OwnSubscription, Problem>,
) -> Result<Changed, Problem> {
    for _ in 0..MAX_TRIES {
        let before = read(gateway, id, if_match).await?;
        let wanted = decide(&before)?;
        if wanted == before {
            return Ok(Changed { before, after: wanted });
        }
        if let Some(after) = gateway.changes.update_own(&wanted).await? {
            return Ok(Changed { before, after });
        }
    }
    Err(Refusal::CHANGED_BY_OTHERS.into())
}

/// The subscription in a version that the client wants to change.
///
/// # Errors
/// 404, 412, and 503 if Postgres is away.
pub(crate) async fn read(
    gateway: &Gateway,
    id: SubscriptionId,
    if_match: &IfMatch,
) -> Result<OwnSubscription, Problem> {
    let found = gateway.own.read(id).await?.ok_or_else(Problem::subscription_not_found)?;
    if_match.check(found.record.version)?;
    Ok(found)
}
