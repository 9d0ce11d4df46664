//! Every query of the dashboard and of the alert rules is PromQL, and names only metrics, labels
//! and values that the registry has.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::{BTreeSet, HashSet};
use std::convert::Infallible;

use metrics::registry::families;
use metrics::{Family, Kind, Values};
use promql_parser::label::{MatchOp, Matcher};
use promql_parser::parser::{self, Expr, LabelModifier, VectorMatchCardinality, VectorSelector};
use promql_parser::util::{ExprVisitor, walk_expr};

const DASHBOARD: &str = include_str!("../../docs/grafana/hooklog.json");
const ALERTS: &str = include_str!("../../docs/prometheus/alerts.yml");
/// What Prometheus adds to every series of a scrape.
const OF_THE_SCRAPE: [&str; 2] = ["instance", "job"];

/// The queries of every panel, with the interval that Grafana would put in.
fn dashboard_queries() -> Vec<String> {
    let dashboard: serde_json::Value = serde_json::from_str(DASHBOARD).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let targets = panels.iter().filter_map(|panel| panel["targets"].as_array()).flatten();
    targets
        .map(|target| target["expr"].as_str().unwrap().replace("$__rate_interval", "1m"))
        .collect()
}

/// The queries of every rule; the file keeps each on one line.
fn alert_queries() -> Vec<&'static str> {
    ALERTS.lines().filter_map(|line| line.trim().strip_prefix("expr: ")).collect()
}

/// What a query names.
#[derive(Default)]
struct Named {
    selectors: Vec<VectorSelector>,
    /// Labels that it groups and matches by.
    labels: BTreeSet<String>,
}

impl Named {
    fn by(query: &str) -> Self {
        let parsed = parser::parse(query).unwrap_or_else(|error| panic!("{query}: {error}"));
        let mut named = Self::default();
        let Ok(_) = walk_expr(&mut named, &parsed);
        named
    }

    fn add_labels(&mut self, modifier: Option<&LabelModifier>) {
        if let Some(LabelModifier::Include(labels) | LabelModifier::Exclude(labels)) = modifier {
            self.labels.extend(labels.labels.iter().cloned());
        }
    }
}

impl ExprVisitor for Named {
    type Error = Infallible;

    fn pre_visit(&mut self, expr: &Expr) -> Result<bool, Infallible> {
        match expr {
            Expr::VectorSelector(selector) => self.selectors.push(selector.clone()),
            Expr::MatrixSelector(range) => self.selectors.push(range.vs.clone()),
            Expr::Aggregate(aggregate) => self.add_labels(aggregate.modifier.as_ref()),
            Expr::Binary(binary) => {
                if let Some(modifier) = &binary.modifier {
                    self.add_labels(modifier.matching.as_ref());
                    if let VectorMatchCardinality::ManyToOne(labels)
                    | VectorMatchCardinality::OneToMany(labels) = &modifier.card
                    {
                        self.labels.extend(labels.labels.iter().cloned());
                    }
                }
            }
            _ => {}
        }
        Ok(true)
    }
}

/// The family of a series' name, and the labels that its series have.
fn family_of(name: &str) -> Option<(&'static Family, Vec<&'static str>)> {
    families().find_map(|family| {
        let mut labels: Vec<&str> = family.labels.iter().map(|label| label.name).collect();
        labels.extend(OF_THE_SCRAPE);
        if !matches!(family.kind, Kind::Histogram(_)) {
            return (name == family.name).then_some((family, labels));
        }
        match name.strip_prefix(family.name)? {
            "_bucket" => labels.push("le"),
            "_sum" | "_count" => {}
            _ => return None,
        }
        Some((family, labels))
    })
}

