//! What hooklog tells Prometheus: every metric stands in the [`registry`], with its name, kind,
//! labels and meaning, and nowhere else.
//!
//! A role makes its handles once, from the [`Page`] of its process, and keeps them. A handle is an
//! atomic number: using it takes no lock, allocates nothing and looks no label up. What is
//! expensive to know is asked for when somebody reads the page ([`Page::before_reading`]).
//!
//! The values of every label are a closed list, or names that the installation itself has, such as
//! its topics. It deliberately knows no subscription, no URL and nothing of a payload: what
//! concerns one subscription stands in PostgreSQL.
//!
//! | file | concept |
//! |---|---|
//! | `family` | what is known of a metric before there is one |
//! | `registry` | all of them |
//! | `page` | the metrics of one process, and their text |
//! | `process` | the process's own: memory, threads, files |
//! | `documentation` | the registry for people |

mod documentation;
mod family;
mod page;
mod process;
pub mod registry;

pub use documentation::markdown;
pub use family::{Family, Kind, Label, Section, Values};
pub use page::{CONTENT_TYPE, Counter, Counters, Gauge, Histogram, Page, SecondsGauge};
