//! What above a frontier is finished, as text that goes with the frontier's commit.
//!
//! A frontier stands still behind one slow record, while thousands behind it are finished. A
//! commit carries those too, so that whoever reads the partition next does not repeat them. The
//! text always fits: what does not is left out, lowest offsets first kept, and is then repeated.
//!
//! ```text
//! base64( 1, frontier: i64 BE, (unfinished: varint, finished: varint)* )    runs, upwards
//! base64( 2, frontier: i64 BE, bits* )                  lowest bit first, 1 is finished
//! ```
//!
//! Of the two forms the one that tells of more records is written. The frontier is in the text
//! because tools copy the metadata of a commit to another offset (MirrorMaker's checkpoints do).
//! Anything that does not read as written says nothing: it can only cause repeats, while a
//! wrong reading would skip records for ever.

use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;

/// The longest text, in bytes; Kafka's `offset.metadata.max.bytes` is 4,096 by default.
pub const MAX_TEXT: usize = 4_000;
/// How far above the frontier a text may speak of, in offsets.
pub const REACH: i64 = 1 << 24;

const RUNS: u8 = 1;
const BITS: u8 = 2;
const HEAD: usize = 1 + size_of::<i64>();
const MAX_BODY: usize = MAX_TEXT / 4 * 3 - HEAD;

/// The text for a commit of `frontier`; empty if nothing above it is finished. `finished` are
/// ranges of offsets, ascending and apart, none below the frontier.
pub fn encode(frontier: i64, finished: impl Iterator<Item = Range<i64>> + Clone) -> String {
    let (runs, in_runs) = runs(frontier, finished.clone());
    if in_runs == 0 {
        return String::new();
    }
    // Only runs that had to be cut can tell of less than bits do.
    let (bits, in_bits) = match runs.len() + LONGEST_PAIR > MAX_BODY {
        true => bits(frontier, finished),
        false => (Vec::new(), 0),
    };
    let (form, body) = if in_runs >= in_bits { (RUNS, runs) } else { (BITS, bits) };
    let mut bytes = Vec::with_capacity(HEAD + body.len());
    bytes.push(form);
    bytes.extend(frontier.to_be_bytes());
    bytes.extend(body);
    BASE64.encode(bytes)
}

/// The finished ranges that `text` tells of, ascending and apart, none below the frontier;
/// none if the text is not one that [`encode`] writes for this frontier.
pub fn decode(frontier: i64, text: &str) -> Vec<Range<i64>> {
    if text.len() > MAX_TEXT || frontier.checked_add(REACH).is_none() {
        return Vec::new();
    }
    let Ok(bytes) = BASE64.decode(text) else { return Vec::new() };
    let Some((head, body)) = bytes.split_first_chunk::<HEAD>() else { return Vec::new() };
    if head[1..] != frontier.to_be_bytes() {
        return Vec::new();
    }
    match head[0] {
        RUNS => read_runs(frontier, body).unwrap_or_default(),
        BITS => read_bits(frontier, body),
        _ => Vec::new(),
    }
}

/// Two varints, each below or at [`REACH`].
const LONGEST_PAIR: usize = 8;

/// The runs that fit, and how many offsets they tell of.
fn runs(frontier: i64, finished: impl Iterator<Item = Range<i64>>) -> (Vec<u8>, i64) {
    let mut body = Vec::new();
    let (mut at, mut told) = (frontier, 0);
    for range in within_reach(frontier, finished) {
        if body.len() + LONGEST_PAIR > MAX_BODY {
            break;
        }
        push_varint(&mut body, range.start - at);
        push_varint(&mut body, range.end - range.start);
        told += range.end - range.start;
        at = range.end;
    }
    (body, told)
}

