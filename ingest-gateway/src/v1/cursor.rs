//! Where a page goes on, as an opaque text: base64url of the last one's time, in microseconds,
//! and its id.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use uuid::Uuid;

/// A place in a list: just behind what stands there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    /// By which the list is ordered first.
    pub at: Timestamp,
    pub id: Uuid,
}

/// Writes it.
pub(crate) fn write(place: Place) -> String {
    let mut bytes = [0; 24];
    bytes[..8].copy_from_slice(&place.at.as_microsecond().to_be_bytes());
    bytes[8..].copy_from_slice(place.id.as_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Reads it; `None` for what was never written.
pub(crate) fn read(text: &str) -> Option<Place> {
    let bytes: [u8; 24] = URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()?;
    let (micros, id) = bytes.split_first_chunk::<8>()?;
    let at = Timestamp::from_microsecond(i64::from_be_bytes(*micros)).ok()?;
    // Postgres takes fewer years than a timestamp here has.
    (at >= Timestamp::UNIX_EPOCH).then(|| Some(Place { at, id: Uuid::from_slice(id).ok()? }))?
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_cursor_reads_as_it_was_written(micros in 0_i64..1 << 56, id in any::<u128>()) {
            let at = Timestamp::from_microsecond(micros).unwrap();
            let place = Place { at, id: Uuid::from_u128(id) };
            prop_assert_eq!(read(&write(place)), Some(place));
        }

        #[test]
        fn no_text_makes_it_panic(text: String, bytes: [u8; 24]) {
            let _ = read(&text);
            let _ = read(&URL_SAFE_NO_PAD.encode(bytes));
        }
    }

    #[test]
    fn what_was_never_written_is_no_cursor() {
        for text in ["", "a", "AAAA", &"A".repeat(33), "!", &"_".repeat(32)] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
