//! What a payload filter may cost, judged on its text before anything else reads it.
//!
//! Owns the rule by which the work of a query is linear in the body, with a small factor: every
//! step that goes over many nodes is one *look* (`..` is three), and a query has [`MOST_LOOKS`] of them. What
//! would make a node be looked at again and again (a second `..`, several selectors in one pair
//! of brackets, `$` inside a filter) is refused, and so is what the library would spend
//! exponential time on while parsing (filters nested in filters). The few forms go the same way
//! that the library judges otherwise than the RFC does.
//!
//! It works on the text because the library keeps its syntax tree to itself and finds no place
//! in it. It is no parser: it must never take a costly valid query for a cheap one, and what it
//! takes for valid wrongly is left to the parser to refuse.

/// How often one query may go over a body's nodes.
pub(crate) const MOST_LOOKS: usize = 8;
/// What `..` counts: the library carries what it finds up through every level that it is in.
const LOOKS_OF_DESCENT: usize = 3;
/// How deep brackets and parentheses may be nested, which bounds the parser's stack.
pub(crate) const MOST_NESTED: usize = 16;
/// How deep filters may be nested. The parser's time doubles with each level.
pub(crate) const MOST_NESTED_FILTERS: usize = 2;

/// What is wrong with a query at some place, other than its grammar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("this is not closed")]
    NotClosed,
    #[error("this closes nothing that is open here")]
    NotOpened,
    #[error("functions are not supported")]
    Function,
    #[error("`$` cannot stand in a filter; a path there begins with `@`")]
    RootInFilter,
    #[error("only one selector can stand in a pair of brackets")]
    SeveralSelectors,
    #[error("only one `..` can stand in a query")]
    SecondDescent,
    #[error("a query with `..` cannot compare two paths")]
    PathsComparedWithDescent,
    #[error("a comparison needs a path on one side")]
    NothingCompared,
    #[error("`<`, `<=`, `>` and `>=` need a number or a string on one side")]
    NothingOrdered,
    #[error("an index in a filter must count from the front")]
    NegativeIndex,
    #[error("filters can be nested {MOST_NESTED_FILTERS} deep")]
    NestedFilters,
    #[error("brackets and parentheses can be nested {MOST_NESTED} deep")]
    NestedTooDeep,
    #[error("here the query would go over the body more than {MOST_LOOKS} times")]
    TooManyLooks,
}

/// Why a text is refused, with the byte where it shows.
pub(crate) type Refused = (usize, Refusal);

/// Checks the rule on a query's text.
///
/// # Errors
/// The first place that breaks it.
pub(crate) fn check(query: &str) -> Result<(), Refused> {
    let mut scan = Scan {
        query: query.as_bytes(),
        at: 0,
        open: Vec::new(),
        path: Path { many: false, at_start: false },
        literal: None,
        looks: 0,
        descends: false,
        compares_paths: false,
    };
    while let Some(&byte) = scan.query.get(scan.at) {
        scan.token(byte)?;
    }
    match scan.open.last() {
        Some(open) => Err((open.at, Refusal::NotClosed)),
        None => Ok(()),
    }
}

/// A bracket or parenthesis that is not closed yet.
struct Open {
    at: usize,
    kind: OpenKind,
}

enum OpenKind {
    Selector,
    /// A filter with the path that it belongs to, and whether it judges more than one node.
    Filter {
        outer: Path,
        judges_many: bool,
    },
    Group,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Literal {
    NumberOrString,
    Keyword,
}

impl Literal {
    fn beginning_with(byte: u8) -> Self {
        match byte {
            b'\'' | b'"' | b'-' | b'0'..=b'9' => Self::NumberOrString,
            _ => Self::Keyword,
        }
    }
}

/// What is known about the path that is being read.
#[derive(Clone, Copy)]
struct Path {
    /// It has many nodes at this point, or starts from each of many.
    many: bool,
    /// It is the query itself, before its first step.
    at_start: bool,
}

struct Scan<'q> {
    query: &'q [u8],
    at: usize,
    open: Vec<Open>,
    path: Path,
    /// What was read last, if it was a literal.
    literal: Option<Literal>,
    looks: usize,
    descends: bool,
    compares_paths: bool,
}

