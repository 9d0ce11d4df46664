//! The contrast of the palette, computed as WCAG 2.2 defines it (success criteria 1.4.3, 1.4.11).

use std::collections::BTreeMap;

/// Of text on its ground.
const TEXT: f64 = 4.5;
/// Of what tells a control, a mark or a line of a chart from its ground.
const MARK: f64 = 3.0;

type Palette = BTreeMap<String, [f64; 2]>;

/// Each colour's relative luminance, in light and in dark.
fn palette() -> Palette {
    let lines = include_str!("styles/palette.css").lines();
    lines.filter_map(colour).collect()
}

/// Reads `--name: light-dark(#rrggbb, #rrggbb);`.
fn colour(line: &str) -> Option<(String, [f64; 2])> {
    let (name, value) = line.trim().strip_prefix("--")?.split_once(": light-dark(#")?;
    let (light, dark) = value.strip_suffix(");")?.split_once(", #")?;
    Some((name.to_owned(), [luminance(light), luminance(dark)]))
}

fn luminance(hex: &str) -> f64 {
    assert_eq!(hex.len(), 6, "#{hex}");
    let channel = |at: usize| {
        let value = f64::from(u8::from_str_radix(&hex[at..at + 2], 16).unwrap()) / 255.0;
        if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
    };
    0.2126 * channel(0) + 0.7152 * channel(2) + 0.0722 * channel(4)
}

fn contrast(one: f64, other: f64) -> f64 {
    (one.max(other) + 0.05) / (one.min(other) + 0.05)
}

fn holds(palette: &Palette, front: &str, grounds: &[&str], least: f64) {
    for ground in grounds {
        for (theme, at) in [("light", 0), ("dark", 1)] {
            let found = contrast(palette[front][at], palette[*ground][at]);
            assert!(found >= least, "{front} on {ground} in {theme}: {found:.2} of {least}");
        }
    }
}

#[test]
fn contrast_is_that_of_wcag() {
    assert!((contrast(luminance("000000"), luminance("ffffff")) - 21.0).abs() < 1e-9);
    assert!((contrast(luminance("777777"), luminance("ffffff")) - 4.478).abs() < 1e-3);
}

#[test]
fn every_text_can_be_read_in_both_themes() {
    let palette = palette();
    assert!(palette.len() > 30);
    let grounds = ["canvas", "surface", "sunken", "raised"];
    for text in ["ink", "ink-soft", "accent", "bad"] {
        holds(&palette, text, &grounds, TEXT);
    }
    for tone in ["ok", "warn", "bad", "info", "mute"] {
        holds(&palette, tone, &[&format!("{tone}-soft"), "surface"], TEXT);
    }
    for text in ["ink", "ink-soft"] {
        holds(&palette, text, &["mute-soft"], TEXT);
    }
    holds(&palette, "accent", &["accent-soft"], TEXT);
    holds(&palette, "on-accent", &["accent-solid", "accent-strong"], TEXT);
    holds(&palette, "on-bad", &["bad-solid", "bad"], TEXT);
}

#[test]
fn every_mark_and_every_edge_of_a_control_can_be_seen_in_both_themes() {
    let palette = palette();
    for mark in
        ["ok-mark", "warn-mark", "bad-mark", "info-mark", "mute-mark", "edge", "accent-solid"]
    {
        holds(&palette, mark, &["surface", "canvas"], MARK);
    }
    for tone in ["ok", "warn", "bad", "info", "mute"] {
        holds(&palette, &format!("{tone}-mark"), &[&format!("{tone}-soft")], MARK);
    }
    holds(&palette, "accent", &["canvas", "surface", "sunken", "raised"], MARK);
}
