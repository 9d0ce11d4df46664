-- What people and dashboards read: docs/dashboards.md describes every view, column by column.
--
-- All of it may be executed again, as after another schema's tables have taken the place of
-- `deliveries` and `delivery_attempts`: tables and counts that are there stay as they are, and
-- the views then look at the tables that are there now.

-- Counts, so that a question about a day need not read its rows.

-- Acceptances by minute. Kept by a trigger; the shard keeps transactions at the same time apart.
CREATE TABLE IF NOT EXISTS delivery_minutes (
    minute timestamptz NOT NULL,
    shard int NOT NULL,
    accepted bigint NOT NULL,
    -- Throughput over a stretch of time.
    PRIMARY KEY (minute, shard)
);

-- How far `roll_up` has counted the calls of each partition of `outcomes`: the next offset.
CREATE TABLE IF NOT EXISTS rolled_up (
    outcome_partition int PRIMARY KEY,
    next_offset bigint NOT NULL
);

-- Calls by minute, and by how long they took: class c is from 2^(c/2) to 2^((c+1)/2) microseconds.
CREATE TABLE IF NOT EXISTS attempt_minutes (
    minute timestamptz NOT NULL,
    latency_class smallint NOT NULL,
    attempts bigint NOT NULL,
    succeeded bigint NOT NULL,
    -- Throughput and latency over a stretch of time.
    PRIMARY KEY (minute, latency_class)
);

-- Calls by subscription and five minutes.
CREATE TABLE IF NOT EXISTS subscription_slices (
    slice_at timestamptz NOT NULL,
    subscription_id uuid NOT NULL,
    attempts bigint NOT NULL,
    succeeded bigint NOT NULL,
    -- Given up with a call.
    dead_lettered bigint NOT NULL,
    -- Failures after the last success of these five minutes, and when the first of them was.
    trailing_failures bigint NOT NULL,
    trailing_since timestamptz,
    last_attempt_at timestamptz NOT NULL,
    last_success_at timestamptz,
    -- Of the last call.
    last_http_status int,
    last_error_kind text,
    last_error text,
    -- The health of all subscriptions.
    PRIMARY KEY (slice_at, subscription_id)
) WITH (fillfactor = 50);

-- The health of one, and since when it is failing.
CREATE INDEX IF NOT EXISTS subscription_slices_by_subscription
    ON subscription_slices (subscription_id, slice_at DESC);

-- Failed calls by subscription, five minutes and what went wrong.
CREATE TABLE IF NOT EXISTS failure_slices (
    slice_at timestamptz NOT NULL,
    subscription_id uuid NOT NULL,
    -- An error kind, or `http_` and the status.
    reason text NOT NULL,
    failures bigint NOT NULL,
    last_at timestamptz NOT NULL,
    -- What goes wrong, over a stretch of time.
    PRIMARY KEY (slice_at, subscription_id, reason)
) WITH (fillfactor = 50);

-- The class of a call in `attempt_minutes`.
CREATE OR REPLACE FUNCTION latency_class(micros bigint) RETURNS smallint
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN floor(2 / ln(2::float8) * ln(greatest(micros, 1)::float8))::smallint;

-- The time below which a share of a class is, in milliseconds: its calls are taken to be spread
-- evenly over the logarithm.
CREATE OR REPLACE FUNCTION latency_ms(latency_class int, share float8) RETURNS float8
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN power(2::float8, (latency_class + share) / 2) / 1000;

-- The beginning of what `subscription_health` and `failure_reasons` look at: an hour ago, or as
-- long ago as `SET hooklog.health_window = '24 hours'` says, back to the slice's beginning.
CREATE OR REPLACE FUNCTION health_window_from() RETURNS timestamptz
LANGUAGE sql STABLE PARALLEL SAFE
RETURN date_bin(
    '5 minutes',
    now() - COALESCE(NULLIF(current_setting('hooklog.health_window', true), ''), '1 hour')::interval,
    'epoch'
);

-- A payload as JSON; NULL where it is none.
CREATE OR REPLACE FUNCTION payload_json(payload bytea) RETURNS json
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
BEGIN
    RETURN convert_from(payload, 'UTF8')::json;
EXCEPTION WHEN others THEN
    RETURN NULL;
END
$$;

