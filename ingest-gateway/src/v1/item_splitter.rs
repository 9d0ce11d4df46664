//! Cuts a batch into its items while it arrives: the lines of NDJSON, or the elements of a JSON
//! array.
//!
//! Pure, and bounded: no more than one item is kept, and of an item that is too large nothing.
//! It finds where items end and no more; whether an item is JSON is for its reader to say.

use bytes::{Bytes, BytesMut};

/// How a batch is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BatchForm {
    /// One item a line; blank lines do not count.
    Lines,
    /// One JSON array.
    Array,
}

/// One item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Piece {
    Item(Bytes),
    /// It has more bytes than an item may have.
    TooLarge,
}

/// The array is not one, from some place on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the batch is not a JSON array: {expected} is missing at byte {at}")]
pub(crate) struct NotAnArray {
    pub at: u64,
    pub expected: &'static str,
}

/// The state between two chunks.
#[derive(Debug)]
pub(crate) struct ItemSplitter {
    place: Place,
    max_item: usize,
    item: BytesMut,
    too_large: bool,
    /// Bytes seen so far.
    seen: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Line,
    /// Before the array.
    Before,
    /// After `[` (`first`) or a comma.
    Between {
        first: bool,
    },
    Inside {
        depth: u32,
        text: Text,
    },
    /// After the array.
    End,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Text {
    None,
    Open,
    Escaped,
}

impl ItemSplitter {
    pub(crate) fn new(form: BatchForm, max_item: usize) -> Self {
        let place = match form {
            BatchForm::Lines => Place::Line,
            BatchForm::Array => Place::Before,
        };
        Self { place, max_item, item: BytesMut::new(), too_large: false, seen: 0 }
    }

    /// Takes the next bytes in; `each` gets every item that ends in them.
    ///
    /// # Errors
    /// The array is not one; the items before that place have been handed over.
    pub(crate) fn push(
        &mut self,
        chunk: &[u8],
        mut each: impl FnMut(Piece),
    ) -> Result<(), NotAnArray> {
        if self.place == Place::Line {
            for part in chunk.split_inclusive(|byte| *byte == b'\n') {
                match part.strip_suffix(b"\n") {
                    Some(rest) => {
                        self.keep(rest);
                        self.end_line(&mut each);
                    }
                    None => self.keep(part),
                }
            }
            return Ok(());
        }
        for byte in chunk {
            self.step(*byte, &mut each)?;
            self.seen += 1;
        }
        Ok(())
    }

    /// The batch has ended; a last line needs no line end.
    ///
    /// # Errors
    /// The array has not been closed.
    pub(crate) fn finish(mut self, mut each: impl FnMut(Piece)) -> Result<(), NotAnArray> {
        match self.place {
            Place::Line => {
                self.end_line(&mut each);
                Ok(())
            }
            Place::End => Ok(()),
            Place::Before => Err(self.missing("[")),
            Place::Between { .. } | Place::Inside { .. } => Err(self.missing("]")),
        }
    }

    fn step(&mut self, byte: u8, each: &mut impl FnMut(Piece)) -> Result<(), NotAnArray> {
        let is_space = matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
        match (self.place, byte) {
            (Place::Inside { depth, text }, _) => self.inside(byte, depth, text, each),
            _ if is_space => {}
            (Place::Before, b'[') => self.place = Place::Between { first: true },
            (Place::Before, _) => return Err(self.missing("[")),
            (Place::Between { first: true }, b']') => self.place = Place::End,
            (Place::Between { .. }, b',' | b']' | b'}') => return Err(self.missing("an element")),
            (Place::Between { .. }, _) => self.inside(byte, 0, Text::None, each),
            (Place::End, _) => return Err(self.missing("the end of the body")),
            (Place::Line, _) => {}
        }
        Ok(())
    }

    /// One byte of an element, or the one after it.
    fn inside(&mut self, byte: u8, depth: u32, text: Text, each: &mut impl FnMut(Piece)) {
        let (depth, text) = match (text, byte) {
            (Text::Escaped, _) => (depth, Text::Open),
            (Text::Open, b'\\') => (depth, Text::Escaped),
            (Text::Open, b'"') => (depth, Text::None),
            (Text::Open, _) => (depth, Text::Open),
            (Text::None, b'"') => (depth, Text::Open),
            (Text::None, b'{' | b'[') => (depth.saturating_add(1), Text::None),
            (Text::None, b',') if depth == 0 => {
                self.end_item(each);
                self.place = Place::Between { first: false };
                return;
            }
            (Text::None, b']') if depth == 0 => {
                self.end_item(each);
                self.place = Place::End;
                return;
            }
            (Text::None, b'}' | b']') => (depth.saturating_sub(1), Text::None),
            (Text::None, _) => (depth, Text::None),
        };
        self.keep(&[byte]);
        self.place = Place::Inside { depth, text };
    }

