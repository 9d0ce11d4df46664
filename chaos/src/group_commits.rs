//! Kafka's own topic of commits, `__consumer_offsets`: every commit that a group ever made, with
//! the broker's time. Pure.
//!
//! The forms are `OffsetCommitKey` and `OffsetCommitValue` of Apache Kafka's group coordinator;
//! what follows the metadata in a value is not needed.

use pipeline::commit_metadata;

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
    let version = value.i16()?;
    let offset = i64::from_be_bytes(value.take()?);
    let metadata = metadata(value, version).unwrap_or_default();
    let finished = commit_metadata::decode(offset, &metadata);
    Some(Commit { group, topic, partition, offset, finished, committed_at_millis })
}

/// From version 3 on it stands behind the leader's epoch, and from 4 on its length is one less
/// than a varint says (KIP-482).
fn metadata(mut value: Reader<'_>, version: i16) -> Option<String> {
    if version >= 3 {
        value.take::<4>()?;
    }
    if version < 4 {
        return value.text();
    }
    let length = value.varint()?.checked_sub(1)?;
    value.text_of(length)
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

    fn varint(&mut self) -> Option<usize> {
        let mut number = 0_usize;
        for shift in (0..28).step_by(7) {
            let [byte] = self.take()?;
            number |= usize::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    fn text(&mut self) -> Option<String> {
        let length = usize::try_from(self.i16()?).ok()?;
        self.text_of(length)
    }

    fn text_of(&mut self, length: usize) -> Option<String> {
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
        let text = commit_metadata::encode(42, [44..46, 50..51].into_iter());
        let length = text.len() as u8;
        let value_of = |version: i16, length: &[u8]| {
            let (version, offset) = (version.to_be_bytes(), 42_i64.to_be_bytes());
            [&version[..], &offset, &[0; 4], length, text.as_bytes(), &[0; 9]].concat()
        };
        assert!(length < 127);
        let value = value_of(3, &[0, length]);
        for value in [&value, &value_of(4, &[length + 1])] {
            assert_eq!(read(&key(1), value, 7).unwrap().finished, [44..46, 50..51]);
        }
        assert_eq!(read(&key(1), &value_of(9, &[0xff; 9]), 7).unwrap().finished, []);
        let commit = read(&key(1), &value, 7).unwrap();
        assert_eq!((commit.group.as_str(), commit.topic.as_str()), ("g", "topic"));
        assert_eq!((commit.partition, commit.offset, commit.committed_at_millis), (3, 42, 7));
        assert_eq!(read(&key(2), &value, 7), None);
        assert_eq!(read(&key(1), b"", 7), None);
        assert_eq!(read(b"", &value, 7), None);
    }
}
