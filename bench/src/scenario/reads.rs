//! Ten million deliveries, and every question that `docs/dashboards.md` documents, asked warm:
//! how long does each take, and by which indexes is it answered?
//!
//! Unlike the other scenarios it fails if a goal is missed: a question that takes too long on any
//! machine of two cores, or one that reads a day from beginning to end.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, bail, ensure};
use clap::Args;
use serde_json::Value;
use tokio_postgres::{Client, NoTls};

use super::Common;
use crate::installation::Installation;
use crate::report::{Goal, Report};

const LOAD: &str = include_str!("reads/load.sql");
const QUESTIONS: &str = include_str!("../../../docs/dashboard-questions.sql");
const TOPIC: &str = "hooklog.outcomes";
/// Loading takes a while, and then the last hour is no longer full: the window of health reaches
/// back to an hour before the newest delivery.
const LAST_HOUR_LOADED: &str = "\
    SELECT set_config('hooklog.health_window', (now() - max(minute) + interval '1 hour')::text, false) \
    FROM delivery_minutes";
/// Offsets that are counted at a time.
const ROLL_UP: i64 = 500_000;
/// Times that each question is asked after the first.
const ROUNDS: usize = 9;
const GOAL: Goal = Goal::AtMost(50.0);
/// A table of fewer rows is no day.
const DAY_ROWS: f32 = 10_000.0;

#[derive(Debug, Args)]
pub struct Arguments {
    /// Deliveries to load.
    #[arg(long, default_value_t = 10_000_000)]
    count: u64,
    /// Use a migrated database that is there, and load nothing if it has deliveries.
    #[arg(long, value_name = "URL")]
    on: Option<String>,
}

pub async fn run(common: &Common, arguments: &Arguments) -> anyhow::Result<Report> {
    // Stops the stores when it goes.
    let (_installation, url) = match &arguments.on {
        Some(url) => (None, url.clone()),
        None => {
            let mine = std::env::current_exe().context("find this program")?;
            let own_folder = mine.parent().unwrap_or(Path::new("."));
            let programs = common.programs.as_deref().unwrap_or(own_folder);
            let new = tokio::task::block_in_place(|| Installation::start(programs, &[]))?;
            let url = new.database_url.clone();
            (Some(new), url)
        }
    };
    let (client, connection) =
        tokio_postgres::connect(&url, NoTls).await.context("connect to PostgreSQL")?;
    // It ends with its client.
    tokio::spawn(connection);
    let is_empty = "SELECT NOT EXISTS (SELECT FROM deliveries)";
    if client.query_one(is_empty, &[]).await.context("look for deliveries")?.get(0) {
        load(&client, arguments.count).await?;
    }
    client.execute(LAST_HOUR_LOADED, &[]).await.context("set the window")?;
    let names = Names::read(&client).await?;
    let count: i64 =
        client.query_one("SELECT sum(accepted)::bigint FROM delivery_minutes", &[]).await?.get(0);
    let setting = format!("{count} deliveries; the fastest of {ROUNDS} warm answers, in ms");
    let mut report = Report::new("reads", setting);
    report.note("| question | ms | plan |");
    report.note("|---|---|---|");
    let mut scans = Vec::new();
    for (name, sql) in questions()? {
        let answer = ask(&client, &names, sql).await.with_context(|| format!("ask for {name}"))?;
        report.figure(name, answer.fastest_ms, Some(GOAL));
        report.note(format!("| {name} | {:.1} | {} |", answer.fastest_ms, answer.plan.text()));
        if let Some(day) = answer.plan.scanned_days.first() {
            scans.push(format!("{name}: all of {day}"));
        }
    }
    let is_slow = report.rows.iter().any(|row| row.is_met == Some(false));
    if is_slow || !scans.is_empty() {
        bail!("{report}{}", scans.join("\n"));
    }
    Ok(report)
}

async fn load(client: &Client, count: u64) -> anyhow::Result<()> {
    let started_at = Instant::now();
    let say = |what: &str| {
        let seconds = started_at.elapsed().as_secs();
        // With no terminal left there is nobody to tell.
        let _ = writeln!(std::io::stderr(), "{seconds:>5} s: {what}");
    };
    say(&format!("loading {count} deliveries"));
    client.batch_execute(&LOAD.replace(":count", &count.to_string())).await.context("load")?;
    say("counting their calls");
    while client.query_one("SELECT roll_up($1, $2)", &[&TOPIC, &ROLL_UP]).await?.get(0) {}
    say("VACUUM ANALYZE");
    client.batch_execute("VACUUM (ANALYZE)").await.context("vacuum")?;
    say("loaded");
    Ok(())
}

/// Each question's name and its statement.
fn questions() -> anyhow::Result<Vec<(&'static str, &'static str)>> {
    let each = QUESTIONS.split("-- question: ").skip(1);
    each.map(|text| {
        let (name, sql) = text.split_once('\n').context("a question has no statement")?;
        Ok((name, sql.trim()))
    })
    .collect()
}

#[derive(Debug)]
struct Answer {
    fastest_ms: f64,
    plan: Plan,
}

