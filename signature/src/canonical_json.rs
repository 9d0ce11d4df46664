//! The canonical form that the first seed's signing script signs: a JSON body read and
//! written again as CPython 3.11's `json.dumps(json.loads(text), separators=(',', ':'),
//! sort_keys=True)` does it (API.md, "A: root routes").
//!
//! Promises: one pass over the body and at most one copy of each byte after it, no recursion
//! deeper than [`MAX_DEPTH`], memory within a small multiple of the body, and no panic for
//! any bytes. `tests/canonical_json.rs` compares it with Python itself.
//!
//! Deliberately no tree and no `serde_json`, whose values keep neither numbers of any size,
//! nor lone surrogates, nor `NaN`. Values are written as they are read; an object whose
//! members stand in another order than their keys is noted, and put in order at the end.
//!
//! Stricter than Python in three points: nesting has a bound of ours (CPython gives up near
//! 1,000), the body is UTF-8 (`json.loads` of bytes guesses UTF-16 and UTF-32 too), and
//! without a byte order mark.

mod code_point;
mod python_float;
mod reader;

use std::borrow::Cow;
use std::ops::Range;

use reader::Reader;

/// How deep arrays and objects may be nested.
pub const MAX_DEPTH: usize = 128;

/// CPython refuses longer integers (`sys.int_info.default_max_str_digits`).
const MAX_INTEGER_DIGITS: usize = 4300;

/// Why a body has no canonical form. Never holds any of the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CanonicalError {
    /// The body is not UTF-8.
    #[error("the body is not UTF-8")]
    NotUtf8,
    /// The body is no JSON text as Python reads it.
    #[error("the body is not JSON at byte {at}")]
    NotJson {
        /// Where reading stopped, counted from 0.
        at: usize,
    },
    /// Arrays and objects are nested deeper than [`MAX_DEPTH`].
    #[error("the body is nested deeper than {MAX_DEPTH}")]
    TooDeep,
    /// An integer has more digits than Python converts.
    #[error("an integer in the body has more than {MAX_INTEGER_DIGITS} digits")]
    LongInteger,
}

/// Reads a JSON body and writes it in canonical form.
///
/// Keys are sorted by code point at every depth, of equal keys the last one wins, only
/// printable ASCII is written as it is, integers keep their digits, other numbers become
/// Python's shortest `repr`. As in Python, `NaN`, `Infinity`, `-Infinity` and escaped lone
/// surrogates are accepted and kept. The canonical form of a canonical form is itself.
///
/// # Errors
/// [`CanonicalError`], for the first thing in the body that is not right.
pub fn canonical(body: &[u8]) -> Result<Vec<u8>, CanonicalError> {
    let text = str::from_utf8(body).map_err(|_| CanonicalError::NotUtf8)?;
    let mut writer = Writer {
        reader: Reader { text, at: 0 },
        written: Vec::with_capacity(body.len()),
        unsorted: Vec::new(),
    };
    writer.reader.skip_whitespace();
    writer.value(0)?;
    writer.reader.skip_whitespace();
    if writer.reader.at < text.len() {
        return Err(writer.reader.not_json());
    }
    Ok(writer.in_order())
}

struct Writer<'a> {
    reader: Reader<'a>,
    /// Every value canonical, but with the members of objects in the body's order.
    written: Vec<u8>,
    unsorted: Vec<Unsorted>,
}

/// An object in `written` whose members must be put in order.
struct Unsorted {
    /// From the opening brace to the closing one, exclusive.
    span: Range<usize>,
    /// Those that stay, in their order, without the commas between them.
    members: Vec<Range<usize>>,
}

/// A member of the object that is being read.
struct Member<'a> {
    /// Compares bytewise as Python's strings do: by code point.
    key: Cow<'a, [u8]>,
    /// In `written`, from the key's quote to the value's end.
    span: Range<usize>,
}

