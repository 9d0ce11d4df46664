//! Which days are kept, and what is to be done with the tables of the others. Pure.
//!
//! A day is let go as a whole, once all of it is older than retention. Its tables are detached
//! first and then dropped; a process may die in between, so every state that it can leave is
//! known here: attached, half detached, and loose.

use std::fmt;
use std::time::Duration;

use jiff::civil::Date;
use jiff::tz::Offset;
use jiff::{SignedDuration, Timestamp};

/// Whole days ahead of today that have their tables.
const AHEAD: i32 = 2;
/// How a day is written in a table's name, after the name of the table it is a part of.
const SUFFIX: &str = "_y%Ym%md%d";

/// The tables that are partitioned by day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Parent {
    Deliveries,
    Attempts,
}

impl Parent {
    pub const ALL: [Self; 2] = [Self::Deliveries, Self::Attempts];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Deliveries => "deliveries",
            Self::Attempts => "delivery_attempts",
        }
    }
}

/// What ties a day's table to its parent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tie {
    Attached,
    /// A detaching of it has begun and was not ended: nobody reads it through the parent.
    Detaching,
    Loose,
}

/// One day's part of one of the tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DayTable {
    pub parent: Parent,
    pub day: Date,
    pub tie: Tie,
}

impl DayTable {
    /// The table with that name; `None` if no day's table is called so.
    pub fn named(name: &str, tie: Tie) -> Option<Self> {
        let of = |parent: Parent| {
            let day = Date::strptime(SUFFIX, name.strip_prefix(parent.name())?).ok()?;
            let table = Self { parent, day, tie };
            (table.to_string() == name).then_some(table)
        };
        Parent::ALL.into_iter().find_map(of)
    }
}

impl fmt::Display for DayTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.parent.name(), self.day.strftime(SUFFIX))
    }
}

/// One thing to be done, each by a statement of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Ends a detaching that was begun. PostgreSQL has at most one for each parent.
    Finalize(DayTable),
    Detach(DayTable),
    Drop(DayTable),
    /// Makes the day's tables a part of their parents again.
    Attach(Date),
}

/// The first day that is kept: all days before it are wholly older than `retention`.
pub(crate) fn first_kept(now: Timestamp, retention: Duration) -> Date {
    let retention = SignedDuration::try_from(retention).unwrap_or(SignedDuration::MAX);
    let oldest = now.checked_sub(retention).unwrap_or(Timestamp::MIN);
    day_of(oldest)
}

/// The UTC day of an instant.
pub(crate) fn day_of(at: Timestamp) -> Date {
    Offset::UTC.to_datetime(at).date()
}

/// Today and the next two days.
pub(crate) fn ahead(now: Timestamp) -> impl Iterator<Item = Date> {
    let today = day_of(now);
    (0..=AHEAD).filter_map(move |days| today.checked_add(jiff::Span::new().days(days)).ok())
}

/// What is to be done about the tables that are there.
pub(crate) fn steps(tables: &[DayTable], first_kept: Date) -> Vec<Step> {
    let detaching = tables.iter().filter(|table| table.tie == Tie::Detaching);
    let mut steps: Vec<Step> = detaching.map(|table| Step::Finalize(*table)).collect();
    for table in tables {
        match table.tie {
            Tie::Attached if table.day < first_kept => {
                steps.extend([Step::Detach(*table), Step::Drop(*table)]);
            }
            Tie::Detaching | Tie::Loose if table.day < first_kept => {
                steps.push(Step::Drop(*table));
            }
            // Retention was made longer after a process had died.
            Tie::Detaching | Tie::Loose => steps.push(Step::Attach(table.day)),
            Tie::Attached => {}
        }
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(day: &str, tie: Tie) -> DayTable {
        DayTable { parent: Parent::Attempts, day: day.parse().unwrap(), tie }
    }

    #[test]
    fn a_day_is_kept_until_all_of_it_is_older_than_retention() {
        let three_days = Duration::from_secs(72 * 3_600);
        let first = |now: &str| first_kept(now.parse().unwrap(), three_days).to_string();
        assert_eq!(first("2026-11-24T00:00:00Z"), "2026-11-21");
        assert_eq!(first("2026-11-24T23:59:59.999999Z"), "2026-11-21");
        assert_eq!(first("2026-11-25T00:00:00Z"), "2026-11-22");
        assert_eq!(first_kept(Timestamp::MIN, three_days), day_of(Timestamp::MIN));
    }

    #[test]
    fn today_and_the_next_two_days_have_tables() {
        let days: Vec<String> =
            ahead("2026-12-31T23:00:00Z".parse().unwrap()).map(|day| day.to_string()).collect();
        assert_eq!(days, ["2026-12-31", "2027-01-01", "2027-01-02"]);
    }

    #[test]
    fn only_what_is_called_as_the_tables_of_days_are_is_one() {
        for name in ["deliveries_y2026m11d24", "delivery_attempts_y0999m01d02"] {
            assert_eq!(DayTable::named(name, Tie::Loose).unwrap().to_string(), name);
        }
        for name in [
            "deliveries",
            "deliveries_y2026m1d4",
            "deliveries_y2026m11d24x",
            "deliveries_kept_y2026m11d24",
            "deliveries_y2026m02d30",
        ] {
            assert_eq!(DayTable::named(name, Tie::Loose), None, "{name}");
        }
    }

    #[test]
    fn an_old_day_goes_from_whatever_state_it_was_left_in() {
        let [attached, detaching, loose] = [Tie::Attached, Tie::Detaching, Tie::Loose];
        let tables = [
            table("2026-11-19", attached),
            table("2026-11-20", detaching),
            table("2026-11-20", loose),
            table("2026-11-21", attached),
        ];
        let steps = steps(&tables, "2026-11-21".parse().unwrap());
        assert_eq!(
            steps,
            [
                Step::Finalize(tables[1]),
                Step::Detach(tables[0]),
                Step::Drop(tables[0]),
                Step::Drop(tables[1]),
                Step::Drop(tables[2]),
            ]
        );
    }

    #[test]
    fn a_day_that_is_kept_after_all_is_attached_again() {
        let tables = [table("2026-11-21", Tie::Detaching), table("2026-11-22", Tie::Loose)];
        let steps = steps(&tables, "2026-11-20".parse().unwrap());
        let [first, second] = tables.map(|table| Step::Attach(table.day));
        assert_eq!(steps, [Step::Finalize(tables[0]), first, second]);
    }
}
