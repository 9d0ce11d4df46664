//! What a run does to hooklog, to its stores and to its configuration.

use std::fmt;
use std::time::Duration;

use fault_point::CrashPoint;

/// One kind of role process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    Gateway,
    Consumer,
    Scheduler,
    Projector,
}

impl Role {
    pub const ALL: [Self; 4] = [Self::Gateway, Self::Consumer, Self::Scheduler, Self::Projector];

    /// The subcommand of `hooklog-chaos` that runs it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gateway => "ingest-gateway",
            Self::Consumer => "delivery-consumer",
            Self::Scheduler => "retry-scheduler",
            Self::Projector => "status-projector",
        }
    }

    /// How many processes of it a run starts with.
    pub const fn count(self) -> usize {
        match self {
            Self::Scheduler => 1,
            Self::Gateway | Self::Consumer | Self::Projector => 2,
        }
    }

    /// Whose order of effects a crash point belongs to.
    pub const fn passing(point: CrashPoint) -> Self {
        match point {
            CrashPoint::GatewayBeforeProduce
            | CrashPoint::GatewayAfterProduce
            | CrashPoint::GatewayBeforeAnswer
            | CrashPoint::FrontDoorBetweenDeliveries
            | CrashPoint::FrontDoorBeforeFinish => Self::Gateway,
            CrashPoint::ConsumerBeforeCall
            | CrashPoint::ConsumerAfterCall
            | CrashPoint::ConsumerAfterOutcome
            | CrashPoint::ConsumerAfterNext
            | CrashPoint::ConsumerBeforeFinish => Self::Consumer,
            CrashPoint::SchedulerBeforeProduce | CrashPoint::SchedulerAfterProduce => {
                Self::Scheduler
            }
            CrashPoint::ProjectorBeforeCommit | CrashPoint::ProjectorAfterCommit => Self::Projector,
        }
    }
}

/// One process: a role and which one of it, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProcessName {
    pub role: Role,
    pub index: usize,
}

impl fmt::Display for ProcessName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.role.name(), self.index)
    }
}

/// One of the two stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Store {
    Kafka,
    Postgres,
}

impl Store {
    /// The name of its pid file.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Kafka => "kafka",
            Self::Postgres => "postgres",
        }
    }
}

/// How a process or a store is hurt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blow {
    /// SIGKILL, and started again after this long.
    Kill(Duration),
    /// SIGTERM, and started again this long after its end.
    Terminate(Duration),
    /// SIGSTOP, and SIGCONT after this long.
    Freeze(Duration),
}

/// What is done to a subscription while work waits for it. The number is its place in the plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Paused, and resumed after this long.
    Pause(Duration),
    /// Another path at the same receiver.
    Move,
    /// A new signing key, and the old one for a day beside it.
    Rotate,
    Delete,
}

/// One fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    Process(ProcessName, Blow),
    /// Every process of every role at the same time.
    Everything(Blow),
    Store(Store, Blow),
    /// The process is terminated and started again, so that it kills itself when it comes by this
    /// point for the n-th time.
    Crash(ProcessName, CrashPoint, u64),
    /// One more consumer for this long; it is then terminated and stays away.
    OneMoreConsumer(Duration),
    /// One consumer less for this long.
    OneConsumerLess(Duration),
    Subscription(usize, Change),
}

/// A fault and when it begins, from the start of the load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timed {
    pub at: Duration,
    pub fault: Fault,
}

impl Fault {
    /// What it counts as in the report.
    pub fn kind(&self) -> String {
        match self {
            Self::Process(who, blow) => format!("{} {}", blow.word(), who.role.name()),
            Self::Everything(blow) => format!("{} everything", blow.word()),
            Self::Store(store, blow) => format!("{} {}", blow.word(), store.name()),
            Self::Crash(_, point, _) => format!("crash {}", point.name()),
            Self::OneMoreConsumer(_) => "one more consumer".to_owned(),
            Self::OneConsumerLess(_) => "one consumer less".to_owned(),
            Self::Subscription(_, change) => format!("{} a subscription", change.word()),
        }
    }

    /// How long after its beginning it still acts, roughly.
    pub fn lasts(&self) -> Duration {
        match self {
            Self::Process(_, blow) | Self::Everything(blow) | Self::Store(_, blow) => blow.lasts(),
            Self::OneMoreConsumer(lasts) | Self::OneConsumerLess(lasts) => *lasts,
            Self::Subscription(_, Change::Pause(lasts)) => *lasts,
            Self::Crash(..) | Self::Subscription(..) => Duration::ZERO,
        }
    }
}

impl Blow {
    const fn word(self) -> &'static str {
        match self {
            Self::Kill(_) => "kill",
            Self::Terminate(_) => "terminate",
            Self::Freeze(_) => "freeze",
        }
    }

    /// How long it keeps its victim away.
    pub const fn lasts(self) -> Duration {
        match self {
            Self::Kill(lasts) | Self::Terminate(lasts) | Self::Freeze(lasts) => lasts,
        }
    }
}

impl Change {
    const fn word(self) -> &'static str {
        match self {
            Self::Pause(_) => "pause",
            Self::Move => "move",
            Self::Rotate => "rotate",
            Self::Delete => "delete",
        }
    }
}

impl fmt::Display for Timed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:7.2} s  {}", self.at.as_secs_f64(), self.fault.kind())?;
        match self.fault {
            Fault::Process(who, _) => write!(f, " {}", who.index)?,
            Fault::Crash(who, _, nth) => write!(f, " of {who}, time {nth}")?,
            Fault::Subscription(place, _) => write!(f, " {place}")?,
            _ => {}
        }
        match self.fault.lasts() {
            Duration::ZERO => Ok(()),
            lasts => write!(f, " for {:.1} s", lasts.as_secs_f64()),
        }
    }
}
