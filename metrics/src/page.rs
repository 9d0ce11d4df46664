//! The metrics of one process, and their text.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use prometheus::{GaugeVec, HistogramOpts, HistogramVec, IntCounterVec, IntGaugeVec, Opts};
use prometheus::{Registry, TextEncoder};

use crate::family::{Family, Kind, Values};
use crate::process::OwnProcess;

/// The head of the text's answer: Prometheus' text format, version 0.0.4.
pub const CONTENT_TYPE: &str = prometheus::TEXT_FORMAT;

pub type Counter = prometheus::IntCounter;
pub type Gauge = prometheus::IntGauge;
/// Seconds, with a fraction.
pub type SecondsGauge = prometheus::Gauge;
/// Of seconds.
pub type Histogram = prometheus::Histogram;

/// A counter for each value of a label, made once.
#[derive(Debug, Clone)]
pub struct Counters(Vec<(&'static str, Counter)>);

impl Counters {
    /// Counts one, if the registry has the value. Looks through a short list, in its order.
    pub fn count(&self, value: &str) {
        if let Some((_, counter)) = self.0.iter().find(|(known, _)| *known == value) {
            counter.inc();
        }
    }
}

/// The metrics of one process. Clones are the same page.
#[derive(Clone, Default)]
pub struct Page {
    shown: Arc<Mutex<Shown>>,
}

#[derive(Default)]
struct Shown {
    registry: Registry,
    families: HashMap<&'static str, Shared>,
    looks: Vec<Box<dyn Fn() + Send>>,
    process: Option<OwnProcess>,
}

/// A family of the registry with the series that it has by now.
#[derive(Clone)]
enum Shared {
    Counter(IntCounterVec),
    Gauge(IntGaugeVec),
    SecondsGauge(GaugeVec),
    Histogram(HistogramVec),
}

impl fmt::Debug for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Page")
    }
}

/// What the registry and the role's own code disagree about; a test of each role makes all of its
/// handles, and would end here.
const MISMATCH: &str = "a handle is made of the family that the registry has";

impl Page {
    /// The handle of one series, at 0 if it is new. The values stand in the order of the family's
    /// labels.
    ///
    /// # Panics
    /// If the family is of another kind, or has other labels or values.
    pub fn counter(&self, family: &Family, values: &[&str]) -> Counter {
        let Shared::Counter(vec) = self.shared(family, values) else { panic!("{MISMATCH}") };
        vec.with_label_values(values)
    }

    /// As [`Page::counter`].
    pub fn gauge(&self, family: &Family, values: &[&str]) -> Gauge {
        let Shared::Gauge(vec) = self.shared(family, values) else { panic!("{MISMATCH}") };
        vec.with_label_values(values)
    }

    /// As [`Page::counter`].
    pub fn seconds_gauge(&self, family: &Family, values: &[&str]) -> SecondsGauge {
        let Shared::SecondsGauge(vec) = self.shared(family, values) else { panic!("{MISMATCH}") };
        vec.with_label_values(values)
    }

    /// As [`Page::counter`].
    pub fn histogram(&self, family: &Family, values: &[&str]) -> Histogram {
        let Shared::Histogram(vec) = self.shared(family, values) else { panic!("{MISMATCH}") };
        vec.with_label_values(values)
    }

    /// One counter for each value of the family's last label. `values` are those of the labels
    /// before it.
    ///
    /// # Panics
    /// As [`Page::counter`], and if that label's values are not a closed list.
    pub fn counters(&self, family: &Family, values: &[&'static str]) -> Counters {
        let last = family.labels.last().map(|label| label.values);
        let Some(Values::Closed(words)) = last else { panic!("{MISMATCH}") };
        let of = |word: &&'static str| {
            let mut values = values.to_vec();
            values.push(word);
            (*word, self.counter(family, &values))
        };
        Counters(words.iter().map(of).collect())
    }

    /// `look` sets handles each time before the page is read. It must be quick, for the reader
    /// waits, and must not ask the page for anything.
    pub fn before_reading(&self, look: impl Fn() + Send + 'static) {
        self.locked().looks.push(Box::new(look));
    }

    /// Shows the process's own metrics and the version that runs.
    pub fn show_process(&self, version: &str) {
        let process = OwnProcess::new(self);
        self.gauge(&crate::registry::BUILD_INFO, &[version]).set(1);
        self.locked().process = process;
    }

    /// The page as Prometheus reads it, of [`CONTENT_TYPE`].
    ///
    /// # Errors
    /// None that is known; the library's.
    pub fn text(&self) -> Result<String, prometheus::Error> {
        let shown = self.locked();
        for look in &shown.looks {
            look();
        }
        if let Some(process) = &shown.process {
            process.look();
        }
        TextEncoder::new().encode_to_string(&shown.registry.gather())
    }

