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
}