async fn ask(client: &Client, names: &Names, sql: &str) -> anyhow::Result<Answer> {
    let explain = format!("EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {sql}");
    let mut answer: Option<Answer> = None;
    for round in 0..=ROUNDS {
        let rows = client.query(&explain, &[]).await?;
        // The first one warms up.
        if round == 0 {
            continue;
        }
        let told: Value = rows.first().context("EXPLAIN says nothing")?.try_get(0)?;
        let figure = |name: &str| told[0][name].as_f64().with_context(|| format!("no {name}"));
        let taken_ms = figure("Planning Time")? + figure("Execution Time")?;
        if answer.as_ref().is_none_or(|fastest| taken_ms < fastest.fastest_ms) {
            let plan = Plan::of(&told[0]["Plan"], names);
            answer = Some(Answer { fastest_ms: taken_ms, plan });
        }
    }
    answer.context("it was never asked")
}

/// What a plan has read.
#[derive(Debug, Default, PartialEq)]
struct Plan {
    /// In the order of their first use; those of a day by the name that all days have.
    indexes: Vec<String>,
    /// Tables that were read from beginning to end.
    scanned: Vec<String>,
    /// The days among them.
    scanned_days: Vec<String>,
}

impl Plan {
    fn of(root: &Value, names: &Names) -> Self {
        let mut plan = Self::default();
        plan.visit(root, names);
        plan
    }

    fn visit(&mut self, node: &Value, names: &Names) {
        // What was planned and never run costs nothing.
        if node["Actual Loops"].as_f64() == Some(0.0) {
            return;
        }
        if let Some(index) = node["Index Name"].as_str() {
            let index = names.index_of_all_days.get(index).map_or(index, String::as_str);
            push_new(&mut self.indexes, index);
        }
        if let (Some("Seq Scan"), Some(table)) =
            (node["Node Type"].as_str(), node["Relation Name"].as_str())
        {
            match names.day_rows.get(table) {
                Some(rows) if *rows >= DAY_ROWS => push_new(&mut self.scanned_days, table),
                Some(_) => {}
                None => push_new(&mut self.scanned, table),
            }
        }
        for child in node["Plans"].as_array().into_iter().flatten() {
            self.visit(child, names);
        }
    }

    fn text(&self) -> String {
        let indexes = self.indexes.iter().map(|index| format!("`{index}`"));
        let scanned = self.scanned.iter().map(|table| format!("all of `{table}`"));
        indexes.chain(scanned).collect::<Vec<_>>().join(", ")
    }
}

fn push_new(to: &mut Vec<String>, name: &str) {
    if to.iter().all(|known| known != name) {
        to.push(name.to_owned());
    }
}

/// How the days' tables and indexes are called.
#[derive(Debug, Default)]
struct Names {
    index_of_all_days: BTreeMap<String, String>,
    day_rows: BTreeMap<String, f32>,
}

impl Names {
    async fn read(client: &Client) -> anyhow::Result<Self> {
        let sql = "SELECT child.relname, parent.relname, child.relkind::text, child.reltuples \
                   FROM pg_inherits JOIN pg_class AS child ON child.oid = inhrelid \
                   JOIN pg_class AS parent ON parent.oid = inhparent";
        let mut names = Self::default();
        for row in client.query(sql, &[]).await.context("read the names of days")? {
            let (child, parent): (String, String) = (row.get(0), row.get(1));
            if row.get::<_, &str>(2) == "i" {
                names.index_of_all_days.insert(child, parent);
            } else {
                names.day_rows.insert(child, row.get(3));
            }
        }
        ensure!(!names.day_rows.is_empty(), "there are no days");
        Ok(names)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_plan_tells_which_days_it_has_read_as_a_whole() {
        let names = Names {
            index_of_all_days: [("day_1_idx".to_owned(), "latest".to_owned())].into(),
            day_rows: [("day_1".to_owned(), 1e6), ("day_2".to_owned(), 3.0)].into(),
        };
        let scan = |table: &str, loops: u32| json!({"Node Type": "Seq Scan", "Relation Name": table, "Actual Loops": loops});
        let index =
            json!({"Node Type": "Index Scan", "Index Name": "day_1_idx", "Actual Loops": 1});
        let plan = json!({"Node Type": "Append", "Actual Loops": 1, "Plans": [
            index, scan("day_2", 1), scan("subscriptions", 1), index, scan("day_1", 0),
        ]});
        let read = Plan::of(&plan, &names);
        assert_eq!(read.scanned_days, [""; 0]);
        assert_eq!(read.text(), "`latest`, all of `subscriptions`");
        let whole = json!({"Node Type": "Limit", "Actual Loops": 1, "Plans": [scan("day_1", 2)]});
        assert_eq!(Plan::of(&whole, &names).scanned_days, ["day_1"]);
    }

    #[test]
    fn every_question_has_one_statement() {
        let questions = questions().unwrap();
        assert!(questions.len() >= 15);
        for (name, sql) in questions {
            assert!(sql.ends_with(';') && sql.matches(';').count() == 1, "{name}: {sql}");
        }
    }
}