-- Counts what a statement has added to `deliveries`.
--
-- Nobody waits here: of transactions at the same time each has a shard of its own, the first one
-- that is free. With one row for each minute they would wait for each other, and as they also
-- write the same deliveries, in a circle.
CREATE OR REPLACE FUNCTION count_accepted() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    free int := 0;
BEGIN
    WHILE NOT pg_try_advisory_xact_lock(hashtext('count_accepted'), free) LOOP
        free := free + 1;
    END LOOP;
    INSERT INTO delivery_minutes AS known (minute, shard, accepted)
    SELECT date_trunc('minute', accepted_at), free, count(*) FROM new_deliveries GROUP BY 1
    ON CONFLICT (minute, shard) DO UPDATE SET accepted = known.accepted + excluded.accepted;
    RETURN NULL;
END
$$;

-- Tables that have just come have no trigger yet, and are counted as a whole. Making the trigger
-- keeps writers out until this transaction ends; readers go on.
DO $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM pg_trigger
        WHERE tgrelid = 'deliveries'::regclass AND tgname = 'count_accepted'
    ) THEN
        CREATE TRIGGER count_accepted AFTER INSERT ON deliveries
            REFERENCING NEW TABLE AS new_deliveries
            FOR EACH STATEMENT EXECUTE FUNCTION count_accepted();
        DELETE FROM delivery_minutes;
        INSERT INTO delivery_minutes (minute, shard, accepted)
        SELECT date_trunc('minute', accepted_at), 0, count(*) FROM deliveries GROUP BY 1;
    END IF;
END
$$;

-- Counts the calls that were projected since it last did, of at most so many offsets of the topic
-- `outcomes`; the partition that is furthest behind comes first. True if there is more to count.
--
-- The projector writes a call's row and the next offset in one transaction, and this counts up to
-- that offset and notes how far in one of its own: each call counts once, whatever crashes, and
-- again only if somebody sets `rolled_up` back. Rows of the same calls that were made anew from
-- the log change nothing. One caller at a time; another is told false at once.
CREATE OR REPLACE FUNCTION roll_up(outcomes text, most bigint) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
    part record;
    first bigint;
    until bigint;
    is_more boolean := false;
    remaining bigint := most;
BEGIN
    IF NOT pg_try_advisory_xact_lock(hashtext('roll_up')) THEN
        RETURN false;
    END IF;
    FOR part IN
        SELECT told.partition, told.next_offset, COALESCE(done.next_offset, 0) AS done
        FROM projector_offsets AS told
        LEFT JOIN rolled_up AS done ON done.outcome_partition = told.partition
        WHERE told.topic = outcomes AND told.next_offset > COALESCE(done.next_offset, 0)
        ORDER BY told.next_offset - COALESCE(done.next_offset, 0) DESC, told.partition
    LOOP
        IF remaining <= 0 THEN
            RETURN true;
        END IF;
        -- Offsets that no call has, such as those that the log has lost, cost nothing.
        SELECT min(outcome_offset) INTO first FROM delivery_attempts
        WHERE outcome_partition = part.partition AND outcome_offset >= part.done;
        until := least(part.next_offset, COALESCE(first + remaining, part.next_offset));
        remaining := remaining - (until - COALESCE(first, until));
        is_more := is_more OR until < part.next_offset;
        PERFORM roll_up_calls(part.partition, part.done, until);
        INSERT INTO rolled_up AS known (outcome_partition, next_offset)
        VALUES (part.partition, until)
        ON CONFLICT (outcome_partition) DO UPDATE SET next_offset = excluded.next_offset;
    END LOOP;
    RETURN is_more;
END
$$;