impl Scan<'_> {
    fn token(&mut self, byte: u8) -> Result<(), Refused> {
        let at = self.at;
        self.at += 1;
        match byte {
            b'$' => self.root(at)?,
            b'@' => self.current(at)?,
            b'.' => self.dot(at)?,
            b'[' => self.bracket(at)?,
            b'(' => self.parenthesis(at)?,
            b']' | b')' => self.close(at, byte)?,
            b'\'' | b'"' => self.string(at, byte)?,
            b'=' | b'!' | b'<' | b'>' => self.operator(at, byte)?,
            b',' => return Err((at, Refusal::SeveralSelectors)),
            _ if in_word(byte) => self.word(at)?,
            _ => {}
        }
        Ok(())
    }

    fn root(&mut self, at: usize) -> Result<(), Refused> {
        if self.judging().is_some() {
            return Err((at, Refusal::RootInFilter));
        }
        self.path = Path { many: false, at_start: true };
        Ok(())
    }

    fn current(&mut self, at: usize) -> Result<(), Refused> {
        self.path = Path { many: self.judging() == Some(true), at_start: false };
        self.literal = None;
        self.look(usize::from(self.path.many), at)
    }

    fn dot(&mut self, at: usize) -> Result<(), Refused> {
        if self.peek() == Some(b'.') {
            self.at += 1;
            if self.descends {
                return Err((at, Refusal::SecondDescent));
            }
            self.descends = true;
            self.not_both(at)?;
            self.path = Path { many: true, at_start: false };
            self.look(LOOKS_OF_DESCENT, at)?;
        }
        match self.peek() {
            Some(b'*') => {
                self.at += 1;
                self.step(at, true)
            }
            Some(byte) if in_word(byte) => {
                self.skip_while(in_word);
                self.step(at, false)
            }
            _ => Ok(()),
        }
    }

    fn bracket(&mut self, at: usize) -> Result<(), Refused> {
        self.skip_while(is_blank);
        let first = self.peek();
        if first == Some(b'?') {
            return self.filter(at);
        }
        let rest = &self.query[self.at..];
        let inside = rest.split(|byte| *byte == b']').next().unwrap_or_default();
        let quoted = matches!(first, Some(b'\'' | b'"'));
        let slice = !quoted && inside.contains(&b':');
        if first == Some(b'-') && !slice && self.judging().is_some() {
            return Err((self.at, Refusal::NegativeIndex));
        }
        self.step(at, first == Some(b'*') || slice)?;
        self.open(at, OpenKind::Selector)
    }

    fn filter(&mut self, at: usize) -> Result<(), Refused> {
        self.at += 1;
        let filters = self.open.iter().filter(|open| matches!(open.kind, OpenKind::Filter { .. }));
        if filters.count() == MOST_NESTED_FILTERS {
            return Err((at, Refusal::NestedFilters));
        }
        // The query runs on an array with the body alone, so a filter that comes first judges
        // one node, once.
        let judges_many = !self.path.at_start;
        self.step(at, judges_many)?;
        self.open(at, OpenKind::Filter { outer: self.path, judges_many })
    }

    fn parenthesis(&mut self, at: usize) -> Result<(), Refused> {
        self.look(usize::from(self.judging() == Some(true)), at)?;
        self.open(at, OpenKind::Group)
    }

    fn close(&mut self, at: usize, byte: u8) -> Result<(), Refused> {
        self.literal = None;
        match (byte, self.open.pop().map(|open| open.kind)) {
            (b']', Some(OpenKind::Selector)) | (b')', Some(OpenKind::Group)) => {}
            (b']', Some(OpenKind::Filter { outer, .. })) => self.path = outer,
            _ => return Err((at, Refusal::NotOpened)),
        }
        Ok(())
    }

    fn string(&mut self, at: usize, quote: u8) -> Result<(), Refused> {
        loop {
            match self.peek() {
                None => return Err((at, Refusal::NotClosed)),
                Some(b'\\') => self.at += 2,
                Some(byte) => {
                    self.at += 1;
                    if byte == quote {
                        break;
                    }
                }
            }
        }
        self.literal = Some(Literal::NumberOrString);
        Ok(())
    }

    fn operator(&mut self, at: usize, byte: u8) -> Result<(), Refused> {
        match (byte, self.peek()) {
            (_, Some(b'=')) => self.at += 1,
            (b'<' | b'>', _) => {}
            // A negation, or nothing that the parser knows.
            _ => return Ok(()),
        }
        self.skip_while(is_blank);
        let left = self.literal.take();
        let right = match self.peek() {
            None | Some(b'@' | b'$') => None,
            Some(byte) => Some(Literal::beginning_with(byte)),
        };
        if left.is_some() && right.is_some() {
            return Err((at, Refusal::NothingCompared));
        }
        let literal = left.or(right);
        if matches!(byte, b'<' | b'>') && literal != Some(Literal::NumberOrString) {
            return Err((at, Refusal::NothingOrdered));
        }
        if literal.is_none() {
            self.compares_paths = true;
            self.not_both(at)?;
        }
        self.look(usize::from(literal.is_none()), at)
    }

    /// A literal or an index; a name stands after a dot and is read there.
    fn word(&mut self, at: usize) -> Result<(), Refused> {
        self.skip_while(|byte| in_word(byte) || matches!(byte, b'.' | b'+'));
        if self.peek() == Some(b'(') {
            return Err((at, Refusal::Function));
        }
        self.literal = Some(Literal::beginning_with(self.query[at]));
        Ok(())
    }

    /// One step of a path; `spreads` if one node can become many.
    fn step(&mut self, at: usize, spreads: bool) -> Result<(), Refused> {
        self.path.at_start = false;
        self.path.many |= spreads;
        self.look(usize::from(self.path.many), at)
    }

    fn look(&mut self, looks: usize, at: usize) -> Result<(), Refused> {
        self.looks += looks;
        if self.looks > MOST_LOOKS { Err((at, Refusal::TooManyLooks)) } else { Ok(()) }
    }

    /// Below `..` the nodes contain each other, and comparing containers would go over the
    /// innermost once for each that it is in.
    fn not_both(&self, at: usize) -> Result<(), Refused> {
        let both = self.descends && self.compares_paths;
        if both { Err((at, Refusal::PathsComparedWithDescent)) } else { Ok(()) }
    }

    fn open(&mut self, at: usize, kind: OpenKind) -> Result<(), Refused> {
        if self.open.len() == MOST_NESTED {
            return Err((at, Refusal::NestedTooDeep));
        }
        self.open.push(Open { at, kind });
        Ok(())
    }

    /// Whether the filter that is being read judges many nodes; `None` outside of filters.
    fn judging(&self) -> Option<bool> {
        self.open.iter().rev().find_map(|open| match open.kind {
            OpenKind::Filter { judges_many, .. } => Some(judges_many),
            _ => None,
        })
    }

    fn peek(&self) -> Option<u8> {
        self.query.get(self.at).copied()
    }

    fn skip_while(&mut self, belongs: impl Fn(u8) -> bool) {
        while self.peek().is_some_and(&belongs) {
            self.at += 1;
        }
    }
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// Part of a name, a number or a keyword. A character beyond ASCII is in names only.
fn in_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-') || !byte.is_ascii()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(query: &str) -> Refused {
        check(query).expect_err(query)
    }

    #[test]
    fn what_would_look_at_nodes_again_and_again_is_refused_at_its_place() {
        for (query, at, refusal) in [
            ("$..a..b", 4, Refusal::SecondDescent),
            ("$..[?@..a]", 6, Refusal::SecondDescent),
            ("$[?@..a || @..b]", 12, Refusal::SecondDescent),
            ("$[*,*]", 3, Refusal::SeveralSelectors),
            ("$[0,0]", 3, Refusal::SeveralSelectors),
            ("$['a', 'b']", 5, Refusal::SeveralSelectors),
            ("$[?@.a, ?@.b]", 6, Refusal::SeveralSelectors),
            ("$[*][?$[*]]", 6, Refusal::RootInFilter),
            ("$[?@.a == $[0].b]", 10, Refusal::RootInFilter),
            ("$..[?@ == @]", 7, Refusal::PathsComparedWithDescent),
            ("$[?@ == @ && @..a]", 14, Refusal::PathsComparedWithDescent),
            ("$[?1 == 1]", 5, Refusal::NothingCompared),
            ("$[?@.a && 'x' < null]", 14, Refusal::NothingCompared),
            ("$[?@.a > true]", 7, Refusal::NothingOrdered),
            ("$[?null <= @.a]", 8, Refusal::NothingOrdered),
            ("$[?@.a < @.b]", 7, Refusal::NothingOrdered),
            ("$[?length(@.a) > 1]", 3, Refusal::Function),
            ("$[?match(@.a, 'x+')]", 3, Refusal::Function),
            ("$[?@[-1] == 2]", 5, Refusal::NegativeIndex),
            ("$[?@[ -1]]", 6, Refusal::NegativeIndex),
        ] {
            assert_eq!(refused(query), (at, refusal), "{query}");
        }
    }

    #[test]
    fn nesting_is_bounded() {
        assert_eq!(check("$[?@[?@[0]]]"), Ok(()));
        assert_eq!(refused("$[?@[?@[?@.a]]]"), (7, Refusal::NestedFilters));
        let groups = |count| format!("$[?{}@{}]", "(".repeat(count), ")".repeat(count));
        assert_eq!(check(&groups(MOST_NESTED - 1)), Ok(()));
        assert_eq!(refused(&groups(MOST_NESTED)), (MOST_NESTED + 2, Refusal::NestedTooDeep));
    }

    /// One more `.*`, each of which costs one look, and the query is refused.
    fn looks(query: &str) -> usize {
        let spare = (0..).find(|n| check(&(query.to_owned() + &".*".repeat(n + 1))).is_err());
        MOST_LOOKS - spare.unwrap()
    }

    #[test]
    fn every_step_over_many_nodes_is_a_look() {
        for (query, expected) in [
            ("$", 0),
            ("$[0].a['b'][-1]", 0),
            ("$[0].*", 1),
            ("$[0][*]", 1),
            ("$[0][1:]", 1),
            ("$[0][ : : -1 ]", 1),
            ("$[0]['a:b']", 0),
            ("$[0].*.a.b", 3),
            ("$..a", 4),
            ("$..*", 4),
            ("$..[0]", 4),
            // What judges the body judges one node.
            ("$[?@.a == 1 && (@.b.c || !@.d) && 'x' != @.e]", 0),
            ("$ [ ?@.a ] .b", 0),
            ("$[?@.a == @.b]", 1),
            ("$[?@.a[*].b]", 2),
            ("$[?@.a[*]].b", 1),
            ("$[?@..a]", 4),
            // Elsewhere every path is gone once for each node.
            ("$[0][?@]", 2),
            ("$[*][?@]", 3),
            ("$[0][?@.a.b == 1]", 4),
            ("$[0][?(@ == 1 || 2 == @)]", 4),
            ("$[0].items[?@.sku == 'x' && @.quantity > 1]", 5),
            ("$[?@.items[?@.sku == 'x' && @.quantity > 1] && @.b]", 5),
            ("$[?@.items[?@.sku == ')] $..*,']]", 3),
            (r#"$[?@.items[?@.sku == "\",\\" && @[':*'] ] ]"#, 5),
        ] {
            assert_eq!(looks(query), expected, "{query}");
        }
    }

    #[test]
    fn the_look_too_many_is_refused_at_its_place() {
        let query = format!("$[0]{}", ".*".repeat(MOST_LOOKS));
        assert_eq!(check(&query), Ok(()));
        assert_eq!(refused(&format!("{query}.*")), (query.len(), Refusal::TooManyLooks));
        assert_eq!(refused("$[0][?@.a || @.b || @.c || @.d]").0, 28);
        assert_eq!(refused("$..[?((((((@))))))]"), (9, Refusal::TooManyLooks));
    }
}
