//! The characters of a JSON text: whitespace, digits, and what the inside of a string means.

use super::CanonicalError;

/// The body from `at` on, which always stands between two characters.
pub(super) struct Reader<'a> {
    pub(super) text: &'a str,
    pub(super) at: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// Takes one byte. Callers know it to be ASCII.
    pub(super) fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    pub(super) fn eat(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == Some(byte);
        self.at += usize::from(is_next);
        is_next
    }

    pub(super) fn skip_while(&mut self, is_skipped: impl Fn(u8) -> bool) -> &'a str {
        let begins = self.at;
        while self.peek().is_some_and(&is_skipped) {
            self.at += 1;
        }
        &self.text[begins..self.at]
    }

    pub(super) fn skip_whitespace(&mut self) {
        self.skip_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r'));
    }

    pub(super) fn digits(&mut self) -> usize {
        self.skip_while(|byte| byte.is_ascii_digit()).len()
    }

    pub(super) fn not_json(&self) -> CanonicalError {
        CanonicalError::NotJson { at: self.at }
    }

    /// The next code point of a string, or none after its closing quote. An escaped
    /// surrogate that has no partner is a code point of its own.
    pub(super) fn code_point(&mut self) -> Result<Option<u32>, CanonicalError> {
        match self.rest().chars().next() {
            None | Some('\0'..='\x1f') => return Err(self.not_json()),
            Some('"') => {
                self.at += 1;
                return Ok(None);
            }
            Some('\\') => self.at += 1,
            Some(character) => {
                self.at += character.len_utf8();
                return Ok(Some(u32::from(character)));
            }
        }
        let escaped = match self.peek() {
            Some(byte @ (b'"' | b'\\' | b'/')) => byte,
            Some(b'b') => 0x08,
            Some(b'f') => 0x0c,
            Some(b'n') => b'\n',
            Some(b'r') => b'\r',
            Some(b't') => b'\t',
            Some(b'u') => {
                self.at += 1;
                return self.unicode_escape().map(Some);
            }
            _ => return Err(self.not_json()),
        };
        self.at += 1;
        Ok(Some(u32::from(escaped)))
    }

    fn unicode_escape(&mut self) -> Result<u32, CanonicalError> {
        let first = self.four_hex_digits()?;
        if !(0xd800..0xdc00).contains(&first) || !self.rest().starts_with("\\u") {
            return Ok(first);
        }
        let after_first = self.at;
        self.at += 2;
        let second = self.four_hex_digits()?;
        if !(0xdc00..0xe000).contains(&second) {
            self.at = after_first;
            return Ok(first);
        }
        Ok(0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00))
    }

    fn four_hex_digits(&mut self) -> Result<u32, CanonicalError> {
        let mut value = 0;
        for _ in 0..4 {
            let digit = self.peek().and_then(|byte| char::from(byte).to_digit(16));
            value = value * 16 + digit.ok_or(self.not_json())?;
            self.at += 1;
        }
        Ok(value)
    }
}