-- Counts the calls of a span of offsets. A subscription's calls are all in one partition, so
-- their offsets are their order.
CREATE OR REPLACE FUNCTION roll_up_calls(of_partition int, first bigint, until bigint)
RETURNS void
LANGUAGE sql AS $$
    WITH told AS MATERIALIZED (
        SELECT date_trunc('minute', attempted_at) AS minute,
            date_bin('5 minutes', attempted_at, 'epoch') AS slice_at,
            subscription_id, outcome_offset, succeeded, state, attempted_at, latency_micros,
            http_status, error_kind, left(error, 300) AS error
        FROM delivery_attempts
        WHERE outcome_partition = of_partition
            AND outcome_offset >= first AND outcome_offset < until
    ), minutes AS (
        INSERT INTO attempt_minutes AS known (minute, latency_class, attempts, succeeded)
        SELECT minute, latency_class(latency_micros), count(*), count(*) FILTER (WHERE succeeded)
        FROM told GROUP BY 1, 2
        ON CONFLICT (minute, latency_class) DO UPDATE SET
            attempts = known.attempts + excluded.attempts,
            succeeded = known.succeeded + excluded.succeeded
    ), failures AS (
        INSERT INTO failure_slices AS known (slice_at, subscription_id, reason, failures, last_at)
        SELECT slice_at, subscription_id,
            left(CASE WHEN error_kind = 'http_status' AND http_status IS NOT NULL
                THEN 'http_' || http_status ELSE COALESCE(error_kind, 'unknown') END, 64),
            count(*), max(attempted_at)
        FROM told WHERE NOT succeeded GROUP BY 1, 2, 3
        ON CONFLICT (slice_at, subscription_id, reason) DO UPDATE SET
            failures = known.failures + excluded.failures,
            last_at = greatest(known.last_at, excluded.last_at)
    ), placed AS (
        SELECT told.*,
            max(outcome_offset) FILTER (WHERE succeeded) OVER slice AS last_good,
            outcome_offset = max(outcome_offset) OVER slice AS is_last
        FROM told WINDOW slice AS (PARTITION BY slice_at, subscription_id)
    )
    INSERT INTO subscription_slices AS known (
        slice_at, subscription_id, attempts, succeeded, dead_lettered, trailing_failures,
        trailing_since, last_attempt_at, last_success_at, last_http_status, last_error_kind,
        last_error)
    SELECT slice_at, subscription_id, count(*), count(*) FILTER (WHERE succeeded),
        count(*) FILTER (WHERE state = 'dead_lettered'),
        count(*) FILTER (WHERE outcome_offset > COALESCE(last_good, -1)),
        min(attempted_at) FILTER (WHERE outcome_offset > COALESCE(last_good, -1)),
        max(attempted_at), max(attempted_at) FILTER (WHERE succeeded),
        max(http_status) FILTER (WHERE is_last), max(error_kind) FILTER (WHERE is_last),
        max(error) FILTER (WHERE is_last)
    FROM placed GROUP BY 1, 2
    ON CONFLICT (slice_at, subscription_id) DO UPDATE SET
        attempts = known.attempts + excluded.attempts,
        succeeded = known.succeeded + excluded.succeeded,
        dead_lettered = known.dead_lettered + excluded.dead_lettered,
        trailing_failures = excluded.trailing_failures
            + CASE WHEN excluded.succeeded > 0 THEN 0 ELSE known.trailing_failures END,
        trailing_since = CASE WHEN excluded.succeeded > 0 THEN excluded.trailing_since
            ELSE COALESCE(known.trailing_since, excluded.trailing_since) END,
        last_attempt_at = greatest(known.last_attempt_at, excluded.last_attempt_at),
        last_success_at = greatest(known.last_success_at, excluded.last_success_at),
        last_http_status = excluded.last_http_status,
        last_error_kind = excluded.last_error_kind,
        last_error = excluded.last_error
$$;

-- Forgets what was counted of the time before.
CREATE OR REPLACE FUNCTION trim_rollups(before timestamptz) RETURNS void
LANGUAGE sql AS $$
    DELETE FROM delivery_minutes WHERE minute < before;
    DELETE FROM attempt_minutes WHERE minute < before;
    DELETE FROM subscription_slices WHERE slice_at < before;
    DELETE FROM failure_slices WHERE slice_at < before;
$$;

-- One row for each delivery.
CREATE OR REPLACE VIEW delivery_overview AS
SELECT delivery.id, delivery.accepted_at, delivery.subscription_id,
    subscription.target_url, subscription.description AS subscription_description,
    delivery.message_id, delivery.event_type, delivery.state AS status, delivery.reason,
    delivery.attempts, delivery.last_attempt_at, delivery.last_http_status, delivery.last_error,
    delivery.next_attempt_at, delivery.replay_of, delivery.content_type,
    octet_length(delivery.payload) AS payload_bytes,
    payload_json(delivery.payload) AS payload
FROM deliveries AS delivery
LEFT JOIN subscriptions AS subscription ON subscription.id = delivery.subscription_id;

