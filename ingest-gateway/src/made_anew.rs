//! Deliveries that are made anew of ones that have ended: by hand, or by a replay.
//!
//! The new one has an id and an acceptance of its own and says whose repeat it is; its receiver
//! sees the same `webhook-id`, the same bytes and the same `ce-` headers.

use bytes::Bytes;
use jiff::Timestamp;
use pipeline::delivery::Delivery;
use pipeline::ids::{DeliveryId, MessageId, SubscriptionId};
use pipeline::outcome::State;
use pipeline::subscription::Subscription;
use serde_json::{Map, Value};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::storage::{Storage, StorageError};

/// The namespace of ids that derive from an original's (RFC 9562, section 5.5); drawn once.
const NAMESPACE: Uuid = Uuid::from_u128(0x3c1e_9b52_70d4_4b8f_a6f5_0d2c_94e1_7b3a);

/// What the projection knows of a delivery that may be made anew.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Original {
    pub id: DeliveryId,
    pub subscription_id: SubscriptionId,
    pub accepted_at: Timestamp,
    pub message_id: MessageId,
    pub event_type: Option<String>,
    /// A word of [`State`].
    pub state: String,
    /// Whether the delivery's own record is projected: an attempt may be before it.
    pub is_told: bool,
    /// `None` before that, and if payloads are not stored.
    pub content: Option<Content>,
}

/// What is delivered.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Content {
    pub content_type: String,
    pub attributes: Vec<(String, String)>,
    pub payload: Bytes,
}

/// The columns of [`Original::read`], of a table that is called `original`.
pub(crate) const COLUMNS: &str = "\
    original.id, original.subscription_id, original.accepted_at, original.message_id, \
    original.event_type, original.state, original.content_type, original.attributes, \
    original.payload";

/// An id that is submitted again after a day has another row; the latest counts.
const ONE: &str = "ORDER BY original.accepted_at DESC LIMIT 1";

/// Reads originals.
#[derive(Debug, Clone)]
pub(crate) struct OriginalStore {
    storage: Storage,
}

impl OriginalStore {
    pub(crate) fn new(storage: Storage) -> Self {
        Self { storage }
    }

    /// A delivery, if the projection has it already.
    ///
    /// # Errors
    /// Postgres is away.
    pub(crate) async fn read(&self, id: DeliveryId) -> Result<Option<Original>, StorageError> {
        let sql =
            format!("SELECT {COLUMNS} FROM deliveries AS original WHERE original.id = $1 {ONE}");
        let rows = self.storage.query(&sql, &[&id.uuid()]).await?;
        Ok(rows.first().map(Original::of).transpose()?)
    }
}

impl Original {
    /// Whether it has come to one of its ends.
    pub(crate) fn has_ended(&self) -> bool {
        let ends = [State::Delivered, State::DeadLettered, State::Cancelled];
        ends.iter().any(|end| end.as_str() == self.state)
    }

    /// # Errors
    /// A column that is missing or of another type.
    pub(crate) fn of(row: &Row) -> Result<Self, tokio_postgres::Error> {
        let content_type: Option<String> = row.try_get("content_type")?;
        let payload: Option<Vec<u8>> = row.try_get("payload")?;
        let attributes: Option<Value> = row.try_get("attributes")?;
        let is_told = content_type.is_some();
        let content = content_type.zip(payload).map(|(content_type, payload)| Content {
            content_type,
            attributes: attributes
                .as_ref()
                .and_then(Value::as_object)
                .map(texts)
                .unwrap_or_default(),
            payload: payload.into(),
        });
        Ok(Self {
            id: DeliveryId::from_uuid(row.try_get("id")?),
            subscription_id: SubscriptionId::from_uuid(row.try_get("subscription_id")?),
            accepted_at: row.try_get("accepted_at")?,
            message_id: MessageId::from_uuid(row.try_get("message_id")?),
            event_type: row.try_get("event_type")?,
            state: row.try_get("state")?,
            is_told,
            content,
        })
    }
}

