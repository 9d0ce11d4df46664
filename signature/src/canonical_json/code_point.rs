//! One code point of a string: how the canonical form writes it, and how keys compare by it.

/// Whether it is written as it is; CPython's `ESCAPE_ASCII` is `([\\"]|[^\ -~])`.
pub(super) fn is_plain(code_point: u32) -> bool {
    (0x20..0x7f).contains(&code_point)
        && code_point != u32::from(b'"')
        && code_point != u32::from(b'\\')
}

/// Writes one code point of a string, escaped unless it is plain.
pub(super) fn push(code_point: u32, out: &mut Vec<u8>) {
    let letter = match code_point {
        0x08 => b'b',
        0x0c => b'f',
        0x0a => b'n',
        0x0d => b'r',
        0x09 => b't',
        0x22 => b'"',
        0x5c => b'\\',
        plain if is_plain(plain) => return out.extend(plain.to_be_bytes().last()),
        0x10000.. => {
            let above = code_point - 0x10000;
            push_unicode_escape(out, 0xd800 + (above >> 10));
            return push_unicode_escape(out, 0xdc00 + (above & 0x3ff));
        }
        _ => return push_unicode_escape(out, code_point),
    };
    out.extend([b'\\', letter]);
}

fn push_unicode_escape(out: &mut Vec<u8>, unit: u32) {
    let [.., high, low] = unit.to_be_bytes();
    let mut digits = *b"\\u0000";
    for (place, byte) in [high >> 4, high & 0xf, low >> 4, low & 0xf].into_iter().enumerate() {
        digits[2 + place] = b"0123456789abcdef"[usize::from(byte)];
    }
    out.extend(digits);
}

/// UTF-8, with a lone surrogate in the three bytes that its number would take: bytewise order
/// is then the order of code points.
pub(super) fn push_to_key(code_point: u32, key: &mut Vec<u8>) {
    match char::from_u32(code_point) {
        Some(character) => key.extend(character.encode_utf8(&mut [0; 4]).bytes()),
        None => {
            let [.., high, low] = code_point.to_be_bytes();
            let middle = 0x80 | ((high & 0x0f) << 2) | (low >> 6);
            key.extend([0xe0 | (high >> 4), middle, 0x80 | (low & 0x3f)]);
        }
    }
}