/// The bits that fit, and how many offsets they tell of.
fn bits(frontier: i64, finished: impl Iterator<Item = Range<i64>>) -> (Vec<u8>, i64) {
    let mut body = Vec::new();
    let mut told = 0;
    let end = frontier.saturating_add(MAX_BODY as i64 * 8);
    for range in within_reach(frontier, finished).take_while(|range| range.start < end) {
        for offset in range.start..range.end.min(end) {
            let place = (offset - frontier) as usize;
            if body.len() <= place / 8 {
                body.resize(place / 8 + 1, 0_u8);
            }
            body[place / 8] |= 1 << (place % 8);
            told += 1;
        }
    }
    (body, told)
}

fn within_reach(
    frontier: i64,
    finished: impl Iterator<Item = Range<i64>>,
) -> impl Iterator<Item = Range<i64>> {
    let end = frontier.saturating_add(REACH);
    finished
        .take_while(move |range| range.start < end)
        .map(move |range| range.start..range.end.min(end))
}

fn read_runs(frontier: i64, mut body: &[u8]) -> Option<Vec<Range<i64>>> {
    let mut ranges: Vec<Range<i64>> = Vec::new();
    let mut at = frontier;
    while !body.is_empty() {
        let unfinished = take_varint(&mut body)?;
        let finished = take_varint(&mut body)?;
        if finished == 0 || (unfinished == 0 && !ranges.is_empty()) {
            return None;
        }
        let range = at + unfinished..at + unfinished + finished;
        if range.end > frontier + REACH {
            return None;
        }
        at = range.end;
        ranges.push(range);
    }
    Some(ranges)
}

fn read_bits(frontier: i64, body: &[u8]) -> Vec<Range<i64>> {
    let mut ranges: Vec<Range<i64>> = Vec::new();
    for (index, &byte) in body.iter().enumerate() {
        for bit in (0..8).filter(|bit| byte & (1 << bit) != 0) {
            let offset = frontier + (index * 8 + bit) as i64;
            match ranges.last_mut() {
                Some(last) if last.end == offset => last.end += 1,
                _ => ranges.push(offset..offset + 1),
            }
        }
    }
    ranges
}

/// LEB128; `number` is from 0 to [`REACH`].
fn push_varint(body: &mut Vec<u8>, mut number: i64) {
    while number >= 0x80 {
        body.push(number as u8 | 0x80);
        number >>= 7;
    }
    body.push(number as u8);
}

