//! What the role tells of itself. What waits in each tier is the loop's lag.

use jiff::Timestamp;
use metrics::registry as r;
use metrics::{Counter, Histogram, Page};
use pipeline::topics::Topics;

/// Of one family of tiers.
#[derive(Clone)]
pub(crate) struct QueueFigures {
    released: Counter,
    to_next_tier: Counter,
    lateness: Histogram,
}

impl QueueFigures {
    fn new(page: &Page, queue: &str) -> Self {
        Self {
            released: page.counter(&r::RELEASES, &[queue, "deliveries"]),
            to_next_tier: page.counter(&r::RELEASES, &[queue, "next_tier"]),
            lateness: page.histogram(&r::RELEASE_LATENESS, &[queue]),
        }
    }

    /// A delivery is in `deliveries` again. Nothing is late that says no due time.
    pub fn released(&self, due_at: Option<Timestamp>, now: Timestamp) {
        self.released.inc();
        if let Some(due_at) = due_at {
            self.lateness.observe(now.duration_since(due_at).as_secs_f64().max(0.0));
        }
    }

    pub fn sent_to_next_tier(&self) {
        self.to_next_tier.inc();
    }
}

pub(crate) struct Figures {
    retries: QueueFigures,
    spills: QueueFigures,
}

impl Figures {
    pub fn new(page: &Page, topics: &Topics) -> Self {
        let hold = |topic: String, seconds| {
            page.seconds_gauge(&r::TIER_SECONDS, &[&topic]).set(seconds);
        };
        for tier in topics.tiers().iter() {
            hold(topics.retries(tier), tier.delay().as_secs_f64());
        }
        for tier in topics.spill_tiers().iter() {
            hold(topics.spills(tier), tier.delay().as_secs_f64());
        }
        let of = |queue| QueueFigures::new(page, queue);
        Self { retries: of("retries"), spills: of("spills") }
    }

    pub fn of(&self, is_spill: bool) -> &QueueFigures {
        if is_spill { &self.spills } else { &self.retries }
    }
}
