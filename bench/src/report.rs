//! What a scenario has found: figures, ratios, and whether its goals are met.

use std::fmt;

use serde::Serialize;

/// What a figure is to be.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Goal {
    AtMost(f64),
    AtLeast(f64),
}

impl Goal {
    pub fn is_met(self, figure: f64) -> bool {
        match self {
            Self::AtMost(bound) => figure <= bound,
            Self::AtLeast(bound) => figure >= bound,
        }
    }
}

impl fmt::Display for Goal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sign, bound) = match self {
            Self::AtMost(bound) => ("<=", bound),
            Self::AtLeast(bound) => (">=", bound),
        };
        write!(f, "{sign} {}", number(*bound))
    }
}

/// One line: a figure alone, or one with and one without the trouble.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    pub what: String,
    /// All healthy; `None` where there is nothing to compare with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub healthy: Option<f64>,
    /// With the trouble that the scenario is about, or the only figure.
    pub figure: f64,
    /// `figure / healthy`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ratio: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub goal: Option<Goal>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_met: Option<bool>,
}

/// The result of one scenario.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    pub scenario: &'static str,
    /// What was done, in a sentence.
    pub setting: String,
    pub cores: usize,
    pub rows: Vec<Row>,
    /// What else is worth knowing, a line each.
    pub notes: Vec<String>,
}

impl Report {
    pub fn new(scenario: &'static str, setting: impl Into<String>) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self { scenario, setting: setting.into(), cores, rows: Vec::new(), notes: Vec::new() }
    }

    /// Adds a line of text.
    pub fn note(&mut self, text: impl Into<String>) {
        self.notes.push(text.into());
    }

    /// Adds a figure that stands alone; a goal judges the figure.
    pub fn figure(&mut self, what: impl Into<String>, figure: f64, goal: Option<Goal>) {
        let is_met = goal.map(|goal| goal.is_met(figure));
        self.rows.push(Row { what: what.into(), healthy: None, figure, ratio: None, goal, is_met });
    }

    /// Adds a figure beside that of the all-healthy phase; a goal judges their ratio.
    pub fn ratio(
        &mut self,
        what: impl Into<String>,
        healthy: f64,
        figure: f64,
        goal: Option<Goal>,
    ) {
        let ratio = figure / healthy;
        let is_met = goal.map(|goal| goal.is_met(ratio));
        let (healthy, ratio) = (Some(healthy), Some(ratio));
        self.rows.push(Row { what: what.into(), healthy, figure, ratio, goal, is_met });
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {} ({} cores)", self.scenario, self.setting, self.cores)?;
        let width = self.rows.iter().map(|row| row.what.chars().count()).max().unwrap_or(0);
        writeln!(
            f,
            "  {:<width$} {:>12} {:>12} {:>8}  {:<10} ",
            "", "healthy", "trouble", "ratio", "goal"
        )?;
        for row in &self.rows {
            let cell = |figure: Option<f64>| figure.map(number).unwrap_or_default();
            let goal = row.goal.map(|goal| goal.to_string()).unwrap_or_default();
            let met = match row.is_met {
                Some(true) => "met",
                Some(false) => "MISSED",
                None => "",
            };
            writeln!(
                f,
                "  {:<width$} {:>12} {:>12} {:>8}  {goal:<10} {met}",
                row.what,
                cell(row.healthy),
                number(row.figure),
                cell(row.ratio),
            )?;
        }
        self.notes.iter().try_for_each(|note| writeln!(f, "  {note}"))
    }
}

/// A figure with as many digits as it deserves.
fn number(figure: f64) -> String {
    if figure == figure.trunc() && figure.abs() < 1e12 {
        return format!("{figure:.0}");
    }
    match figure.abs() {
        size if size >= 1_000.0 => format!("{figure:.0}"),
        size if size >= 10.0 => format!("{figure:.1}"),
        _ => format!("{figure:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_goal_judges_the_ratio_where_there_is_one_and_else_the_figure() {
        let mut report = Report::new("hung", "two endpoints");
        report.ratio("p99, ms", 10.0, 13.0, Some(Goal::AtMost(1.2)));
        report.ratio("per second", 100.0, 95.0, Some(Goal::AtLeast(0.9)));
        report.figure("repeated", 51.0, Some(Goal::AtMost(50.0)));
        report.figure("kills", 3.0, None);
        let met: Vec<Option<bool>> = report.rows.iter().map(|row| row.is_met).collect();
        assert_eq!(met, [Some(false), Some(true), Some(false), None]);
        let text = report.to_string();
        assert!(text.contains("1.30") && text.contains("MISSED"), "{text}");
    }
}
