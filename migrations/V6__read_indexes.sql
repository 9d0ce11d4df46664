-- Indexes that reads need; docs/dashboards.md has the questions that each one answers. Those that
-- hold every delivery grow at their end, so that only few of their pages are written at a time;
-- the others hold few rows.

-- The newest deliveries of all, page by page: `GET /v1/deliveries`.
CREATE INDEX deliveries_latest ON deliveries (accepted_at DESC, id DESC);

-- The newest deliveries of one event type. Its beginning only, for a type may be longer than an
-- index entry.
CREATE INDEX deliveries_by_type ON deliveries (left(event_type, 200), accepted_at DESC, id DESC);

-- The newest deliveries that failed, wait or were cancelled, by state and by the last answer.
CREATE INDEX deliveries_undelivered
    ON deliveries (accepted_at DESC, id DESC, state, last_http_status)
    WHERE state <> 'delivered';

-- What waits for each subscription, and since when: its backlog.
CREATE INDEX deliveries_unfinished ON deliveries (subscription_id, accepted_at)
    WHERE state IN ('pending', 'retrying');

-- The newest deliveries that a receiver has failed in one way.
CREATE INDEX delivery_attempts_failed
    ON delivery_attempts (error_kind, accepted_at DESC, delivery_id DESC)
    WHERE NOT succeeded;
