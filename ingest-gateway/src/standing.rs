//! How a delivery stands, and how an attempt went, as far as the older services tell it: fewer
//! cases than hooklog's own states, and each contract has its words for them.

use pipeline::outcome::State;

/// Where a delivery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    Pending,
    Retrying,
    Succeeded,
    /// Given up or cancelled: neither older service knows cancelling.
    Failed,
}

/// How an attempt went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Succeeded,
    /// Another attempt may follow.
    Failed,
    /// It was the last one of a delivery that failed.
    FailedForGood,
}

impl Standing {
    /// `state` is a word of [`State`]; one that is not known here is newer than this process,
    /// and says only that the delivery is there.
    pub(crate) fn of(state: &str) -> Self {
        let is = |known: State| known.as_str() == state;
        if is(State::Delivered) {
            Self::Succeeded
        } else if is(State::DeadLettered) || is(State::Cancelled) {
            Self::Failed
        } else if is(State::Retrying) {
            Self::Retrying
        } else {
            Self::Pending
        }
    }
}

impl Verdict {
    /// `state` is the delivery's after the attempt.
    pub(crate) fn of(succeeded: bool, state: &str) -> Self {
        match (succeeded, Standing::of(state)) {
            (true, _) => Self::Succeeded,
            (false, Standing::Failed) => Self::FailedForGood,
            (false, _) => Self::Failed,
        }
    }
}

/// Why a call failed, in words: the error, or the status of the answer if there was one.
pub(crate) fn error_details(
    succeeded: bool,
    error: Option<&str>,
    http_status: Option<i32>,
) -> Option<String> {
    if succeeded {
        return None;
    }
    error.map(str::to_owned).or_else(|| http_status.map(|status| format!("HTTP {status}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_is_one_of_four_and_cancelled_is_failed() {
        for (state, standing) in [
            (State::Pending, Standing::Pending),
            (State::Retrying, Standing::Retrying),
            (State::Delivered, Standing::Succeeded),
            (State::DeadLettered, Standing::Failed),
            (State::Cancelled, Standing::Failed),
        ] {
            assert_eq!(Standing::of(state.as_str()), standing);
        }
        assert_eq!(Standing::of("of a later version"), Standing::Pending);
    }

    #[test]
    fn the_last_attempt_of_a_failed_delivery_failed_for_good() {
        assert_eq!(Verdict::of(true, "delivered"), Verdict::Succeeded);
        assert_eq!(Verdict::of(false, "retrying"), Verdict::Failed);
        assert_eq!(Verdict::of(false, "dead_lettered"), Verdict::FailedForGood);
        assert_eq!(Verdict::of(false, "cancelled"), Verdict::FailedForGood);
    }

    #[test]
    fn a_failure_is_told_by_its_error_or_else_by_its_status() {
        assert_eq!(error_details(false, Some("timeout"), Some(500)), Some("timeout".into()));
        assert_eq!(error_details(false, None, Some(500)), Some("HTTP 500".into()));
        assert_eq!(error_details(false, None, None), None);
        assert_eq!(error_details(true, None, Some(200)), None);
    }
}
