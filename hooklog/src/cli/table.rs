//! Aligned text: tables, and lists of names with values. Pure; colour is an argument.

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use crate::cli::harmless;

/// Terminal columns of a cell; the last cell of a row may be as wide as two.
const MAX_CELL: usize = 60;
const GAP: &str = "  ";

/// What a cell says of the state of things.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    Plain,
    Good,
    Bad,
    Waiting,
}

impl Tone {
    /// Of a delivery's status, a replay's state, a subscription's.
    pub(crate) fn of(word: &str) -> Self {
        match word {
            "delivered" | "done" | "active" | "closed" => Self::Good,
            "dead_lettered" | "failed" | "failing" | "open" => Self::Bad,
            "pending" | "retrying" | "running" | "paused" => Self::Waiting,
            _ => Self::Plain,
        }
    }

    /// "Select graphic rendition" (ECMA-48), of the sixteen colours that every theme has.
    fn colour(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Good => Some("\u{1b}[32m"),
            Self::Bad => Some("\u{1b}[31m"),
            Self::Waiting => Some("\u{1b}[33m"),
        }
    }
}

/// A text in a colour, if there are colours.
pub(crate) fn painted(text: &str, tone: Tone, colour: bool) -> String {
    match tone.colour().filter(|_| colour) {
        Some(begin) => format!("{begin}{text}\u{1b}[0m"),
        None => text.to_owned(),
    }
}

/// One cell; made harmless when it is shown.
pub(crate) struct Cell {
    text: String,
    tone: Tone,
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self { text: text.into(), tone: Tone::Plain }
    }
}

impl Cell {
    /// A word with the tone that it has by itself.
    pub(crate) fn word(text: impl Into<String>) -> Self {
        let text = text.into();
        Self { tone: Tone::of(&text), text }
    }
}

/// Rows under headings; a heading that begins with `>` has its column to the right.
pub(crate) struct Table {
    headings: Vec<&'static str>,
    rows: Vec<Vec<Cell>>,
}

impl Table {
    pub(crate) fn new(headings: &[&'static str]) -> Self {
        Self { headings: headings.to_vec(), rows: Vec::new() }
    }

    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = Cell>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// As lines; no line ends in a space.
    pub(crate) fn render(&self, colour: bool) -> String {
        let last = self.headings.len().saturating_sub(1);
        let bound = |column: usize| if column == last { 2 * MAX_CELL } else { MAX_CELL };
        let headings: Vec<_> =
            self.headings.iter().map(|text| text.trim_start_matches('>')).collect();
        let rows: Vec<Vec<(String, Tone)>> = self
            .rows
            .iter()
            .map(|row| {
                let cells = row.iter().enumerate();
                cells.map(|(at, cell)| (fitted(&cell.text, bound(at)), cell.tone)).collect()
            })
            .collect();
        let widths: Vec<usize> = (0..headings.len())
            .map(|at| {
                let cells = rows.iter().filter_map(|row| row.get(at)).map(|(text, _)| text.width());
                cells.chain([headings[at].width()]).max().unwrap_or_default()
            })
            .collect();
        let heading = headings.iter().map(|text| ((*text).to_owned(), Tone::Plain)).collect();
        let mut out = String::new();
        for row in std::iter::once(&heading).chain(&rows) {
            let line = self.line(row, &widths, colour);
            out.push_str(line.trim_end());
            out.push('\n');
        }
        out
    }

    fn line(&self, row: &[(String, Tone)], widths: &[usize], colour: bool) -> String {
        let mut line = String::new();
        for (at, (text, tone)) in row.iter().enumerate() {
            let padding = " ".repeat(widths[at].saturating_sub(text.width()));
            let shown = painted(text, *tone, colour);
            if at > 0 {
                line.push_str(GAP);
            }
            if self.headings[at].starts_with('>') {
                line.push_str(&padding);
                line.push_str(&shown);
            } else {
                line.push_str(&shown);
                line.push_str(&padding);
            }
        }
        line
    }
}

/// Names with values below each other; a value is never cut.
pub(crate) fn sheet(fields: &[(&str, Cell)], colour: bool) -> String {
    let width = fields.iter().map(|(name, _)| name.width()).max().unwrap_or_default();
    let mut out = String::new();
    for (name, cell) in fields {
        let value = painted(&harmless::line(&cell.text), cell.tone, colour);
        out.push_str(format!("{name:<width$}{GAP}{value}").trim_end());
        out.push('\n');
    }
    out
}

/// Harmless, and cut to so many terminal columns.
fn fitted(text: &str, columns: usize) -> String {
    let text = harmless::line(text);
    if text.width() <= columns {
        return text.into_owned();
    }
    let mut width = 0;
    let fitting = text.chars().take_while(|c| {
        width += c.width().unwrap_or_default();
        width < columns
    });
    let mut cut: String = fitting.collect();
    cut.push('\u{2026}');
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new(&["STATUS", ">CALLS", "ERROR"]);
        table.row([Cell::word("delivered"), "1".into(), "".into()]);
        table.row([
            Cell::word("dead_lettered"),
            "12".into(),
            "\u{1b}[2J\r\n\u{4f60}\u{597d}".into(),
        ]);
        table.row([Cell::word("pending"), "0".into(), "x".repeat(200).into()]);
        table
    }

    #[test]
    fn columns_are_aligned_and_cut_and_no_escape_sequence_is_left() {
        insta::assert_snapshot!(table().render(false));
        assert!(!table().render(false).contains('\u{1b}'));
    }

    #[test]
    fn a_column_is_aligned_behind_wide_characters_and_combining_ones() {
        let mut table = Table::new(&["NAME", "ID"]);
        for name in ["\u{4f60}\u{597d}", "e\u{301}", "plain"] {
            table.row([name.into(), "1".into()]);
        }
        let rendered = table.render(false);
        let before = |line: &str| line[..line.len() - 1].width();
        assert!(rendered.lines().skip(1).all(|line| before(line) == "plain  ".len()), "{rendered}");
    }

    #[test]
    fn colours_do_not_move_columns() {
        let plain = table().render(true).replace("\u{1b}[0m", "");
        let plain = ["32", "31", "33"]
            .iter()
            .fold(plain, |text, code| text.replace(&format!("\u{1b}[{code}m"), ""));
        assert_eq!(plain, table().render(false));
    }

    #[test]
    fn wide_characters_count_twice_when_a_cell_is_cut() {
        let wide = fitted(&"\u{4f60}".repeat(100), 11);
        assert_eq!(wide, format!("{}\u{2026}", "\u{4f60}".repeat(5)));
    }
}
