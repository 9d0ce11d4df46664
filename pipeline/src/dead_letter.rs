//! The record headers of `dead-letters`.
//!
//! A dead letter's value is the given-up record's own bytes, untouched, so that even what
//! nobody could read is there to be looked at; why it is there stands in the headers.

use crate::outcome::Reason;

/// Why: one of [`Reason`]'s words.
pub const REASON_HEADER: &str = "hooklog-reason";
/// What was seen last, for a person.
pub const DETAIL_HEADER: &str = "hooklog-detail";
/// Where the record was read: `topic/partition/offset`.
pub const SOURCE_HEADER: &str = "hooklog-source";

/// Why a record was given up, and where it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    pub reason: Reason,
    pub detail: String,
    pub topic: String,
    pub partition: i32,
    pub offset: i64,
}

impl DeadLetter {
    /// The record's headers, in a fixed order.
    pub fn headers(&self) -> [(&'static str, String); 3] {
        [
            (REASON_HEADER, self.reason.as_str().to_owned()),
            (DETAIL_HEADER, self.detail.clone()),
            (SOURCE_HEADER, format!("{}/{}/{}", self.topic, self.partition, self.offset)),
        ]
    }
}
