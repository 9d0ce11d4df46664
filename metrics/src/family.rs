//! What is known of a metric before there is one.

/// A metric with all its label values.
#[derive(Debug, Clone, Copy)]
pub struct Family {
    /// Ends with its unit, and in `_total` if it is a counter.
    pub name: &'static str,
    pub kind: Kind,
    pub labels: &'static [Label],
    /// One sentence or two for somebody on call.
    pub doc: &'static str,
}

/// Metrics of one subject.
#[derive(Debug, Clone, Copy)]
pub struct Section {
    pub title: &'static str,
    pub families: &'static [Family],
}

/// How a metric's values are to be read.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// Only grows, and begins at 0 with each process.
    Counter,
    /// A whole number that goes up and down.
    Gauge,
    /// The same in seconds, with a fraction.
    SecondsGauge,
    /// Counts of what was at most each of these seconds, their sum and their number.
    Histogram(&'static [f64]),
}

impl Kind {
    /// The word of Prometheus' text format.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge | Self::SecondsGauge => "gauge",
            Self::Histogram(_) => "histogram",
        }
    }
}

/// A dimension of a metric.
#[derive(Debug, Clone, Copy)]
pub struct Label {
    pub name: &'static str,
    pub values: Values,
}

/// Which values a label may have: never anything that a client chooses.
#[derive(Debug, Clone, Copy)]
pub enum Values {
    Closed(&'static [&'static str]),
    /// What the installation names, and how many of them there may be.
    OfInstallation {
        what: &'static str,
        at_most: usize,
    },
}

impl Label {
    pub(crate) const fn closed(name: &'static str, values: &'static [&'static str]) -> Self {
        Self { name, values: Values::Closed(values) }
    }

    pub(crate) const fn named(name: &'static str, what: &'static str, at_most: usize) -> Self {
        Self { name, values: Values::OfInstallation { what, at_most } }
    }

    /// Whether `value` is one of its values, as far as they are known here.
    pub fn takes(&self, value: &str) -> bool {
        match self.values {
            Values::Closed(values) => values.contains(&value),
            Values::OfInstallation { .. } => true,
        }
    }

    /// How many values it has at most.
    pub fn size(&self) -> usize {
        match self.values {
            Values::Closed(values) => values.len(),
            Values::OfInstallation { at_most, .. } => at_most,
        }
    }
}
