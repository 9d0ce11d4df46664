//! Every metric of hooklog.

use crate::family::{Family, Kind, Label, Section};
use Kind::{Counter, Gauge, Histogram, SecondsGauge};

/// For what happens between processes of one installation.
const QUICK: Kind = Histogram(&[
    0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
]);
/// For calls to receivers.
const CALL: Kind = Histogram(&[
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
]);
/// For what is late.
const LATENESS: Kind = Histogram(&[
    0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1_800.0, 7_200.0,
]);

const ROLE: Label = Label::closed(
    "role",
    &["ingest-gateway", "delivery-consumer", "retry-scheduler", "status-projector"],
);
const VERSION: Label = Label::named("version", "hooklog's version", 1);
const TOPIC: Label = Label::named("topic", "a topic's whole name", 40);
const LOOP: Label = Label::named(
    "loop",
    "who reads: `front-door`, `delivery-consumer`, `retry-scheduler` or `projector`",
    4,
);
const CHANGE: Label = Label::closed("change", &["assigned", "revoked"]);
const PRODUCER: Label = Label::named(
    "producer",
    "who writes: `ingest-gateway`, `front-door`, `delivery-consumer` or `retry-scheduler`",
    4,
);
const PRODUCE_FAILURE: Label =
    Label::closed("reason", &["queue_full", "no_topic", "unacknowledged", "refused"]);
const CONTRACT: Label = Label::closed("contract", &["a", "b", "v1"]);
const ANSWER: Label = Label::closed(
    "answer",
    &["accepted", "rejected", "unauthorized", "not_found", "too_large", "unavailable", "failed"],
);
const EVENT_END: Label = Label::closed(
    "decision",
    &["accepted", "filtered_by_type", "filtered_by_missing_type", "filtered_by_payload"],
);
const FRONT_DOOR_END: Label = Label::closed("end", &["fanned_out", "buried"]);
const CALL_END: Label = Label::closed(
    "end",
    &[
        "2xx",
        "3xx",
        "4xx",
        "5xx",
        "other_status",
        "egress_denied",
        "dns",
        "refused",
        "unreachable",
        "tls",
        "timeout",
        "reset",
        "protocol",
        "other",
        "secret",
    ],
);
const FINAL_STATE: Label = Label::closed("state", &["delivered", "dead_lettered", "cancelled"]);
const DEAD_LETTER_REASON: Label =
    Label::closed("reason", &["exhausted", "permanent", "expired", "poison"]);
const SPILL_REASON: Label = Label::closed(
    "reason",
    &["configuration_behind", "paused", "limited", "overloaded", "breaker_open"],
);
const LANE_STATE: Label =
    Label::closed("state", &["all", "suspect", "breaker_open", "breaker_half_open"]);
const QUEUE: Label = Label::closed("queue", &["retries", "spills"]);
const RELEASED_TO: Label = Label::closed("to", &["deliveries", "next_tier"]);

macro_rules! registry {
    ($($title:literal {
        $($constant:ident = $kind:expr, $name:literal, [$($label:expr),*], $doc:literal;)+
    })+) => {
        $($(
            #[doc = $doc]
            pub const $constant: Family =
                Family { name: $name, kind: $kind, labels: &[$($label),*], doc: $doc };
        )+)+

        /// Everything, in the order in which it is documented.
        pub const SECTIONS: &[Section] =
            &[$(Section { title: $title, families: &[$($constant),+] }),+];
    };
}

