//! Text from elsewhere, so that it cannot speak to the terminal: no escape sequence starts, no
//! line is moved or turned around. Pure.

use std::borrow::Cow;
use std::fmt::Write as _;

/// As a part of one line: every control character is written out.
pub(crate) fn line(text: &str) -> Cow<'_, str> {
    written_out(text, speaks, |c, out| out.extend(c.escape_default()))
}

/// As lines of text: line breaks and tabs stay.
pub(crate) fn lines(text: &str) -> Cow<'_, str> {
    let speaks = |c| speaks(c) && c != '\n' && c != '\t';
    written_out(text, speaks, |c, out| out.extend(c.escape_default()))
}

/// A JSON text, on one line and of the same meaning: in valid JSON such characters stand within
/// strings alone, but for white space.
pub(crate) fn json(text: &str) -> Cow<'_, str> {
    written_out(text, speaks, |c, out| match c {
        '\n' | '\r' | '\t' => out.push(' '),
        _ => {
            for unit in c.encode_utf16(&mut [0; 2]) {
                _ = write!(out, "\\u{unit:04x}");
            }
        }
    })
}

/// Control characters of both ranges, and those that change the direction or break the line.
fn speaks(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{61c}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

fn written_out(
    text: &str,
    speaks: impl Fn(char) -> bool,
    write: impl Fn(char, &mut String),
) -> Cow<'_, str> {
    if !text.contains(&speaks) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if speaks(c) { write(c, &mut out) } else { out.push(c) }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_is_left_is_a_control_character() {
        for code in (0..0x300).chain(0x2000..0x2100).chain(0xe0000..0xe0100) {
            let Some(c) = char::from_u32(code) else { continue };
            let text = format!("a{c}b");
            assert!(!line(&text).contains(char::is_control), "{code:x}");
            let kept = |c: char| c.is_control() && c != '\n' && c != '\t';
            assert!(!lines(&text).contains(kept), "{code:x}");
            assert!(!json(&text).contains(char::is_control), "{code:x}");
        }
        assert_eq!(line("\u{1b}[2J\u{9b}31m\u{202e}"), r"\u{1b}[2J\u{9b}31m\u{202e}");
        assert_eq!(lines("a\r\n\tb"), "a\\r\n\tb");
        assert!(matches!(line("plain \u{e9} \u{1f600}"), Cow::Borrowed(_)));
    }

    #[test]
    fn a_json_text_means_the_same_afterwards() {
        let value = serde_json::json!({"a\u{7f}": ["\u{9b}[2J", "\u{e0041}\u{202e}", "\n\u{1b}"]});
        let text = serde_json::to_string_pretty(&value).unwrap();
        let harmless = json(&text);
        assert!(!harmless.contains(char::is_control) && !harmless.contains('\u{202e}'));
        assert_eq!(serde_json::from_str::<serde_json::Value>(&harmless).unwrap(), value);
    }
}