    fn keep(&mut self, part: &[u8]) {
        // What is too large is dropped at once; its end is still looked for. A carriage return
        // before the line end does not count.
        let slack = usize::from(self.place == Place::Line);
        if self.too_large || self.item.len() + part.len() > self.max_item + slack {
            self.too_large = true;
            self.item.clear();
        } else {
            self.item.extend_from_slice(part);
        }
    }

    fn end_line(&mut self, each: &mut impl FnMut(Piece)) {
        if self.item.last() == Some(&b'\r') {
            self.item.truncate(self.item.len() - 1);
        }
        self.too_large |= self.item.len() > self.max_item;
        if self.too_large || !self.item.iter().all(u8::is_ascii_whitespace) {
            self.end_item(each);
        }
        self.item.clear();
    }

    fn end_item(&mut self, each: &mut impl FnMut(Piece)) {
        let item = self.item.split().freeze();
        if std::mem::take(&mut self.too_large) {
            each(Piece::TooLarge);
        } else {
            let end =
                item.len() - item.iter().rev().take_while(|b| b.is_ascii_whitespace()).count();
            each(Piece::Item(item.slice(..end)));
        }
    }

    fn missing(&self, expected: &'static str) -> NotAnArray {
        NotAnArray { at: self.seen, expected }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Cuts `body`, given in chunks of `size`.
    fn cut(form: BatchForm, body: &[u8], size: usize) -> (Vec<Piece>, Result<(), NotAnArray>) {
        let mut pieces = Vec::new();
        let mut splitter = ItemSplitter::new(form, 12);
        for chunk in body.chunks(size) {
            if let Err(error) = splitter.push(chunk, |piece| pieces.push(piece)) {
                return (pieces, Err(error));
            }
        }
        let ended = splitter.finish(|piece| pieces.push(piece));
        (pieces, ended)
    }

    fn items(texts: &[&'static str]) -> Vec<Piece> {
        let piece = |text: &&'static str| match *text {
            "too large" => Piece::TooLarge,
            text => Piece::Item(Bytes::from_static(text.as_bytes())),
        };
        texts.iter().map(piece).collect()
    }

    #[test]
    fn lines_are_items_however_the_chunks_fall() {
        let body = b"{\"a\":1}\r\n\n  \n2\n\"123456789012\"\n\"1234567890\"\r\nlast";
        for size in 1..body.len() {
            let (pieces, ended) = cut(BatchForm::Lines, body, size);
            assert_eq!(ended, Ok(()));
            assert_eq!(
                pieces,
                items(&["{\"a\":1}", "2", "too large", "\"1234567890\"", "last"]),
                "{size}"
            );
        }
    }

    #[test]
    fn elements_are_items_however_the_chunks_fall() {
        let body = br#" [ {"a":[1,2]} , "],\"[" ,3, [4 ] , {"b":"too large"}, {}] "#;
        for size in 1..body.len() {
            let (pieces, ended) = cut(BatchForm::Array, body, size);
            assert_eq!(ended, Ok(()));
            let expected = [r#"{"a":[1,2]}"#, r#""],\"[""#, "3", "[4 ]", "too large", "{}"];
            assert_eq!(pieces, items(&expected), "{size}");
        }
        assert_eq!(cut(BatchForm::Array, b"[ ]", 1), (Vec::new(), Ok(())));
    }

    #[test]
    fn what_is_no_array_is_refused_at_its_place_and_the_items_before_it_stand() {
        for (body, at, expected, before) in [
            (&b"{}"[..], 0, "[", vec![]),
            (b"", 0, "[", vec![]),
            (b"[1,2", 4, "]", vec!["1"]),
            (b"[1,,2]", 3, "an element", vec!["1"]),
            (b"[1,]", 3, "an element", vec!["1"]),
            (b"[1] 2", 4, "the end of the body", vec!["1"]),
            (b"[\"a", 3, "]", vec![]),
        ] {
            let (pieces, ended) = cut(BatchForm::Array, body, 2);
            assert_eq!(ended, Err(NotAnArray { at, expected }), "{body:?}");
            assert_eq!(pieces, items(&before), "{body:?}");
        }
    }
}
