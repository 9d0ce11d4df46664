-- Loads :count deliveries to 1,000 subscriptions, accepted over the last 72 hours, and their calls.
-- About 2 % of them fail at first, and what dead receivers were sent in the last minutes has not ended.
SET synchronous_commit = off;
SET maintenance_work_mem = '1GB';
SELECT setseed(0.5);

INSERT INTO subscriptions
    (id, version, target_url, event_types, description, created_at, updated_at)
SELECT md5('s' || n)::uuid, 1, 'https://receiver-' || n || '.example.com/hooks', '{}',
    'Receiver ' || n, now() - interval '30 days', now() - interval '30 days'
FROM generate_series(0, 999) AS n;

-- How each delivery went.
CREATE UNLOGGED TABLE story AS
SELECT n, accepted_at, subscriber, luck,
    md5('s' || subscriber)::uuid AS subscription_id,
    -- A version 7 UUID of that millisecond.
    (lpad(to_hex((extract(epoch FROM accepted_at) * 1000)::bigint), 12, '0') || '7'
        || substr(md5('d' || n), 1, 3) || '8' || substr(md5('d' || n), 4, 15))::uuid AS id,
    CASE
        WHEN accepted_at > now() - interval '1 second' THEN 'fresh'
        -- Twenty receivers have been dead for six hours; the calls for what they were sent in the
        -- last minutes are not used up.
        WHEN subscriber % 50 = 7 AND accepted_at > now() - interval '20 minutes' THEN 'waits'
        WHEN subscriber % 50 = 7 AND accepted_at > now() - interval '6 hours' THEN 'dead'
        WHEN luck < 0.980 THEN 'first'
        WHEN luck < 0.996 THEN 'second'
        ELSE 'dead'
    END AS fate
FROM (
    SELECT n, now() - interval '72 hours' * (1 - n / (:count)::float8) AS accepted_at,
        -- Skewed: the busiest one has a thirtieth of everything.
        floor(1000 * power(random(), 2))::int AS subscriber,
        random() AS luck
    FROM generate_series(0::bigint, :count - 1) AS n
) AS drawn;

-- Filled before they are attached, which then makes all indexes at once.
CREATE FUNCTION pg_temp.day_table(parent text, day date) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    child text := parent || to_char(day, '"_y"YYYY"m"MM"d"DD');
BEGIN
    IF to_regclass(child) IS NOT NULL THEN
        EXECUTE format('DROP TABLE %I', child);
    END IF;
    EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', child, parent);
    RETURN child;
END
$$;
CREATE FUNCTION pg_temp.attach(parent text, child text, day date) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', parent, child,
        day::timestamp AT TIME ZONE 'UTC', (day + 1)::timestamp AT TIME ZONE 'UTC');
END
$$;

DO $$
DECLARE
    day date;
    child text;
