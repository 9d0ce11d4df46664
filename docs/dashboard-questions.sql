-- The questions that docs/dashboards.md documents, each with a line that names it. They are run
-- by the tests on a small database, and by `./dev bench reads` on ten million deliveries, where
-- each is to be answered in 50 ms and none may read a day from beginning to end.

-- question: the newest deliveries
SELECT id, accepted_at, subscription_id, event_type, status, attempts, last_http_status
FROM delivery_overview ORDER BY accepted_at DESC, id DESC LIMIT 50;

-- question: the newest deliveries before a time
SELECT id, accepted_at, subscription_id, event_type, status, attempts, last_http_status
FROM delivery_overview WHERE accepted_at < now() - interval '30 hours'
ORDER BY accepted_at DESC, id DESC LIMIT 50;

-- question: the newest deliveries that were given up
SELECT id, accepted_at, target_url, event_type, reason, attempts, last_http_status, last_error
FROM delivery_overview WHERE status = 'dead_lettered'
ORDER BY accepted_at DESC, id DESC LIMIT 50;

-- question: the newest failed deliveries with an answer that is rare
SELECT id, accepted_at, target_url, status, last_http_status FROM delivery_overview
WHERE status <> 'delivered' AND last_http_status = 418
ORDER BY accepted_at DESC, id DESC LIMIT 50;

-- question: the newest deliveries of one subscription
SELECT id, accepted_at, event_type, status, attempts, last_http_status
FROM delivery_overview WHERE subscription_id = (SELECT md5('s7')::uuid)
ORDER BY accepted_at DESC LIMIT 50;

-- question: the newest deliveries of one event type
SELECT id, accepted_at, subscription_id, status FROM delivery_overview
WHERE left(event_type, 200) = 'refund.made' AND event_type = 'refund.made'
ORDER BY accepted_at DESC, id DESC LIMIT 50;

-- question: one delivery with its payload
SELECT * FROM delivery_overview WHERE id = (
    SELECT id FROM delivery_overview ORDER BY accepted_at DESC, id DESC OFFSET 1000 LIMIT 1);

-- question: which subscriptions are failing
SELECT subscription_id, target_url, success_rate, consecutive_failures, failing_since, last_error,
    breaker, backlog
FROM subscription_health WHERE failing ORDER BY failing_since LIMIT 50;

-- question: the subscriptions with the lowest success rates, and how long their calls take
SELECT subscription_id, target_url, attempts, success_rate, latency_p95_ms
FROM subscription_health WHERE attempts > 0 ORDER BY success_rate, subscription_id LIMIT 20;

-- question: the health of one subscription
SELECT * FROM subscription_health WHERE subscription_id = (SELECT md5('s0')::uuid);

-- question: what waits, and for whom
SELECT subscription_id, target_url, backlog, oldest_undelivered_at FROM subscription_health
WHERE backlog > 0 ORDER BY oldest_undelivered_at LIMIT 50;

-- question: the oldest delivery that waits
SELECT id, accepted_at, subscription_id, attempts, next_attempt_at FROM delivery_overview
WHERE status IN ('pending', 'retrying') ORDER BY accepted_at, id LIMIT 1;

-- question: what goes wrong
SELECT * FROM failure_reasons ORDER BY failures DESC;

-- question: throughput and latency of the last hour, by minute
SELECT * FROM throughput_per_minute WHERE minute >= now() - interval '1 hour' ORDER BY minute;

-- question: throughput of the last day, by quarter of an hour
SELECT date_bin('15 minutes', minute, 'epoch') AS at, sum(accepted) AS accepted,
    sum(attempts) AS attempts, sum(failed) AS failed
FROM throughput_per_minute WHERE minute >= now() - interval '24 hours' GROUP BY at ORDER BY at;

-- question: one webhook of the first older service
SELECT * FROM webhooks WHERE id = (
    SELECT id FROM delivery_overview ORDER BY accepted_at DESC, id DESC OFFSET 1000 LIMIT 1);

-- question: the webhooks of the first older service that failed in the last hour
SELECT id, subscription_id, event_type, ingested_at FROM webhooks
WHERE status = 'failed' AND ingested_at >= now() - interval '1 hour'
ORDER BY ingested_at DESC LIMIT 50;

-- question: the tasks of the second older service that are retried
SELECT id, subscription_id, attempts_count, next_attempt_at, last_error FROM delivery_tasks
WHERE status = 'retrying' ORDER BY created_at DESC LIMIT 50;