registry! {
    "Every process" {
        BUILD_INFO = Gauge, "hooklog_build_info", [VERSION],
            "1, with the version that runs.";
        ROLE_READY = Gauge, "hooklog_role_ready", [ROLE],
            "Whether the role can do its work: 1, or 0 while it starts. Only the process's own roles are there.";
        PROCESS_RESIDENT = Gauge, "process_resident_memory_bytes", [],
            "Memory that the process has in RAM. Linux only, as all of `process_`.";
        PROCESS_THREADS = Gauge, "process_threads", [],
            "Threads of the process.";
        PROCESS_OPEN_FILES = Gauge, "process_open_fds", [],
            "Open file descriptors, connections among them.";
        PROCESS_MAX_FILES = Gauge, "process_max_fds", [],
            "How many it may open.";
    }
    "Taking events in" {
        INGEST_REQUESTS = Counter, "hooklog_ingest_requests_total", [CONTRACT, ANSWER],
            "Requests that hand over events, by the class of their answer. A batch is one request, and is accepted if the whole is.";
        INGEST_SECONDS = QUICK, "hooklog_ingest_request_seconds", [CONTRACT],
            "From the head of such a request to the head of its answer.";
        EVENTS = Counter, "hooklog_events_total", [EVENT_END],
            "Events that were in order, over HTTP: written to the log, or filtered and written nowhere. An event for all subscriptions is accepted whoever wants it.";
        FRONT_DOOR_EVENTS = Counter, "hooklog_front_door_events_total", [FRONT_DOOR_END],
            "Records of `events` that the front door is done with: fanned out, or buried in `dead-letters` since they are no event.";
        FRONT_DOOR_DELIVERIES = Counter, "hooklog_front_door_deliveries_total", [],
            "Deliveries that the front door has made of them.";
    }
    "Writing to Kafka" {
        PRODUCE_SECONDS = QUICK, "hooklog_produce_seconds", [PRODUCER],
            "From the hand-over of a record to the broker's acknowledgement.";
        PRODUCE_FAILURES = Counter, "hooklog_produce_failures_total", [PRODUCER, PRODUCE_FAILURE],
            "Records that were not acknowledged. Effects of a delivery are tried again after `queue_full` and `no_topic`.";
        PRODUCE_QUEUE_BYTES = Gauge, "hooklog_produce_queue_bytes", [PRODUCER],
            "Keys and values of the records that wait for their acknowledgement.";
        PRODUCE_QUEUE_RECORDS = Gauge, "hooklog_produce_queue_records", [PRODUCER],
            "Records that wait for their acknowledgement.";
    }
    "Reading from Kafka" {
        LAG = Gauge, "hooklog_consumer_lag_records", [LOOP, TOPIC],
            "From the committed offset to the end of the log, over the partitions that this process has; looked at every few seconds. Of a tier: what waits in it.";
        PARTITIONS = Gauge, "hooklog_consumer_partitions", [LOOP, TOPIC],
            "Partitions that this process has.";
        OLDEST_UNFINISHED = SecondsGauge, "hooklog_consumer_oldest_unfinished_seconds", [LOOP, TOPIC],
            "Since the broker appended the oldest record that was read and is not finished, to a tenth of a second; 0 if there is none. Of `deliveries`: the age of the oldest delivery that holds a partition. Of a tier: how long its head has waited.";
        UNFINISHED_RECORDS = Gauge, "hooklog_consumer_unfinished_records", [LOOP],
            "Records that were read and are not finished.";
        UNFINISHED_BYTES = Gauge, "hooklog_consumer_unfinished_bytes", [LOOP],
            "The same in bytes, as they count against the loop's bound.";
        COMMIT_FAILURES = Counter, "hooklog_consumer_commit_failures_total", [LOOP],
            "Commits that the broker has refused or not answered. The next one says the same, and more.";
        REBALANCES = Counter, "hooklog_consumer_rebalances_total", [LOOP, CHANGE],
            "Changes of the partitions that this process has.";
    }
    "Delivering" {
        CALLS = Counter, "hooklog_calls_total", [CALL_END],
            "Calls to receivers, by the class of their answer or by why there was none.";
        CALL_SECONDS = CALL, "hooklog_call_seconds", [],
            "From the start of a call to its end, however it ended.";
        CALLS_IN_FLIGHT = Gauge, "hooklog_calls_in_flight", [],
            "Calls that run.";
        LATE_CALLS = Counter, "hooklog_late_calls_total", [],
            "Calls that ended after their partition had gone to another process, which makes them again.";
        ENDED = Counter, "hooklog_deliveries_ended_total", [FINAL_STATE],
            "Deliveries that have reached their last state.";
        RETRIES = Counter, "hooklog_retries_scheduled_total", [],
            "Calls that failed and are made again later.";
        DEAD_LETTERS = Counter, "hooklog_dead_letters_total", [DEAD_LETTER_REASON],
            "Records that the consumer has written to `dead-letters`.";
        SPILLS = Counter, "hooklog_spills_total", [SPILL_REASON],
            "Deliveries that were put aside without a call.";
        REPEATS = Counter, "hooklog_repeats_suppressed_total", [],
            "Records that repeat a delivery which this process has taken in.";
        LANES = Gauge, "hooklog_lanes", [LANE_STATE],
            "Subscriptions with calls in the last ten minutes; those with nothing in their favour yet or whose calls are slow; those whose breaker is open, or probes.";
        QUEUED_RECORDS = Gauge, "hooklog_lanes_queued_records", [],
            "Deliveries that wait in a lane for their call.";
        QUEUED_BYTES = Gauge, "hooklog_lanes_queued_bytes", [],
            "The same in bytes.";
        ASIDE = Gauge, "hooklog_aside_records", [],
            "Deliveries that are to be put aside, or have ended without a call, and are not written yet.";
    }
    "Waiting" {
        TIER_SECONDS = SecondsGauge, "hooklog_tier_seconds", [TOPIC],
            "How long a record is held in a tier. What a head has waited for beyond that is what the scheduler is late by.";
        RELEASES = Counter, "hooklog_releases_total", [QUEUE, RELEASED_TO],
            "Records whose stay in a tier is over, by where they went.";
        RELEASE_LATENESS = LATENESS, "hooklog_release_late_seconds", [QUEUE],
            "How long after its due time a delivery was released into `deliveries`; at most 0 counts as 0.";
    }
    "Projecting" {
        BATCH_SECONDS = QUICK, "hooklog_projector_batch_seconds", [],
            "From the hand-over of a batch to the end of its last transaction, tries included.";
        PROJECTED = Counter, "hooklog_projector_records_total", [],
            "Records that are projected.";
        REJECTED = Counter, "hooklog_projector_rejected_records_total", [],
            "Records that were set aside in `projector_rejects`.";
        OF_DROPPED_DAYS = Counter, "hooklog_projector_dropped_day_records_total", [],
            "Records that told of a delivery whose day is beyond retention.";
        PROJECTION_LAG = Gauge, "hooklog_projection_lag_records", [TOPIC],
            "From the offset in PostgreSQL to the end of the log, over the whole installation; every process with a projector tells the same.";
        PROJECTION_LOOKED = SecondsGauge, "hooklog_projection_lag_looked_timestamp_seconds", [],
            "When the lag was looked at, since the Unix epoch; while a store is away the lag stays as it was then. 0 before the first look.";
        OLDEST_UNPROJECTED = SecondsGauge, "hooklog_projection_oldest_unprojected_seconds", [],
            "Since the broker appended the oldest record that this process has read and not projected; 0 if there is none.";
        WORK_KEPT = Gauge, "hooklog_work_kept_records", [TOPIC],
            "Records of a work topic that the janitor has kept; 0 in a process whose janitor waits for another one's lock.";
        OVERTAKEN = Gauge, "hooklog_work_overtaken_partitions", [TOPIC],
            "The janitor's alarm: partitions where a reader's position is below the start of the log, so that records may have been lost.";
        JANITOR_LOOKED = SecondsGauge, "hooklog_janitor_last_round_timestamp_seconds", [],
            "When the janitor's last round ended, since the Unix epoch; 0 in a process whose janitor waits for another one's lock.";
    }
}

/// Every metric.
pub fn families() -> impl Iterator<Item = &'static Family> {
    SECTIONS.iter().flat_map(|section| section.families)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    /// More series than any one metric may have in a process.
    const MOST_SERIES: usize = 200;

    #[test]
    fn every_name_is_there_once_and_ends_as_prometheus_wants_it() {
        let mut seen = HashSet::new();
        for family in families() {
            let (name, kind) = (family.name, family.kind);
            assert!(seen.insert(name), "{name} is there twice");
            assert!(name.starts_with("hooklog_") || name.starts_with("process_"), "{name}");
            assert_eq!(name.ends_with("_total"), kind == Counter, "{name}");
            if matches!(kind, SecondsGauge | Histogram(_)) {
                assert!(name.ends_with("_seconds"), "{name}");
            }
            assert!(family.doc.ends_with('.'), "{name}: {}", family.doc);
        }
    }

    #[test]
    fn no_metric_can_grow_beyond_a_bound() {
        for family in families() {
            let values: usize = family.labels.iter().map(Label::size).product();
            assert!(values <= MOST_SERIES, "{} has up to {values} series", family.name);
        }
    }
}
