//! Whether an event of some type is for a subscription.

/// What a subscription's event types say about an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Match {
    /// It is for this subscription.
    Yes,
    /// The subscription names types, and this one is not among them.
    No,
    /// The subscription names types, and the event has none.
    TypeMissing,
}

/// Exact, case-sensitive membership, as the older services have it; no types mean every event.
pub fn match_literal(event_types: &[String], event_type: Option<&str>) -> Match {
    match event_type {
        _ if event_types.is_empty() => Match::Yes,
        None => Match::TypeMissing,
        Some(event_type) if event_types.iter().any(|known| known == event_type) => Match::Yes,
        Some(_) => Match::No,
    }
}

/// Membership where `*` in the list stands for every type and `a.*` for every type below `a`:
/// `a.b` and `a.b.c`, but not `a` itself.
pub fn match_wildcard(event_types: &[String], event_type: Option<&str>) -> Match {
    match (match_literal(event_types, event_type), event_type) {
        (Match::No, Some(event_type)) if event_types.iter().any(|p| covers(p, event_type)) => {
            Match::Yes
        }
        (Match::TypeMissing, _) if event_types.iter().any(|pattern| pattern == "*") => Match::Yes,
        (literal, _) => literal,
    }
}

fn covers(pattern: &str, event_type: &str) -> bool {
    let Some(prefix) = pattern.strip_suffix('*') else { return false };
    prefix.is_empty()
        || (prefix.ends_with('.')
            && event_type.len() > prefix.len()
            && event_type.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn membership_is_exact_and_an_empty_list_lets_everything_through() {
        let types = ["user.created".to_owned(), "*".to_owned()];
        assert_eq!(match_literal(&types, Some("user.created")), Match::Yes);
        assert_eq!(match_literal(&types, Some("User.Created")), Match::No);
        assert_eq!(match_literal(&types, Some("user.created ")), Match::No);
        assert_eq!(match_literal(&types, None), Match::TypeMissing);
        assert_eq!(match_literal(&[], None), Match::Yes);
    }

    #[test]
    fn a_star_stands_for_everything_and_below_a_prefix_for_everything_below_it() {
        let one = |pattern: &str, event_type| match_wildcard(&[pattern.to_owned()], event_type);
        assert_eq!(one("*", Some("a.b")), Match::Yes);
        assert_eq!(one("*", None), Match::Yes);
        assert_eq!(one("a.*", Some("a.b")), Match::Yes);
        assert_eq!(one("a.*", Some("a.b.c")), Match::Yes);
        assert_eq!(one("a.*", Some("a")), Match::No);
        assert_eq!(one("a.*", Some("a.")), Match::No);
        assert_eq!(one("a.*", Some("ab.c")), Match::No);
        assert_eq!(one("a.*", None), Match::TypeMissing);
        assert_eq!(one("a*", Some("ab")), Match::No);
        assert_eq!(one("a.b", Some("a.b")), Match::Yes);
    }
}