fn texts(object: &Map<String, Value>) -> Vec<(String, String)> {
    let text = |(name, value): (&String, &Value)| Some((name.clone(), value.as_str()?.to_owned()));
    object.iter().filter_map(text).collect()
}

/// The id of what is made anew of `original` by one request: the same whenever that is worked off
/// again. `by` names the request among all of its kind.
pub(crate) fn derived_id(kind: &str, by: &[u8], original: DeliveryId) -> DeliveryId {
    let name = [kind.as_bytes(), b"/", original.uuid().as_bytes(), by].concat();
    DeliveryId::from_uuid(Uuid::new_v5(&NAMESPACE, &name))
}

/// The new delivery's record, on its first way to `to`.
pub(crate) fn anew(
    original: &Original,
    content: &Content,
    id: DeliveryId,
    to: &Subscription,
    now: Timestamp,
) -> Delivery {
    Delivery {
        id,
        subscription_id: to.id,
        subscription_version: to.version,
        message_id: original.message_id,
        event_type: original.event_type.clone(),
        content_type: content.content_type.clone(),
        accepted_at: now,
        attempt: 1,
        release: 0,
        wait: None,
        replay_of: Some(original.id),
        attributes: content.attributes.clone(),
        body: content.payload.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn original(state: &str) -> Original {
        Original {
            id: DeliveryId::from_uuid(Uuid::from_u128(1)),
            subscription_id: SubscriptionId::from_uuid(Uuid::from_u128(2)),
            accepted_at: Timestamp::UNIX_EPOCH,
            message_id: MessageId::from_uuid(Uuid::from_u128(3)),
            event_type: Some("a.b".to_owned()),
            state: state.to_owned(),
            is_told: true,
            content: None,
        }
    }

    #[test]
    fn what_is_made_anew_is_another_delivery_of_the_same_event() {
        let content = Content {
            content_type: "text/plain".to_owned(),
            attributes: vec![("id".to_owned(), "7".to_owned())],
            payload: Bytes::from_static(b"x"),
        };
        let to = SubscriptionId::from_uuid(Uuid::from_u128(4));
        let to = Subscription {
            version: 9,
            ..Subscription::new(to, "https://example.com/", Timestamp::UNIX_EPOCH)
        };
        let (original, now) = (original("dead_lettered"), Timestamp::from_second(7).unwrap());
        let id = derived_id("retry", b"k", original.id);
        let made = anew(&original, &content, id, &to, now);
        assert!(made.id.is_derived() && made.id != original.id);
        assert_eq!((made.replay_of, made.message_id), (Some(original.id), original.message_id));
        assert_eq!((made.subscription_id, made.subscription_version), (to.id, 9));
        assert_eq!((made.accepted_at, made.attempt, made.release), (now, 1, 0));
        assert_eq!((made.event_type, made.body), (original.event_type, content.payload));
        assert_eq!(
            (made.content_type, made.attributes),
            (content.content_type, content.attributes)
        );
    }

    #[test]
    fn an_id_derives_from_what_is_made_anew_and_from_whose_request_that_was() {
        let id = |kind, by: &[u8], original| {
            derived_id(kind, by, DeliveryId::from_uuid(Uuid::from_u128(original)))
        };
        assert_eq!(id("retry", b"k", 1), id("retry", b"k", 1));
        let ids = [
            id("retry", b"k", 1),
            id("retry", b"l", 1),
            id("retry", b"k", 2),
            id("replay", b"k", 1),
        ];
        let distinct: std::collections::HashSet<_> = ids.into_iter().collect();
        assert_eq!(distinct.len(), ids.len());
    }

    #[test]
    fn three_of_the_five_states_are_ends() {
        let ended = |state: State| original(state.as_str()).has_ended();
        assert!(ended(State::Delivered) && ended(State::DeadLettered) && ended(State::Cancelled));
        assert!(!ended(State::Pending) && !ended(State::Retrying));
    }
}