/// A number from 0 to below 2^28; `None` if it is longer, or cut off.
fn take_varint(body: &mut &[u8]) -> Option<i64> {
    let mut number = 0;
    for place in 0..4 {
        let (&byte, rest) = body.split_first()?;
        *body = rest;
        number |= i64::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
#[allow(clippy::single_range_in_vec_init, reason = "lists of one range are meant")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Ascending ranges that are apart, from gaps and lengths.
    fn ranges(frontier: i64, steps: &[(i64, i64)]) -> Vec<Range<i64>> {
        let mut at = frontier;
        let mut ranges = Vec::new();
        for &(gap, length) in steps {
            ranges.push(at + gap..at + gap + length);
            at += gap + length;
        }
        ranges
    }

    fn encoded(frontier: i64, ranges: &[Range<i64>]) -> String {
        encode(frontier, ranges.iter().cloned())
    }

    #[test]
    fn the_text_of_version_one_stays_as_it_is() {
        let text = encoded(1_000, &[1_001..6_001, 6_005..6_006]);
        assert_eq!(text, "AQAAAAAAAAPoAYgnBAE");
        assert_eq!(decode(1_000, &text), [1_001..6_001, 6_005..6_006]);
        assert_eq!(encoded(1_000, &[]), "");
    }

    #[test]
    fn what_is_not_ours_says_nothing() {
        let good = encoded(7, &[8..9]);
        let raw = BASE64.decode(&good).unwrap();
        let with = |change: &dyn Fn(&mut Vec<u8>)| {
            let mut bytes = raw.clone();
            change(&mut bytes);
            BASE64.encode(bytes)
        };
        assert_eq!(decode(7, &good), [8..9]);
        assert_eq!(decode(8, &good), [], "another offset");
        assert_eq!(decode(i64::MAX, &good), []);
        for (text, what) in [
            (String::new(), "empty"),
            ("some consumer's note".to_owned(), "not base64"),
            (format!("{good}é"), "not ASCII"),
            (with(&|b| b[0] = 3), "unknown version"),
            (with(&|b| b.truncate(HEAD - 1)), "cut in the head"),
            (with(&|b| b.truncate(HEAD + 1)), "cut in a pair"),
            (with(&|b| b.extend([1, 0])), "a run of nothing"),
            (with(&|b| b.extend([0, 1])), "runs that touch"),
            (with(&|b| b.extend([0xff, 0xff, 0xff, 0xff, 1, 1])), "a number too long"),
            (with(&|b| b.extend([0xff, 0xff, 0xff, 0x7f, 1])), "beyond the reach"),
            (BASE64.encode([1; MAX_TEXT]), "too long"),
        ] {
            assert_eq!(decode(7, &text), [], "{what}");
        }
    }

    #[test]
    fn five_thousand_finished_behind_one_take_two_dozen_bytes() {
        assert!(encoded(1 << 40, &[(1 << 40) + 1..(1 << 40) + 5_001]).len() < 24);
    }

    #[test]
    fn where_runs_are_short_bits_tell_of_more() {
        let every_second: Vec<_> = (0..50_000).map(|i| i * 2 + 1..i * 2 + 2).collect();
        let told = decode(0, &encoded(0, &every_second));
        assert_eq!(told.len(), MAX_BODY * 8 / 2);
        assert_eq!(told[..], every_second[..told.len()]);
    }

    proptest! {
        #[test]
        fn what_fits_is_read_as_it_was_written(
            frontier in 0..i64::MAX - 2 * REACH,
            first in 0_i64..3,
            steps in prop::collection::vec((1_i64..10_000, 1_i64..10_000), 0..600),
        ) {
            let mut steps = steps;
            if let Some(step) = steps.first_mut() { step.0 = first; }
            let ranges = ranges(frontier, &steps);
            let text = encoded(frontier, &ranges);
            prop_assert!(text.len() <= MAX_TEXT);
            prop_assert_eq!(decode(frontier, &text), ranges);
        }

        #[test]
        fn what_is_cut_is_forgotten_and_nothing_is_invented(
            frontier in 0_i64..1_000_000,
            longest in prop::sample::select(vec![2_i64, 5, 50, 1_000, 100_000]),
            seeds in prop::collection::vec((0_i64..i64::MAX, 0_i64..i64::MAX), 0..6_000),
        ) {
            let steps: Vec<_> =
                seeds.iter().map(|(a, b)| (1 + a % longest, 1 + b % longest)).collect();
            let ranges = ranges(frontier, &steps);
            let text = encoded(frontier, &ranges);
            prop_assert!(text.len() <= MAX_TEXT, "{} bytes", text.len());
            let told = decode(frontier, &text);
            prop_assert_eq!(told.is_empty(), ranges.is_empty());
            // Every told range lies within one that is finished.
            for range in &told {
                let home = ranges.partition_point(|known| known.end < range.end);
                prop_assert!(ranges[home].start <= range.start && range.end <= ranges[home].end);
            }
        }

        #[test]
        fn no_text_makes_it_panic_or_reach_too_far(
            frontier in any::<i64>(),
            form in 0_u8..4,
            body in prop::collection::vec(any::<u8>(), 0..3_200),
            text in ".{0,80}",
        ) {
            prop_assert_eq!(decode(frontier, &text), []);
            let mut bytes = vec![form];
            bytes.extend(frontier.to_be_bytes());
            bytes.extend(body);
            let told = decode(frontier, &BASE64.encode(bytes));
            let apart = told.windows(2).all(|pair| pair[0].end < pair[1].start);
            prop_assert!(apart && told.iter().all(|range| !range.is_empty()));
            prop_assert!(told.first().is_none_or(|range| range.start >= frontier));
            prop_assert!(told.last().is_none_or(|range| range.end <= frontier + REACH));
        }
    }
}
