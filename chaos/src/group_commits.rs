//! Kafka's own topic of commits, `__consumer_offsets`: every commit that a group ever made, with
//! the broker's time. Pure.
//!
//! The forms are `OffsetCommitKey` and `OffsetCommitValue` of Apache Kafka's group coordinator;
//! what follows the offset in a value is not needed.

use crate::evidence::Commit;

/// The name of the topic.
pub const TOPIC: &str = "__consumer_offsets";

/// Reads one record; `None` if it is no commit or forgets one.
pub fn read(key: &[u8], value: &[u8], committed_at_millis: i64) -> Option<Commit> {
    let mut key = Reader(key);
    // 2 and beyond are a group's members.
    if key.i16()? > 1 {
        return None;
    }
    let group = key.text()?;
    let topic = key.text()?;
    let partition = i32::from_be_bytes(key.take()?);
    let mut value = Reader(value);
    value.i16()?;
    let offset = i64::from_be_bytes(value.take()?);
    Some(Commit { group, topic, partition, offset, committed_at_millis })
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*taken)
    }

    fn i16(&mut self) -> Option<i16> {
        self.take().map(i16::from_be_bytes)
    }

    fn text(&mut self) -> Option<String> {
        let length = usize::try_from(self.i16()?).ok()?;
        let (text, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        String::from_utf8(text.to_vec()).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(version: i16) -> Vec<u8> {
        let mut key = version.to_be_bytes().to_vec();
        for text in ["g", "topic"] {
            key.extend((text.len() as i16).to_be_bytes());
            key.extend(text.bytes());
        }
        key.extend(3_i32.to_be_bytes());
        key
    }

    #[test]
    fn a_commit_is_read_and_everything_else_passed_over() {
        let mut value = 3_i16.to_be_bytes().to_vec();
        value.extend(42_i64.to_be_bytes());
        value.extend([0; 20]);
        let commit = read(&key(1), &value, 7).unwrap();
        assert_eq!((commit.group.as_str(), commit.topic.as_str()), ("g", "topic"));
        assert_eq!((commit.partition, commit.offset, commit.committed_at_millis), (3, 42, 7));
        assert_eq!(read(&key(2), &value, 7), None);
        assert_eq!(read(&key(1), b"", 7), None);
        assert_eq!(read(b"", &value, 7), None);
    }
}
