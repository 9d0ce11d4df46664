//! The identities that travel with a record. Each is a UUID, and none is taken for another.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// Wraps a UUID that is known to be of this kind.
            pub const fn from_uuid(uuid: Uuid) -> Self {
                Self(uuid)
            }

            /// The UUID itself, for storage.
            pub const fn uuid(self) -> Uuid {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::parse_str(text).map(Self)
            }
        }
    };
}

uuid_id! {
    /// One subscription: a URL, a secret and a filter.
    SubscriptionId
}
uuid_id! {
    /// One delivery: an event on its way to one subscription. What the gateway answers as
    /// `webhook_id`, and what a status is asked by.
    DeliveryId
}
uuid_id! {
    /// What a receiver sees as `webhook-id`: equal on every attempt, and on a replay equal to
    /// the original's (Standard Webhooks, "webhook-id").
    MessageId
}

impl DeliveryId {
    /// Whether the id derives from what was submitted (a UUIDv5), so that it comes again when
    /// the same is submitted again. Every other id is drawn for one delivery and never again.
    pub fn is_derived(self) -> bool {
        self.0.get_version() == Some(uuid::Version::Sha1)
    }
}
