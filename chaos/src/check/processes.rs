//! What is asked of the processes themselves: none ends unasked, and SIGTERM ends each in time.

use std::time::Duration;

use super::Violation;
use crate::evidence::Evidence;

/// SECURITY.md 4: "exit within 15 s".
const BOUND: Duration = Duration::from_secs(15);

pub(super) fn own_ends(evidence: &Evidence) -> Vec<Violation> {
    let ends = evidence.own_ends.iter();
    ends.map(|end| Violation::new(format!("{} ended by itself: {}", end.process, end.how)))
        .collect()
}

pub(super) fn late_ends(evidence: &Evidence) -> Vec<Violation> {
    let late = evidence.late_ends.iter().filter(|(_, took)| *took > BOUND);
    late.map(|(process, took)| {
        Violation::new(format!("{process} took {:.1} s to end", took.as_secs_f64()))
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::OwnEnd;

    #[test]
    fn an_end_that_nobody_asked_for_and_a_late_one_are_found() {
        let end = OwnEnd { process: "status-projector-1".to_owned(), how: "status 1".to_owned() };
        let late_ends = vec![
            ("a".to_owned(), Duration::from_secs(14)),
            ("b".to_owned(), Duration::from_secs(16)),
        ];
        let evidence = Evidence { own_ends: vec![end], late_ends, ..Evidence::default() };
        assert_eq!(own_ends(&evidence).len(), 1);
        assert_eq!(super::late_ends(&evidence).len(), 1);
    }
}