-- One row for each subscription that is not deleted.
CREATE OR REPLACE VIEW subscription_health AS
SELECT subscription.id AS subscription_id, subscription.target_url, subscription.description,
    CASE WHEN subscription.paused IS NULL THEN 'active' ELSE 'paused' END AS status,
    subscription.paused AS paused_reason,
    health_window_from() AS window_from,
    COALESCE(recent.attempts, 0) AS attempts,
    COALESCE(recent.succeeded, 0) AS succeeded,
    recent.succeeded::float8 / recent.attempts AS success_rate,
    (SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY latest.latency_micros) / 1000
        FROM (SELECT attempt.latency_micros FROM delivery_attempts AS attempt
            WHERE attempt.subscription_id = subscription.id
                AND attempt.attempted_at >= health_window_from()
            ORDER BY attempt.attempted_at DESC LIMIT 1000) AS latest) AS latency_p50_ms,
    (SELECT percentile_cont(0.95) WITHIN GROUP (ORDER BY latest.latency_micros) / 1000
        FROM (SELECT attempt.latency_micros FROM delivery_attempts AS attempt
            WHERE attempt.subscription_id = subscription.id
                AND attempt.attempted_at >= health_window_from()
            ORDER BY attempt.attempted_at DESC LIMIT 1000) AS latest) AS latency_p95_ms,
    (SELECT percentile_cont(0.99) WITHIN GROUP (ORDER BY latest.latency_micros) / 1000
        FROM (SELECT attempt.latency_micros FROM delivery_attempts AS attempt
            WHERE attempt.subscription_id = subscription.id
                AND attempt.attempted_at >= health_window_from()
            ORDER BY attempt.attempted_at DESC LIMIT 1000) AS latest) AS latency_p99_ms,
    COALESCE(latest.trailing_failures + COALESCE(earlier.trailing_failures, 0) >= 3
        OR recent.attempts > 0 AND recent.succeeded = 0, false) AS failing,
    COALESCE(latest.trailing_failures + COALESCE(earlier.trailing_failures, 0), 0)
        AS consecutive_failures,
    COALESCE(earlier.trailing_since, latest.trailing_since) AS failing_since,
    latest.last_attempt_at,
    COALESCE(latest.last_success_at, earlier.last_success_at) AS last_success_at,
    latest.last_http_status, latest.last_error_kind, latest.last_error,
    CASE
        WHEN latest.trailing_failures > 0 AND EXISTS (
            SELECT FROM deliveries AS waiting
            WHERE waiting.subscription_id = subscription.id
                AND waiting.state IN ('pending', 'retrying')
                AND waiting.reason = 'breaker_open'
                AND waiting.next_attempt_at > now() - interval '10 seconds'
        ) THEN 'open'
        WHEN latest.trailing_failures = 0 AND recent.attempts > 0 THEN 'closed'
        ELSE 'unknown'
    END AS breaker,
    COALESCE(waiting.backlog, 0) AS backlog,
    waiting.oldest_undelivered_at,
    COALESCE(recent.dead_lettered, 0) AS dead_lettered
FROM subscriptions AS subscription
LEFT JOIN (
    SELECT slice.subscription_id, sum(slice.attempts)::bigint AS attempts,
        sum(slice.succeeded)::bigint AS succeeded,
        sum(slice.dead_lettered)::bigint AS dead_lettered
    FROM subscription_slices AS slice WHERE slice.slice_at >= health_window_from()
    GROUP BY slice.subscription_id
) AS recent ON recent.subscription_id = subscription.id
LEFT JOIN (
    SELECT delivery.subscription_id, count(*) AS backlog,
        min(delivery.accepted_at) AS oldest_undelivered_at
    FROM deliveries AS delivery WHERE delivery.state IN ('pending', 'retrying')
    GROUP BY delivery.subscription_id
) AS waiting ON waiting.subscription_id = subscription.id
LEFT JOIN LATERAL (
    SELECT slice.slice_at, slice.succeeded, slice.trailing_failures, slice.trailing_since,
        slice.last_attempt_at, slice.last_success_at, slice.last_http_status,
        slice.last_error_kind, slice.last_error
    FROM subscription_slices AS slice WHERE slice.subscription_id = subscription.id
    ORDER BY slice.slice_at DESC LIMIT 1
) AS latest ON true
-- Only of those that have not succeeded in their latest slice: the slice of the last success,
-- and all that lie between.
LEFT JOIN LATERAL (
    SELECT sum(slice.trailing_failures)::bigint AS trailing_failures,
        min(slice.trailing_since) AS trailing_since, max(slice.last_success_at) AS last_success_at
    FROM subscription_slices AS slice
    WHERE latest.succeeded = 0 AND slice.subscription_id = subscription.id
        AND slice.slice_at < latest.slice_at
        AND slice.slice_at >= COALESCE((
            SELECT good.slice_at FROM subscription_slices AS good
            WHERE good.subscription_id = subscription.id AND good.succeeded > 0
            ORDER BY good.slice_at DESC LIMIT 1), '-infinity')
) AS earlier ON true
WHERE subscription.deleted_at IS NULL;

-- One row for each minute in which something was accepted or called.
CREATE OR REPLACE VIEW throughput_per_minute AS
SELECT counted.minute, sum(counted.accepted)::bigint AS accepted,
    sum(counted.attempts)::bigint AS attempts, sum(counted.succeeded)::bigint AS succeeded,
    sum(counted.attempts - counted.succeeded)::bigint AS failed,
    max(counted.p50) AS latency_p50_ms, max(counted.p95) AS latency_p95_ms,
    max(counted.p99) AS latency_p99_ms