impl<'a> Writer<'a> {
    fn value(&mut self, depth: usize) -> Result<(), CanonicalError> {
        match self.reader.peek() {
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth),
            Some(b'"') => self.string().map(|_| ()),
            Some(b'-' | b'0'..=b'9') if !self.reader.rest().starts_with("-I") => self.number(),
            _ => self.word(),
        }
    }

    fn object(&mut self, depth: usize) -> Result<(), CanonicalError> {
        let begins = self.written.len();
        self.open(depth)?;
        let mut members: Vec<Member<'a>> = Vec::new();
        if !self.reader.eat(b'}') {
            loop {
                let member_begins = self.written.len();
                let key = self.key()?;
                self.reader.skip_whitespace();
                self.expect(b':')?;
                self.reader.skip_whitespace();
                self.value(depth + 1)?;
                members.push(Member { key, span: member_begins..self.written.len() });
                if !self.another(b'}')? {
                    break;
                }
            }
        }
        if !members.is_sorted_by(|a, b| a.key < b.key) {
            let span = begins..self.written.len();
            self.unsorted.push(Unsorted { span, members: sorted(members) });
        }
        self.written.push(b'}');
        Ok(())
    }

    fn array(&mut self, depth: usize) -> Result<(), CanonicalError> {
        self.open(depth)?;
        if !self.reader.eat(b']') {
            loop {
                self.value(depth + 1)?;
                if !self.another(b']')? {
                    break;
                }
            }
        }
        self.written.push(b']');
        Ok(())
    }

    /// Takes an opening bracket and what stands before the first element or the end.
    fn open(&mut self, depth: usize) -> Result<(), CanonicalError> {
        if depth == MAX_DEPTH {
            return Err(CanonicalError::TooDeep);
        }
        self.written.extend(self.reader.next());
        self.reader.skip_whitespace();
        Ok(())
    }

    /// After an element: takes the comma and says yes, or the closing bracket and says no.
    fn another(&mut self, closing: u8) -> Result<bool, CanonicalError> {
        self.reader.skip_whitespace();
        if self.reader.eat(closing) {
            return Ok(false);
        }
        self.expect(b',')?;
        self.reader.skip_whitespace();
        Ok(true)
    }

    fn expect(&mut self, byte: u8) -> Result<(), CanonicalError> {
        if !self.reader.eat(byte) {
            return Err(self.reader.not_json());
        }
        self.written.push(byte);
        Ok(())
    }

    fn word(&mut self) -> Result<(), CanonicalError> {
        for word in ["null", "true", "false", "NaN", "Infinity", "-Infinity"] {
            if self.reader.rest().starts_with(word) {
                self.reader.at += word.len();
                self.written.extend(word.bytes());
                return Ok(());
            }
        }
        Err(self.reader.not_json())
    }

    fn key(&mut self) -> Result<Cow<'a, [u8]>, CanonicalError> {
        if self.reader.peek() != Some(b'"') {
            return Err(self.reader.not_json());
        }
        let inside = self.string()?;
        let raw = &self.reader.text[inside.clone()];
        if !raw.contains('\\') {
            return Ok(Cow::Borrowed(raw.as_bytes()));
        }
        let mut key = Vec::with_capacity(raw.len());
        let mut again = Reader { text: self.reader.text, at: inside.start };
        while let Some(next) = again.code_point()? {
            code_point::push_to_key(next, &mut key);
        }
        Ok(Cow::Owned(key))
    }

    /// Writes a string and returns where in the body its inside stands.
    fn string(&mut self) -> Result<Range<usize>, CanonicalError> {
        self.expect(b'"')?;
        let begins = self.reader.at;
        loop {
            let run = self.reader.skip_while(|byte| code_point::is_plain(u32::from(byte)));
            self.written.extend(run.bytes());
            let ends = self.reader.at;
            let Some(next) = self.reader.code_point()? else {
                self.written.push(b'"');
                return Ok(begins..ends);
            };
            code_point::push(next, &mut self.written);
        }
    }

    fn number(&mut self) -> Result<(), CanonicalError> {
        let begins = self.reader.at;
        self.reader.eat(b'-');
        if !self.reader.eat(b'0') && self.reader.digits() == 0 {
            return Err(self.reader.not_json());
        }
        let integer_ends = self.reader.at;
        if self.reader.eat(b'.') && self.reader.digits() == 0 {
            return Err(self.reader.not_json());
        }
        if self.reader.eat(b'e') || self.reader.eat(b'E') {
            let _sign = self.reader.eat(b'+') || self.reader.eat(b'-');
            if self.reader.digits() == 0 {
                return Err(self.reader.not_json());
            }
        }
        let number = &self.reader.text[begins..self.reader.at];
        if self.reader.at > integer_ends {
            let value = python_float::read(number);
            python_float::write(
                value.ok_or(CanonicalError::NotJson { at: begins })?,
                &mut self.written,
            );
        } else if number.trim_start_matches('-').len() > MAX_INTEGER_DIGITS {
            return Err(CanonicalError::LongInteger);
        } else {
            let number = if number == "-0" { "0" } else { number };
            self.written.extend(number.bytes());
        }
        Ok(())
    }

    fn in_order(mut self) -> Vec<u8> {
        if self.unsorted.is_empty() {
            return self.written;
        }
        // They were noted as they ended, the inner ones first.
        self.unsorted.sort_unstable_by_key(|object| object.span.start);
        let mut ordered = Vec::with_capacity(self.written.len());
        self.copy(0..self.written.len(), &mut ordered);
        ordered
    }

    fn copy(&self, span: Range<usize>, ordered: &mut Vec<u8>) {
        let mut at = span.start;
        loop {
            let next = self.unsorted.partition_point(|object| object.span.start < at);
            let Some(object) = self.unsorted.get(next).filter(|o| o.span.start < span.end) else {
                ordered.extend_from_slice(&self.written[at..span.end]);
                return;
            };
            ordered.extend_from_slice(&self.written[at..object.span.start]);
            for (index, member) in object.members.iter().enumerate() {
                ordered.push(if index == 0 { b'{' } else { b',' });
                self.copy(member.clone(), ordered);
            }
            at = object.span.end;
        }
    }
}

/// The members by key; of several with the same key the last one.
fn sorted(mut members: Vec<Member<'_>>) -> Vec<Range<usize>> {
    members.reverse();
    members.sort_by(|a, b| a.key.cmp(&b.key));
    members.dedup_by(|later, first| later.key == first.key);
    members.into_iter().map(|member| member.span).collect()
}