    fn shared(&self, family: &Family, values: &[&str]) -> Shared {
        let fits = family.labels.len() == values.len()
            && family.labels.iter().zip(values).all(|(label, value)| label.takes(value));
        assert!(fits, "{MISMATCH}: {} {values:?}", family.name);
        let mut shown = self.locked();
        if let Some(known) = shown.families.get(family.name) {
            return known.clone();
        }
        let made = Shared::register(family, &shown.registry).expect(MISMATCH);
        shown.families.insert(family.name, made.clone());
        made
    }

    fn locked(&self) -> MutexGuard<'_, Shown> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    fn register(family: &Family, registry: &Registry) -> Result<Self, prometheus::Error> {
        let labels: Vec<&str> = family.labels.iter().map(|label| label.name).collect();
        let opts = Opts::new(family.name, family.doc);
        Ok(match family.kind {
            Kind::Counter => {
                let vec = IntCounterVec::new(opts, &labels)?;
                registry.register(Box::new(vec.clone()))?;
                Self::Counter(vec)
            }
            Kind::Gauge => {
                let vec = IntGaugeVec::new(opts, &labels)?;
                registry.register(Box::new(vec.clone()))?;
                Self::Gauge(vec)
            }
            Kind::SecondsGauge => {
                let vec = GaugeVec::new(opts, &labels)?;
                registry.register(Box::new(vec.clone()))?;
                Self::SecondsGauge(vec)
            }
            Kind::Histogram(bounds) => {
                let opts = HistogramOpts::new(family.name, family.doc).buckets(bounds.to_vec());
                let vec = HistogramVec::new(opts, &labels)?;
                registry.register(Box::new(vec.clone()))?;
                Self::Histogram(vec)
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::{self, CALL_SECONDS, CALLS, LANES, OLDEST_UNFINISHED};

    #[test]
    fn a_page_shows_what_its_handles_say_with_zeros_from_the_start() {
        let page = Page::default();
        page.counter(&CALLS, &["2xx"]).inc();
        let _ = page.counter(&CALLS, &["5xx"]);
        page.gauge(&LANES, &["all"]).set(3);
        page.histogram(&CALL_SECONDS, &[]).observe(0.004);
        let text = page.text().unwrap();
        for line in [
            "# TYPE hooklog_calls_total counter",
            "hooklog_calls_total{end=\"2xx\"} 1",
            "hooklog_calls_total{end=\"5xx\"} 0",
            "hooklog_lanes{state=\"all\"} 3",
            "hooklog_call_seconds_bucket{le=\"0.0025\"} 0",
            "hooklog_call_seconds_bucket{le=\"0.005\"} 1",
            "hooklog_call_seconds_count 1",
        ] {
            assert!(text.lines().any(|shown| shown == line), "{line}\n{text}");
        }
    }

    #[test]
    fn two_handles_of_one_series_are_one_number() {
        let page = Page::default();
        page.counter(&CALLS, &["2xx"]).inc();
        page.counter(&CALLS, &["2xx"]).inc();
        assert_eq!(page.counter(&CALLS, &["2xx"]).get(), 2);
    }

    #[test]
    fn what_is_asked_for_before_reading_is_on_the_page() {
        let page = Page::default();
        let oldest = page.seconds_gauge(&OLDEST_UNFINISHED, &["projector", "t"]);
        page.before_reading(move || oldest.set(oldest.get() + 1.5));
        assert!(page.text().unwrap().contains("{loop=\"projector\",topic=\"t\"} 1.5\n"));
        assert!(page.text().unwrap().contains("{loop=\"projector\",topic=\"t\"} 3\n"));
    }

    #[test]
    #[should_panic(expected = "hooklog_calls_total [\"204\"]")]
    fn a_label_takes_no_value_that_the_registry_does_not_have() {
        Page::default().counter(&CALLS, &["204"]);
    }

    #[test]
    fn counters_are_made_for_each_value_of_the_last_label() {
        let page = Page::default();
        let made = page.counters(&registry::INGEST_REQUESTS, &["a"]);
        made.count("rejected");
        made.count("what nobody knows");
        let count = |answer| page.counter(&registry::INGEST_REQUESTS, &["a", answer]).get();
        assert_eq!(["accepted", "rejected", "failed"].map(count), [0, 1, 0]);
        assert_eq!(made.0.len(), 7);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_process_tells_of_its_own_memory_threads_and_files() {
        let page = Page::default();
        page.show_process("0.1.0");
        let text = page.text().unwrap();
        assert!(text.contains("hooklog_build_info{version=\"0.1.0\"} 1\n"), "{text}");
        for name in [
            "process_resident_memory_bytes",
            "process_threads",
            "process_open_fds",
            "process_max_fds",
        ] {
            let found = text.lines().find_map(|line| line.strip_prefix(&format!("{name} ")));
            let value: u64 = found.unwrap_or_else(|| panic!("{name}\n{text}")).parse().unwrap();
            assert!(value > 0, "{name}");
        }
    }
}
