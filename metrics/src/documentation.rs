//! The registry for people.

use std::fmt::Write;

use crate::family::{Family, Kind, Values};
use crate::registry::SECTIONS;

const HEAD: &str = "# Metrics

Every process answers `GET /metrics` on its operations port (`HOOKLOG_OPS_LISTEN`) in Prometheus' text
format. `hooklog up` has one page for all four roles; a role that runs alone shows its own. Counters
begin at 0 with each process. What concerns one subscription is in PostgreSQL, never in a label.

The dashboard for Grafana is [grafana/hooklog.json](grafana/hooklog.json), the alert rules are
[prometheus/alerts.yml](prometheus/alerts.yml). This page is written by
`HOOKLOG_WRITE_DOCS=1 cargo test -p metrics`.
";

/// `docs/metrics.md`.
pub fn markdown() -> String {
    let mut page = HEAD.to_owned();
    for section in SECTIONS {
        // Writing to a string does not fail.
        let _ = write!(page, "\n## {}\n", section.title);
        for family in section.families {
            let _ = write!(page, "\n{}", entry(family));
        }
    }
    page
}

fn entry(family: &Family) -> String {
    let mut entry = format!("**`{}`** ({})  \n{}\n", family.name, family.kind.as_str(), family.doc);
    if !family.labels.is_empty() {
        entry.push('\n');
    }
    for label in family.labels {
        let values = match label.values {
            Values::Closed(values) => {
                values.iter().map(|value| format!("`{value}`")).collect::<Vec<_>>().join(", ")
            }
            Values::OfInstallation { what, .. } => what.to_owned(),
        };
        let _ = writeln!(entry, "- `{}`: {values}", label.name);
    }
    if let Kind::Histogram(bounds) = family.kind {
        let bounds: Vec<String> = bounds.iter().map(ToString::to_string).collect();
        let _ = writeln!(entry, "\nBounds in seconds: {}.", bounds.join(", "));
    }
    entry
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_is_what_the_registry_says() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/metrics.md");
        if std::env::var_os("HOOKLOG_WRITE_DOCS").is_some() {
            std::fs::write(path, markdown()).expect("write docs/metrics.md");
        }
        let there = std::fs::read_to_string(path).expect("read docs/metrics.md");
        assert_eq!(there, markdown(), "write it with HOOKLOG_WRITE_DOCS=1");
    }
}
