//! What is watched, as metrics.

use jiff::Timestamp;
use metrics::registry as r;
use metrics::{Counter, Gauge, Page, SecondsGauge};
use pipeline::topics::Topics;

use super::Watched;
use crate::janitor::work_topics;

struct Figures {
    lag: Vec<(String, Gauge)>,
    lag_looked_at: SecondsGauge,
    oldest_unprojected: SecondsGauge,
    rejected: Counter,
    of_dropped_days: Counter,
    work: Vec<(String, Gauge, Gauge)>,
    janitor_looked_at: SecondsGauge,
}

impl Watched {
    /// Shows it on `page`, as it is when the page is read.
    pub(crate) fn show(self, page: &Page, topics: &Topics) {
        let lag = |topic: String| {
            let gauge = page.gauge(&r::PROJECTION_LAG, &[&topic]);
            (topic, gauge)
        };
        let work = work_topics(topics).into_iter().map(|topic| {
            let kept = page.gauge(&r::WORK_KEPT, &[&topic.name]);
            let overtaken = page.gauge(&r::OVERTAKEN, &[&topic.name]);
            (topic.name, kept, overtaken)
        });
        let figures = Figures {
            lag: [topics.deliveries(), topics.outcomes()].map(lag).into(),
            lag_looked_at: page.seconds_gauge(&r::PROJECTION_LOOKED, &[]),
            oldest_unprojected: page.seconds_gauge(&r::OLDEST_UNPROJECTED, &[]),
            rejected: page.counter(&r::REJECTED, &[]),
            of_dropped_days: page.counter(&r::OF_DROPPED_DAYS, &[]),
            work: work.collect(),
            janitor_looked_at: page.seconds_gauge(&r::JANITOR_LOOKED, &[]),
        };
        page.before_reading(move || figures.look(&self, Timestamp::now()));
    }
}

impl Figures {
    fn look(&self, watched: &Watched, now: Timestamp) {
        {
            let lag = watched.lag.borrow();
            self.lag_looked_at.set(seconds(lag.looked_at));
            for (topic, gauge) in &self.lag {
                let of_topic = lag.records.iter().filter(|((name, _), _)| name == topic);
                gauge.set(of_topic.map(|(_, records)| records).sum());
            }
        }
        let oldest = watched.tally.oldest_unprojected_at();
        let age = oldest.map_or(0.0, |since| now.duration_since(since).as_secs_f64().max(0.0));
        self.oldest_unprojected.set(age);
        catch_up(&self.rejected, watched.tally.rejected());
        catch_up(&self.of_dropped_days, watched.tally.of_dropped_days());

        let work = watched.work.borrow();
        self.janitor_looked_at.set(seconds(work.looked_at));
        for (topic, kept, overtaken) in &self.work {
            let known = work.topics.get(topic).copied().unwrap_or_default();
            kept.set(known.records);
            overtaken.set(i64::try_from(known.overtaken).unwrap_or(i64::MAX));
        }
    }
}

/// Since the Unix epoch; 0 if it never was.
fn seconds(at: Option<Timestamp>) -> f64 {
    at.map_or(0.0, |at| at.as_millisecond() as f64 / 1_000.0)
}

fn catch_up(counter: &Counter, count: u64) {
    counter.inc_by(count.saturating_sub(counter.get()));
}

#[cfg(test)]
mod tests {
    use pipeline::tier::Tiers;

    use super::*;
    use crate::janitor_task::{TopicKept, WorkKept};
    use crate::watched::{ProjectionLag, watched_on};

    #[test]
    fn the_page_shows_what_is_watched_when_it_is_read() {
        let topics = Topics::new("t.", Tiers::spills());
        let (deliveries, outcomes) = (topics.deliveries(), topics.outcomes());
        let page = Page::default();
        let (watching, watched) = watched_on(&page);
        watched.show(&page, &topics);
        watching.lag.send_replace(ProjectionLag {
            looked_at: Some(Timestamp::from_second(100).unwrap()),
            records: [((deliveries.clone(), 0), 4), ((deliveries.clone(), 1), 5)].into(),
        });
        let kept = TopicKept { records: 12, trimmed: 3, overtaken: 1 };
        watching.work.send_replace(WorkKept {
            looked_at: Some(Timestamp::from_second(200).unwrap()),
            topics: [(outcomes.clone(), kept)].into(),
        });
        watching.tally.count(2, 1);
        watching.tally.gather(0);
        let text = page.text().unwrap();
        for line in [
            format!("hooklog_projection_lag_records{{topic=\"{deliveries}\"}} 9"),
            format!("hooklog_projection_lag_records{{topic=\"{outcomes}\"}} 0"),
            "hooklog_projection_lag_looked_timestamp_seconds 100".to_owned(),
            "hooklog_projector_rejected_records_total 2".to_owned(),
            "hooklog_projector_dropped_day_records_total 1".to_owned(),
            format!("hooklog_work_kept_records{{topic=\"{outcomes}\"}} 12"),
            format!("hooklog_work_overtaken_partitions{{topic=\"{outcomes}\"}} 1"),
            format!("hooklog_work_overtaken_partitions{{topic=\"{deliveries}\"}} 0"),
            "hooklog_janitor_last_round_timestamp_seconds 200".to_owned(),
        ] {
            assert!(text.lines().any(|shown| shown == line), "{line}\n{text}");
        }
        assert!(!text.contains("hooklog_projection_oldest_unprojected_seconds 0\n"), "{text}");
        watching.tally.count(3, 0);
        let text = page.text().unwrap();
        assert!(text.contains("hooklog_projector_rejected_records_total 5\n"), "{text}");
    }
}
