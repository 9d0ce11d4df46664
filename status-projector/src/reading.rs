//! What one record says, in rows.
//!
//! Whatever can be known to be unfit for PostgreSQL is refused or mended here: numbers that do
//! not fit, times that no partition is made for, NUL in texts. A refused record goes to
//! `projector_rejects`, and its partition moves on.

use jiff::{Timestamp, ToSpan};
use kafka_loop::record::Record;
use pipeline::delivery::{DecodeError, Delivery};
use pipeline::outcome::{Call, Kind, Outcome, State};
use serde_json::{Map, Value};

use crate::attempt_row::AttemptRow;
use crate::delivery_row::{Content, DeliveryKey, DeliveryRow, LastCall, Origin, Standing};

/// Deliveries older than this have no day partition made for them, whatever retention is.
const OLDEST_DAYS: i64 = 400;
/// Nor have those that claim to be from further ahead than this.
const FURTHEST_AHEAD_DAYS: i64 = 2;

/// The topic that a record is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    Deliveries,
    Outcomes,
}

/// Why a record cannot become rows. The text may repeat parts of the record: it goes beside the
/// record's bytes in `projector_rejects`, and never to the log.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    #[error("the record has no value")]
    NoValue,
    #[error("the value is not a delivery: {0}")]
    Delivery(#[from] DecodeError),
    #[error("the value is not an outcome: {0}")]
    Outcome(#[from] serde_json::Error),
    #[error("the outcome contradicts itself: {0}")]
    Contradiction(&'static str),
    #[error("{0} is out of range")]
    Range(&'static str),
    #[error("accepted at {0}: there is no partition for that day")]
    Day(Timestamp),
}

/// What the record says of its delivery and, if it tells of a call, of that.
///
/// # Errors
/// What cannot become rows, see [`Refusal`].
pub fn read(
    record: &Record,
    source: Source,
    now: Timestamp,
) -> Result<(DeliveryRow, Option<AttemptRow>), Refusal> {
    let value = record.value.as_ref().ok_or(Refusal::NoValue)?;
    match source {
        Source::Deliveries => Ok((of_delivery(Delivery::decode(value.clone())?, now)?, None)),
        Source::Outcomes => {
            of_outcome(Outcome::decode(value)?, (record.partition, record.offset), now)
        }
    }
}

/// A release says nothing new of where the delivery stands: its outcome did.
fn of_delivery(delivery: Delivery, now: Timestamp) -> Result<DeliveryRow, Refusal> {
    Ok(DeliveryRow {
        key: DeliveryKey { id: delivery.id, accepted_at: acceptable(delivery.accepted_at, now)? },
        origin: Origin {
            subscription_id: delivery.subscription_id,
            message_id: delivery.message_id,
            event_type: delivery.event_type.map(storable),
        },
        content: Some(Content {
            content_type: storable(delivery.content_type),
            payload: delivery.body,
            attributes: object(delivery.attributes),
            replay_of: delivery.replay_of,
        }),
        standing: Standing::untold(),
        attempts: 0,
        last_call: None,
    })
}

fn object(attributes: Vec<(String, String)>) -> Option<Value> {
    let text = |(name, value)| (storable(name), Value::String(storable(value)));
    let object: Map<String, Value> = attributes.into_iter().map(text).collect();
    (!object.is_empty()).then_some(Value::Object(object))
}

fn of_outcome(
    outcome: Outcome,
    (outcome_partition, outcome_offset): (i32, i64),
    now: Timestamp,
) -> Result<(DeliveryRow, Option<AttemptRow>), Refusal> {
    check(&outcome)?;
    let key =
        DeliveryKey { id: outcome.delivery_id, accepted_at: acceptable(outcome.accepted_at, now)? };
    let attempted_at = whole_micros(outcome.occurred_at);
    let standing = Standing {
        state: outcome.state,
        reason: outcome.reason,
        release: number(outcome.release, "release")?,
        attempt: number(outcome.attempt, "attempt")?,
        next_attempt_at: outcome.next_attempt_at.map(whole_micros),
    };
    let attempt = match outcome.call {
        None => None,
        Some(call) => Some(AttemptRow {
            outcome_partition,
            outcome_offset,
            accepted_at: key.accepted_at,
            delivery_id: key.id,
            subscription_id: outcome.subscription_id,
            attempt: standing.attempt,
            succeeded: call.succeeded,
            state: standing.state,
            reason: standing.reason,
            target_url: storable(call.target_url),
            http_status: call.http_status.map(i32::from),
            error_kind: call.error_kind.map(storable),
            error: call.error.map(storable),
            latency_micros: number(call.latency_micros, "latency_micros")?,
            response_excerpt: storable(call.response_excerpt),
            response_truncated: call.response_truncated,
            attempted_at,
            next_attempt_at: standing.next_attempt_at,
        }),
    };
    let last_call = attempt.as_ref().map(|attempt| LastCall {
        attempted_at,
        http_status: attempt.http_status,
        error: attempt.error.clone(),
    });
    let delivery = DeliveryRow {
        key,
        origin: Origin {
            subscription_id: outcome.subscription_id,
            message_id: outcome.message_id,
            event_type: outcome.event_type.map(storable),
        },
        content: None,
        attempts: if attempt.is_some() { standing.attempt } else { 0 },
        // What else follows from a late call is for the process that makes it again.
        standing: if outcome.late && !standing.state.is_terminal() {
            Standing::untold()
        } else {
            standing
        },
        last_call,
    };
    Ok((delivery, attempt))
}

/// The rules of [`DeliveryRow::merge`] rest on these: a call goes with an attempt and with
/// nothing else, and whatever is delivered was delivered by a call.
fn check(outcome: &Outcome) -> Result<(), Refusal> {
    let call = outcome.call.as_ref();
    if call.is_some() != (outcome.kind == Kind::Attempt) {
        return Err(Refusal::Contradiction("a call goes with kind attempt, and only with it"));
    }
    let delivered = outcome.state == State::Delivered;
    let succeeded = |call: &Call| call.succeeded;
    if delivered && !call.is_some_and(succeeded) {
        return Err(Refusal::Contradiction("delivered without a call that succeeded"));
    }
    if outcome.attempt == 0 {
        return Err(Refusal::Range("attempt"));
    }
    Ok(())
}

fn number<N, T: TryFrom<N>>(number: N, field: &'static str) -> Result<T, Refusal> {
    T::try_from(number).map_err(|_| Refusal::Range(field))
}

fn acceptable(accepted_at: Timestamp, now: Timestamp) -> Result<Timestamp, Refusal> {
    let oldest = now.checked_sub((OLDEST_DAYS * 24).hours());
    let newest = now.checked_add((FURTHEST_AHEAD_DAYS * 24).hours());
    match (oldest, newest) {
        (Ok(oldest), Ok(newest)) if (oldest..=newest).contains(&accepted_at) => {
            Ok(whole_micros(accepted_at))
        }
        _ => Err(Refusal::Day(accepted_at)),
    }
}

/// What PostgreSQL keeps of a time.
fn whole_micros(at: Timestamp) -> Timestamp {
    Timestamp::from_microsecond(at.as_microsecond()).unwrap_or(at)
}

/// PostgreSQL refuses NUL in any text.
pub(crate) fn storable(text: String) -> String {
    if text.contains('\0') { text.replace('\0', "\u{fffd}") } else { text }
}

#[cfg(test)]
mod tests {
    use pipeline::outcome::Reason;

    use super::*;
    use crate::test_story::{self as story, DELIVERIES, NOW, OUTCOMES, record};

    fn told(outcome: &Outcome) -> Result<(DeliveryRow, Option<AttemptRow>), Refusal> {
        read(&record(OUTCOMES, 7, outcome.encode()), Source::Outcomes, NOW.parse().unwrap())
    }

    #[test]
    fn an_outcome_with_a_call_tells_of_the_attempt_and_of_the_delivery() {
        let outcome = story::failed(&story::delivery(0));
        let (delivery, attempt) = told(&outcome).unwrap();
        let attempt = attempt.unwrap();
        assert_eq!((attempt.outcome_partition, attempt.outcome_offset), (0, 7));
        assert_eq!((attempt.attempt, attempt.http_status), (1, Some(500)));
        assert_eq!((delivery.attempts, delivery.content), (1, None));
        assert_eq!(delivery.standing.next_attempt_at, outcome.next_attempt_at);
    }

    #[test]
    fn a_spill_and_an_end_are_no_attempts() {
        let cancelled = story::ended(&story::delivery(0), State::Cancelled, None);
        let spilled = Outcome { kind: Kind::Spill, state: State::Pending, ..cancelled.clone() };
        for outcome in [cancelled, spilled] {
            let (delivery, attempt) = told(&outcome).unwrap();
            assert_eq!((delivery.attempts, attempt), (0, None));
            assert_eq!(delivery.standing.state, outcome.state);
        }
    }

    #[test]
    fn nul_in_any_text_is_made_storable_and_times_lose_what_postgres_does_not_keep() {
        let mut delivery = story::delivery(0);
        delivery.event_type = Some("a\0b".to_owned());
        delivery.content_type = "\0".to_owned();
        let row = read(
            &record(DELIVERIES, 0, delivery.encode().to_vec()),
            Source::Deliveries,
            NOW.parse().unwrap(),
        );
        let row = row.unwrap().0;
        assert_eq!(row.origin.event_type.as_deref(), Some("a\u{fffd}b"));
        assert_eq!(row.content.unwrap().content_type, "\u{fffd}");

        let mut outcome = story::failed(&delivery);
        outcome.occurred_at += jiff::SignedDuration::from_nanos(1);
        let call = outcome.call.as_mut().unwrap();
        call.response_excerpt = "\0".to_owned();
        (call.target_url, call.error) = ("\0".to_owned(), Some("\0".to_owned()));
        call.error_kind = Some("\0".to_owned());
        let (row, attempt) = told(&outcome).unwrap();
        let shown = format!("{row:?} {attempt:?}");
        assert!(!shown.contains("\\0"), "{shown}");
        assert_eq!(attempt.unwrap().attempted_at.subsec_nanosecond() % 1_000, 0);
    }

    #[test]
    fn what_can_become_no_row_is_refused() {
        let delivery = story::delivery(0);
        let good = story::failed(&delivery);
        let mut failed_but_delivered = good.clone();
        failed_but_delivered.state = State::Delivered;
        let mut slow = good.clone();
        slow.call.as_mut().unwrap().latency_micros = u64::MAX;
        for refused in [
            Outcome { call: None, ..good.clone() },
            Outcome { kind: Kind::End, ..good.clone() },
            story::ended(&delivery, State::Delivered, Some(Reason::Expired)),
            failed_but_delivered,
            Outcome { attempt: 0, ..good.clone() },
            Outcome { attempt: u32::MAX, ..good.clone() },
            Outcome { release: u32::MAX, ..good },
            slow,
        ] {
            assert!(told(&refused).is_err(), "{refused:?}");
        }
        let mut empty = record(DELIVERIES, 0, Vec::new());
        empty.value = None;
        assert!(read(&empty, Source::Deliveries, NOW.parse().unwrap()).is_err());
    }

    #[test]
    fn only_days_that_a_partition_may_be_made_for_are_taken() {
        let now: Timestamp = NOW.parse().unwrap();
        for (hours, taken) in [
            (0, true),
            (-OLDEST_DAYS * 24, true),
            (-OLDEST_DAYS * 24 - 1, false),
            (FURTHEST_AHEAD_DAYS * 24, true),
            (FURTHEST_AHEAD_DAYS * 24 + 1, false),
        ] {
            let accepted_at = now + hours.hours();
            let outcome = Outcome { accepted_at, ..story::failed(&story::delivery(0)) };
            assert_eq!(told(&outcome).is_ok(), taken, "{hours}");
        }
        let endless = Outcome { accepted_at: Timestamp::MAX, ..story::failed(&story::delivery(0)) };
        assert!(told(&endless).is_err());
    }
}