BEGIN
    FOR day IN SELECT DISTINCT (accepted_at AT TIME ZONE 'UTC')::date FROM story ORDER BY 1 LOOP
        child := pg_temp.day_table('deliveries', day);
        EXECUTE format($insert$
            INSERT INTO %I (id, accepted_at, subscription_id, message_id, event_type, content_type,
                payload, state, reason, release, state_attempt, attempts, last_attempt_at,
                last_http_status, last_error, next_attempt_at)
            SELECT id, accepted_at, subscription_id, id,
                (ARRAY['order.created', 'order.paid', 'order.shipped', 'user.created',
                    'user.updated', 'invoice.sent', 'invoice.paid', 'refund.made'])[1 + n %% 8],
                'application/json',
                convert_to(format('{"event":"order.created","number":%%s,"customer":"%%s","note":"%%s"}',
                    n, md5(n::text), repeat('x', 40)), 'UTF8'),
                CASE fate WHEN 'fresh' THEN 'pending' WHEN 'waits' THEN 'retrying'
                    WHEN 'dead' THEN 'dead_lettered' ELSE 'delivered' END,
                CASE fate WHEN 'dead' THEN 'exhausted' END,
                0,
                CASE fate WHEN 'fresh' THEN 0 WHEN 'first' THEN 1 WHEN 'dead' THEN 4 ELSE 2 END,
                CASE fate WHEN 'fresh' THEN 0 WHEN 'first' THEN 1 WHEN 'dead' THEN 4 ELSE 2 END,
                CASE fate WHEN 'fresh' THEN NULL
                    ELSE accepted_at + interval '20 milliseconds' + CASE fate WHEN 'first' THEN interval '0'
                        WHEN 'dead' THEN interval '130 seconds' ELSE interval '10 seconds' END END,
                CASE WHEN fate = 'fresh' THEN NULL WHEN fate IN ('first', 'second') THEN 200
                    WHEN n %% 3 = 0 THEN NULL WHEN n %% 3 = 1 THEN 500 ELSE 503 END,
                CASE WHEN fate IN ('fresh', 'first', 'second') THEN NULL
                    WHEN n %% 3 = 0 THEN 'connection refused' ELSE 'the receiver answered 500' END,
                CASE fate WHEN 'waits' THEN now() + (luck * 1800) * interval '1 second' END
            FROM story WHERE accepted_at >= %L::timestamp AT TIME ZONE 'UTC'
                AND accepted_at < %L::timestamp AT TIME ZONE 'UTC' ORDER BY n$insert$, child, day, day + 1);
        PERFORM pg_temp.attach('deliveries', child, day);

        child := pg_temp.day_table('delivery_attempts', day);
        EXECUTE format($insert$
            INSERT INTO %I (outcome_partition, outcome_offset, accepted_at, delivery_id,
                subscription_id, attempt, succeeded, state, reason, target_url, http_status,
                error_kind, error, latency_micros, response_excerpt, response_truncated,
                attempted_at, next_attempt_at)
            SELECT subscriber %% 12, n * 4 + call, accepted_at, id, subscription_id, call, good,
                CASE WHEN good THEN 'delivered' WHEN call = 4 THEN 'dead_lettered' ELSE 'retrying' END,
                CASE WHEN call = 4 THEN 'exhausted' END,
                'https://receiver-' || subscriber || '.example.com/hooks',
                CASE WHEN good THEN 200 WHEN n %% 3 = 0 THEN NULL WHEN n %% 3 = 1 THEN 500 ELSE 503 END,
                CASE WHEN good THEN NULL WHEN n %% 3 = 0 THEN 'refused' ELSE 'http_status' END,
                CASE WHEN good THEN NULL WHEN n %% 3 = 0 THEN 'connection refused'
                    ELSE 'the receiver answered 500' END,
                -- Log-normal: 30 ms in the middle, a second at the far end.
                (30000 * exp(0.8 * sqrt(-2 * ln(1 - ((n * 7919 + call * 104729) %% 99991) / 100000.0))
                    * cos(6.283 * ((n * 31) %% 9973) / 9973.0)))::bigint,
                CASE WHEN good THEN 'ok' ELSE '' END, false,
                accepted_at + interval '20 milliseconds'
                    + (ARRAY[0, 10, 40, 130])[call] * interval '1 second',
                CASE WHEN NOT good AND call < 4
                    THEN accepted_at + (ARRAY[10, 40, 130])[call] * interval '1 second' END
            FROM (
                SELECT *, (fate = 'first' OR fate = 'second' AND call = 2) AS good
                FROM story, generate_series(1, CASE fate WHEN 'fresh' THEN 0 WHEN 'first' THEN 1
                    WHEN 'dead' THEN 4 ELSE 2 END) AS call
                WHERE accepted_at >= %L::timestamp AT TIME ZONE 'UTC'
                    AND accepted_at < %L::timestamp AT TIME ZONE 'UTC'
            ) AS told ORDER BY n, call$insert$, child, day, day + 1);
        PERFORM pg_temp.attach('delivery_attempts', child, day);
    END LOOP;
END
$$;
DROP TABLE story;

-- What the trigger counts of rows that are inserted, and how far the projector would have come.
INSERT INTO delivery_minutes (minute, shard, accepted)
SELECT date_trunc('minute', accepted_at), 0, count(*) FROM deliveries GROUP BY 1;
INSERT INTO projector_offsets (topic, partition, next_offset)
SELECT 'hooklog.outcomes', outcome_partition, max(outcome_offset) + 1
FROM delivery_attempts GROUP BY outcome_partition;
