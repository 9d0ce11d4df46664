//! Where the chaos runs may end a process or plant a defect. In any other build each point is
//! nothing.
//!
//! Owns the names of all points. With the feature `chaos`, which `hooklog-chaos` alone turns on,
//! the environment says which one is live: `FAULT_POINT_CRASH_AT=<point>:<n>` kills this process
//! when it comes by for the n-th time, from 1, and `FAULT_POINT_DEFECT=<defect>` lets the code
//! do something wrong that a run has to find. Without the feature [`crash`] is empty and
//! [`defect`] is a constant.

#[cfg(feature = "chaos")]
mod live;

#[cfg(feature = "chaos")]
pub use live::{crash, defect};

/// Which crash point is live, as `<point>:<n>`.
pub const CRASH_VARIABLE: &str = "FAULT_POINT_CRASH_AT";
/// Which defect is live.
pub const DEFECT_VARIABLE: &str = "FAULT_POINT_DEFECT";

macro_rules! names {
    ($(#[$doc:meta])* $kind:ident { $($(#[$one:meta])* $variant:ident = $name:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $kind {
            $($(#[$one])* $variant,)*
        }

        impl $kind {
            /// Every one, in the order of the pipeline.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Its name in the environment and in reports.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            /// The one with this name.
            pub fn named(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|known| known.name() == name)
            }
        }
    };
}

names! {
    /// A step between two effects, at which a process may be killed.
    CrashPoint {
        /// A request is in order, and nothing is sent yet.
        GatewayBeforeProduce = "gateway-before-produce",
        /// The record is with the client library, and the broker has not acknowledged it.
        GatewayAfterProduce = "gateway-after-produce",
        /// The broker has it, and nobody is answered yet.
        GatewayBeforeAnswer = "gateway-before-answer",
        /// One of an event's deliveries is acknowledged.
        FrontDoorBetweenDeliveries = "front-door-between-deliveries",
        /// All of them are, and the event's offset is not finished.
        FrontDoorBeforeFinish = "front-door-before-finish",
        ConsumerBeforeCall = "consumer-before-call",
        ConsumerAfterCall = "consumer-after-call",
        /// The outcome is acknowledged; what follows from it may be or not.
        ConsumerAfterOutcome = "consumer-after-outcome",
        /// The retry or the dead letter is acknowledged; the outcome may be or not.
        ConsumerAfterNext = "consumer-after-next",
        ConsumerBeforeFinish = "consumer-before-finish",
        /// A waiting record's time has come, and nothing is sent yet.
        SchedulerBeforeProduce = "scheduler-before-produce",
        /// Its release is acknowledged, and its offset is not finished.
        SchedulerAfterProduce = "scheduler-after-produce",
        /// Rows and offsets are written, and not committed.
        ProjectorBeforeCommit = "projector-before-commit",
        ProjectorAfterCommit = "projector-after-commit",
    }
}

names! {
    /// Something wrong that a chaos run has to find.
    Defect {
        /// The gateway answers 202 before the broker has the record.
        AnswerBeforeAck = "answer-before-ack",
        /// An event that a subscription filters out is produced all the same.
        FilterAfterProduce = "filter-after-produce",
        /// The consumer finishes a record before it makes the delivery's call.
        FinishBeforeCall = "finish-before-call",
        /// The consumer finishes what it has not done when its partition is revoked.
        FinishOnRevoke = "finish-on-revoke",
        /// The consumer finishes a record before its retry is written.
        RetryNotAwaited = "retry-not-awaited",
        /// The projector commits its offsets before its rows.
        OffsetOutsideTransaction = "offset-outside-transaction",
    }
}

/// Kills this process here, if a chaos run wants that.
#[cfg(not(feature = "chaos"))]
#[inline(always)]
pub const fn crash(_: CrashPoint) {}

/// Whether a chaos run has planted this defect.
#[cfg(not(feature = "chaos"))]
#[inline(always)]
pub const fn defect(_: Defect) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_name_stands_for_one_point() {
        let points: BTreeSet<&str> = CrashPoint::ALL.iter().map(|point| point.name()).collect();
        let defects: BTreeSet<&str> = Defect::ALL.iter().map(|defect| defect.name()).collect();
        assert_eq!(points.len(), CrashPoint::ALL.len());
        assert_eq!(defects.len(), Defect::ALL.len());
        assert_eq!(
            CrashPoint::named("projector-after-commit"),
            Some(CrashPoint::ProjectorAfterCommit)
        );
        assert_eq!(Defect::named("no-such-defect"), None);
    }
}
