//! The subscriptions of a run: a fixed cast with drawn details. Pure.

use std::time::Duration;

use serde_json::{Value, json};

use crate::behaviour::Behaviour;
use crate::draw::Draw;
use crate::schedule::Stage;

/// Which contract a subscription is made over, and so how its ingest route reads an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Contract {
    A,
    Own,
}

/// What is sent, and how often of ten.
pub const EVENT_TYPES: [(&str, usize); 5] = [
    ("order.created", 3),
    ("order.paid", 3),
    ("user.created", 2),
    ("stock.low", 1),
    ("user.deleted", 1),
];

/// Asked for by nobody, but by who asks for everything.
pub const UNWANTED_TYPE: &str = "weather.changed";

/// One subscription as it is to be made.
#[derive(Debug, Clone, PartialEq)]
pub struct Member {
    pub contract: Contract,
    pub behaviour: Behaviour,
    pub event_types: Vec<String>,
    /// The waits after each failed attempt.
    pub delays: Vec<Duration>,
    pub timeout_seconds: u32,
    /// A 404 is final.
    pub gives_up_on_404: bool,
    pub secret: String,
    pub deletable: bool,
}

impl Member {
    /// Whether its filter lets this type through: the oracle's own reading of
    /// `docs/subscriptions.md`.
    pub fn wants(&self, event_type: &str) -> bool {
        self.event_types.is_empty()
            || self.event_types.iter().any(|wanted| match wanted.strip_suffix('*') {
                Some(before) => event_type.starts_with(before),
                None => wanted == event_type,
            })
    }

    /// How many attempts a delivery to it has at most.
    pub fn attempts(&self) -> u32 {
        self.delays.len() as u32 + 1
    }

    /// What `/v1` takes for what contract A cannot say.
    pub fn own_fields(&self) -> Value {
        let delays: Vec<f64> = self.delays.iter().map(Duration::as_secs_f64).collect();
        let retry_on =
            if self.gives_up_on_404 { json!(["network", "5xx", "429"]) } else { json!(null) };
        json!({
            "retry": { "schedule": delays },
            "timeout_seconds": self.timeout_seconds,
            "retry_on": retry_on,
        })
    }
}

/// Everybody, in an order that places in the plan refer to.
pub fn cast(seed: u64) -> Vec<Member> {
    use Behaviour::{
        Absent, Dripping, Endless, Flaky, Good, Leaving, Missing, Resetting, Silent, Slow,
        Throttling,
    };
    use Contract::{A, Own};
    let mut draw = Draw::stream(seed, "cast");
    let mut member = |contract, behaviour, event_types: &[&str]| {
        let delays = 3 + draw.below(3);
        let (least, most) = (Duration::from_millis(300), Duration::from_millis(2_000));
        Member {
            contract,
            behaviour,
            event_types: event_types.iter().map(|text| (*text).to_owned()).collect(),
            delays: (0..delays).map(|_| draw.between(least, most)).collect(),
            // What never ends holds a call for this long.
            timeout_seconds: if matches!(behaviour, Silent | Dripping) { 1 } else { 3 },
            gives_up_on_404: behaviour == Missing,
            secret: match contract {
                A => format!("secret-{:016x}", draw.number()),
                Own => format!("whsec_{:016x}{:016x}", draw.number(), draw.number()),
            },
            deletable: false,
        }
    };
    let mut everybody = vec![
        member(A, Good, &[]),
        member(A, Good, &["order.created", "order.paid"]),
        member(A, Slow, &["user.created"]),
        member(A, Flaky, &["order.paid"]),
        member(Own, Flaky, &["order.*"]),
        member(Own, Throttling, &["stock.low"]),
        member(Own, Leaving, &["user.deleted"]),
        member(Own, Missing, &["stock.low"]),
        member(Own, Silent, &["user.deleted"]),
        member(Own, Resetting, &["user.created"]),
        member(Own, Dripping, &["user.deleted"]),
        member(Own, Endless, &["stock.low"]),
        member(Own, Absent, &["user.created"]),
    ];
    let deletable = [Good, Flaky].map(|kind| member(Own, kind, &["stock.low", "user.*"]));
    everybody.extend(deletable.map(|member| Member { deletable: true, ..member }));
    everybody
}

/// What faults may do to whom.
pub fn stage(cast: &[Member]) -> Stage {
    let places = |deletable| {
        let of = cast.iter().enumerate().filter(move |(_, member)| member.deletable == deletable);
        of.map(|(place, _)| place).collect()
    };
    Stage { changeable: places(false), deletable: places(true) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_read_as_the_manual_has_it() {
        let mut member = cast(1).remove(0);
        assert!(member.wants("anything"));
        member.event_types = vec!["order.*".to_owned(), "user.created".to_owned()];
        for (event_type, wanted) in
            [("order.paid", true), ("order", false), ("user.created", true), ("user", false)]
        {
            assert_eq!(member.wants(event_type), wanted, "{event_type}");
        }
    }

    #[test]
    fn a_seed_makes_the_same_cast_again() {
        assert_eq!(cast(5), cast(5));
        assert_ne!(cast(5), cast(6));
        assert!(
            cast(5)
                .iter()
                .all(|member| !member.wants(UNWANTED_TYPE) || member.event_types.is_empty())
        );
    }
}
