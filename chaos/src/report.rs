//! What a run says at its end.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use pipeline::outcome::{Kind, State};

use crate::check::{self, Duplicates, Verdict};
use crate::evidence::{Evidence, RepeatBound, Told, end_state};
use crate::fleet::FleetLog;
use crate::journal::Pages;
use crate::storm::Dealt;

/// Violations of one invariant that are printed; the rest is counted.
const PRINTED: usize = 5;

/// Counts and verdicts, as text.
pub fn text(
    evidence: &Evidence,
    pages: &Pages,
    dealt: &Dealt,
    fleet: &FleetLog,
    rested: Option<Duration>,
    verdicts: &[Verdict],
) -> String {
    let mut text = String::new();
    // Writing to a String does not fail.
    let _ = counts(&mut text, evidence, pages);
    let _ = faults(&mut text, dealt, fleet);
    if let Some(rested) = rested {
        let _ = writeln!(text, "at rest       {:.0} s after the faults", rested.as_secs_f64());
    }
    let _ = footprints(&mut text, evidence);
    for verdict in verdicts {
        let _ = one_verdict(&mut text, verdict);
    }
    text
}

fn counts(text: &mut String, evidence: &Evidence, pages: &Pages) -> std::fmt::Result {
    let told = |wanted: fn(&Told) -> bool| evidence.sent.iter().filter(|s| wanted(&s.told)).count();
    writeln!(
        text,
        "events        {} sent: {} accepted, {} refused or filtered, {} unknown; {} held back; \
         {} poison",
        evidence.sent.len(),
        told(|told| matches!(told, Told::Accepted(_))),
        told(|told| matches!(told, Told::Refused(_))),
        told(|told| *told == Told::Unknown),
        pages.held_back,
        evidence.poison.len(),
    )?;
    let mut by_way: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for ((way, status), count) in &pages.answers {
        by_way.entry(way).or_default().push(format!("{status} x{count}"));
    }
    for (way, answers) in by_way {
        writeln!(text, "  {way:<16}{}", answers.join(", "))?;
    }
    let outcomes = evidence.outcomes_by_delivery();
    let ended = |state| outcomes.values().filter(|of| end_state(of) == Some(state)).count();
    let of_kind = |kind| evidence.outcomes.iter().filter(|o| o.value.kind == kind).count();
    writeln!(
        text,
        "deliveries    {}: {} delivered, {} dead-lettered, {} cancelled",
        outcomes.len(),
        ended(State::Delivered),
        ended(State::DeadLettered),
        ended(State::Cancelled),
    )?;
    writeln!(
        text,
        "outcomes      {} attempts, {} spills, {} ends without a call; receivers logged {} calls",
        of_kind(Kind::Attempt),
        of_kind(Kind::Spill),
        of_kind(Kind::End),
        evidence.calls.len(),
    )?;
    let Duplicates { calls, deliveries, by_repeated_records, of_the_pipeline, belated } =
        check::count_duplicates(evidence);
    let RepeatBound { lost: most, belated: most_belated } = evidence.repeats;
    writeln!(
        text,
        "duplicates    {calls} calls too many for {deliveries} deliveries, {by_repeated_records} of \
         them by repeated records ({of_the_pipeline} by the pipeline's own); {most} are allowed; \
         {belated} calls after the commit, {most_belated} are allowed",
    )
}

fn faults(text: &mut String, dealt: &Dealt, fleet: &FleetLog) -> std::fmt::Result {
    let total: usize = dealt.kinds.values().sum();
    writeln!(
        text,
        "faults        {total} dealt, {} missed; {} processes killed, {} of them at their crash \
         point",
        dealt.missed,
        fleet.kills,
        fleet.crashes.len()
    )?;
    for (kind, count) in &dealt.kinds {
        writeln!(text, "  {kind} x{count}")?;
    }
    let mut points: BTreeMap<&str, usize> = BTreeMap::new();
    for point in &fleet.crashes {
        *points.entry(point.name()).or_default() += 1;
    }
    let hit = points.iter().map(|(point, count)| format!("{point} x{count}"));
    let hit: Vec<String> = hit.collect();
    writeln!(
        text,
        "crash points  {}",
        if hit.is_empty() { "none hit".into() } else { hit.join(", ") }
    )
}

fn footprints(text: &mut String, evidence: &Evidence) -> std::fmt::Result {
    for (_, process, before, after) in &evidence.footprints {
        writeln!(
            text,
            "  {process:<20} {} -> {} MiB, {} -> {} descriptors, {} -> {} threads",
            before.resident_kib >> 10,
            after.resident_kib >> 10,
            before.descriptors,
            after.descriptors,
            before.threads,
            after.threads,
        )?;
    }
    Ok(())
}

fn one_verdict(text: &mut String, verdict: &Verdict) -> std::fmt::Result {
    let count = verdict.violations.len();
    let word = if count == 0 { "holds".to_owned() } else { format!("VIOLATED {count} times") };
    writeln!(text, "{:<8} {word}: {}", verdict.name, verdict.rule)?;
    for violation in verdict.violations.iter().take(PRINTED) {
        writeln!(text, "         - {}", violation.what)?;
    }
    if count > PRINTED {
        writeln!(text, "         - and {} more", count - PRINTED)?;
    }
    Ok(())
}
