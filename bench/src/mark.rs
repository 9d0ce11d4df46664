//! What a load puts into each body so that its receiver knows which event it is. Pure.

use bytes::Bytes;

/// Events that are measured together: one phase's traffic to one kind of receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Cohort(pub u32);

/// The name of one event: its cohort, and its number in it from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    pub cohort: Cohort,
    pub number: u32,
}

const PREFIX: &str = r#"{"mark":""#;
const DIGITS: usize = 16;
const MIDDLE: &str = r#"","pad":""#;
const SUFFIX: &str = r#""}"#;

impl Mark {
    /// A JSON body of `bytes` bytes, or a few dozen if that is too few for the mark.
    pub fn body(self, bytes: usize) -> Bytes {
        let pad = bytes.saturating_sub(PREFIX.len() + DIGITS + MIDDLE.len() + SUFFIX.len());
        let Self { cohort: Cohort(cohort), number } = self;
        Bytes::from(format!("{PREFIX}{cohort:08x}{number:08x}{MIDDLE}{:x<pad$}{SUFFIX}", ""))
    }

    /// The mark in a body; `None` if it is not one of ours.
    pub fn read(body: &[u8]) -> Option<Self> {
        let digits = body.strip_prefix(PREFIX.as_bytes())?.get(..DIGITS)?;
        let digits = u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
        Some(Self { cohort: Cohort((digits >> 32) as u32), number: digits as u32 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_json_of_the_wanted_size_and_tells_its_mark() {
        let mark = Mark { cohort: Cohort(7), number: 4_000_000_000 };
        let body = mark.body(256);
        assert_eq!(body.len(), 256);
        assert!(serde_json::from_slice::<serde_json::Value>(&body).is_ok());
        assert_eq!(Mark::read(&body), Some(mark));
        assert_eq!(Mark::read(&mark.body(0)), Some(mark));
        assert_eq!(Mark::read(b"{}"), None);
    }
}