FROM (
    SELECT minute, accepted, 0::bigint AS attempts, 0::bigint AS succeeded,
        NULL::float8 AS p50, NULL::float8 AS p95, NULL::float8 AS p99
    FROM delivery_minutes
    UNION ALL
    SELECT minute, 0::bigint, attempts::bigint, succeeded,
        -- The class in which the share is reached.
        CASE WHEN below < 0.5 * total AND 0.5 * total <= below + attempts
            THEN latency_ms(latency_class, (0.5 * total - below) / attempts) END,
        CASE WHEN below < 0.95 * total AND 0.95 * total <= below + attempts
            THEN latency_ms(latency_class, (0.95 * total - below) / attempts) END,
        CASE WHEN below < 0.99 * total AND 0.99 * total <= below + attempts
            THEN latency_ms(latency_class, (0.99 * total - below) / attempts) END
    FROM (
        SELECT minute, latency_class, attempts::float8 AS attempts, succeeded,
            sum(attempts::float8) OVER (PARTITION BY minute) AS total,
            sum(attempts::float8) OVER (PARTITION BY minute ORDER BY latency_class)
                - attempts::float8 AS below
        FROM attempt_minutes
    ) AS placed
) AS counted
GROUP BY counted.minute;

-- One row for each way in which calls have failed.
CREATE OR REPLACE VIEW failure_reasons AS
SELECT reason, sum(failures)::bigint AS failures,
    count(DISTINCT subscription_id) AS subscriptions, max(last_at) AS last_at
FROM failure_slices WHERE slice_at >= health_window_from()
GROUP BY reason;

-- The first older service's table. A branch for each word, so that a question for one of them
-- can use the indexes of its states.
CREATE OR REPLACE VIEW webhooks AS
SELECT id, subscription_id, payload_json(payload) AS payload, event_type,
    accepted_at AS ingested_at, 'succeeded' AS status
FROM deliveries WHERE state = 'delivered'
UNION ALL
SELECT id, subscription_id, payload_json(payload), event_type, accepted_at, 'queued'
FROM deliveries WHERE state IN ('pending', 'retrying')
UNION ALL
SELECT id, subscription_id, payload_json(payload), event_type, accepted_at, 'failed'
FROM deliveries WHERE state IN ('dead_lettered', 'cancelled');

-- The second one's.
CREATE OR REPLACE VIEW delivery_tasks AS
SELECT id, subscription_id, payload_json(payload) AS payload, 'succeeded' AS status,
    attempts AS attempts_count, accepted_at AS created_at, last_attempt_at, next_attempt_at,
    last_http_status, NULL::text AS last_error
FROM deliveries WHERE state = 'delivered'
UNION ALL
SELECT id, subscription_id, payload_json(payload), 'pending', attempts, accepted_at,
    last_attempt_at, next_attempt_at, last_http_status,
    COALESCE(last_error, 'HTTP ' || last_http_status)
FROM deliveries WHERE state = 'pending'
UNION ALL
SELECT id, subscription_id, payload_json(payload), 'retrying', attempts, accepted_at,
    last_attempt_at, next_attempt_at, last_http_status,
    COALESCE(last_error, 'HTTP ' || last_http_status)
FROM deliveries WHERE state = 'retrying'
UNION ALL
SELECT id, subscription_id, payload_json(payload), 'failed', attempts, accepted_at,
    last_attempt_at, next_attempt_at, last_http_status,
    COALESCE(last_error, 'HTTP ' || last_http_status)
FROM deliveries WHERE state IN ('dead_lettered', 'cancelled');

-- Whoever has this role may read the views and nothing else. Roles belong to the whole server:
-- another database may have made it, and this user may not be allowed to.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'hooklog_reader') THEN
        BEGIN
            CREATE ROLE hooklog_reader NOLOGIN;
        EXCEPTION
            WHEN insufficient_privilege THEN
                RAISE NOTICE 'the role hooklog_reader is missing, and this user may not make it';
            WHEN duplicate_object OR unique_violation THEN
                NULL;
        END;
    END IF;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'hooklog_reader') THEN
        GRANT SELECT ON delivery_overview, subscription_health, throughput_per_minute,
            failure_reasons, webhooks, delivery_tasks TO hooklog_reader;
        BEGIN
            EXECUTE format('GRANT USAGE ON SCHEMA %I TO hooklog_reader', current_schema());
        EXCEPTION WHEN insufficient_privilege THEN
            RAISE NOTICE 'this user may not give the use of its schema to hooklog_reader';
        END;
    END IF;
END
$$;