/// What is wrong with what a query names; empty if nothing is.
fn faults(query: &str) -> Vec<String> {
    let named = Named::by(query);
    let mut faults = Vec::new();
    let mut known: HashSet<&str> = HashSet::new();
    for selector in &named.selectors {
        let name = selector.name.as_deref().unwrap_or_default();
        // Prometheus' own.
        let (family, labels) = match name {
            "up" => (None, OF_THE_SCRAPE.to_vec()),
            _ => match family_of(name) {
                Some((family, labels)) => (Some(family), labels),
                None => {
                    faults.push(format!("no metric {name:?}"));
                    continue;
                }
            },
        };
        known.extend(&labels);
        for matcher in &selector.matchers.matchers {
            if !labels.contains(&matcher.name.as_str()) {
                faults.push(format!("{name} has no label {:?}", matcher.name));
            }
            faults.extend(family.and_then(|family| unknown_value(family, matcher)));
        }
    }
    faults.extend(
        named
            .labels
            .iter()
            .filter(|label| !known.contains(label.as_str()))
            .map(|label| format!("nothing that is asked for has the label {label:?}")),
    );
    faults
}

/// A matcher's value that its label never has.
fn unknown_value(family: &Family, matcher: &Matcher) -> Option<String> {
    let label = family.labels.iter().find(|label| label.name == matcher.name)?;
    let Values::Closed(values) = label.values else { return None };
    let fits = match &matcher.op {
        MatchOp::Equal | MatchOp::NotEqual => values.contains(&matcher.value.as_str()),
        // Each of the alternatives, for the files use no other patterns of closed labels.
        MatchOp::Re(_) | MatchOp::NotRe(_) => {
            matcher.value.split('|').all(|value| values.contains(&value))
        }
    };
    (!fits).then(|| format!("{} is never {:?}", label.name, matcher.value))
}

#[test]
fn the_dashboard_asks_only_for_what_there_is() {
    let queries = dashboard_queries();
    assert!(queries.len() > 40, "{} queries", queries.len());
    for query in queries {
        assert_eq!(faults(&query), [""; 0], "{query}");
    }
}

#[test]
fn the_alert_rules_ask_only_for_what_there_is_and_say_what_to_do() {
    let queries = alert_queries();
    let count = |word: &str| ALERTS.lines().filter(|line| line.trim().starts_with(word)).count();
    assert!(queries.len() > 10, "{} queries", queries.len());
    assert_eq!(count("- alert: "), queries.len());
    assert_eq!(count("summary: "), queries.len());
    assert_eq!(count("runbook: "), queries.len());
    for query in queries {
        assert_eq!(faults(query), [""; 0], "{query}");
    }
}

#[test]
fn every_metric_is_on_the_dashboard_or_in_a_rule() {
    let mut asked: HashSet<&str> = HashSet::new();
    let all = dashboard_queries().into_iter().chain(alert_queries().into_iter().map(str::to_owned));
    for query in all {
        let names = Named::by(&query).selectors.into_iter().filter_map(|selector| selector.name);
        asked.extend(names.filter_map(|name| family_of(&name)).map(|(family, _)| family.name));
    }
    let never: Vec<&str> =
        families().map(|family| family.name).filter(|name| !asked.contains(name)).collect();
    assert_eq!(never, [""; 0]);
}

#[test]
fn a_wrong_name_label_or_value_is_found() {
    for (query, fault) in [
        ("rate(hooklog_nothing_total[5m])", "no metric \"hooklog_nothing_total\""),
        ("hooklog_call_seconds", "no metric \"hooklog_call_seconds\""),
        ("hooklog_lanes{kind=\"all\"}", "hooklog_lanes has no label \"kind\""),
        ("hooklog_lanes{state=\"broken\"}", "state is never \"broken\""),
        ("hooklog_lanes{state=~\"all|broken\"}", "state is never \"all|broken\""),
        ("sum by (tier) (hooklog_lanes)", "nothing that is asked for has the label \"tier\""),
        ("hooklog_lanes / on (le) hooklog_lanes", "nothing that is asked for has the label \"le\""),
    ] {
        assert_eq!(faults(query), [fault], "{query}");
    }
}
