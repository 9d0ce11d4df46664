//! Each alert rule fires when it is to, and none does while all is well.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::io::Write;
use std::process::Command;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/prometheus");

#[test]
fn each_rule_has_a_case_in_which_it_fires() {
    let read = |name: &str| std::fs::read_to_string(format!("{FOLDER}/{name}")).unwrap();
    let (rules, cases) = (read("alerts.yml"), read("alerts_test.yml"));
    let names = rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: "));
    for name in names {
        assert!(cases.contains(&format!("alertname=\"{name}\"}}', value: 1")), "{name}");
    }
}

/// With `HOOKLOG_PROMTOOL`, or the `promtool` in the path.
#[test]
fn promtool_sees_the_rules_fire_in_these_cases_and_in_no_others() {
    let program = std::env::var("HOOKLOG_PROMTOOL").unwrap_or("promtool".to_owned());
    let file = format!("{FOLDER}/alerts_test.yml");
    let Ok(ran) = Command::new(program).args(["test", "rules", &file]).output() else {
        let said = writeln!(std::io::stderr(), "no promtool: the rules' cases are not run");
        return said.unwrap();
    };
    let said = String::from_utf8_lossy(&ran.stdout);
    assert!(ran.status.success(), "{said}{}", String::from_utf8_lossy(&ran.stderr));
}
