-- Configuration: the truth about subscriptions. A deleted one keeps its row, its id and its
-- version, and has no secret any more.
CREATE TABLE subscriptions (
    id uuid PRIMARY KEY,
    version bigint NOT NULL,
    target_url text NOT NULL,
    secret text,
    event_types text[],
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    deleted_at timestamptz
);

-- The gateway's list of subscriptions, oldest first, page by page.
CREATE INDEX subscriptions_by_creation ON subscriptions (created_at, id)
    WHERE deleted_at IS NULL;

-- Which subscriptions have changed and are not in the compacted topic yet. Written in the
-- change's own transaction; the gateway's relay reads it in order and deletes what it has
-- published.
CREATE TABLE subscription_outbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    subscription_id uuid NOT NULL
);

-- Projection: one row per delivery, as `deliveries` and `outcomes` tell it.
CREATE TABLE deliveries (
    id uuid NOT NULL,
    -- Named by every record of the delivery; its UTC day is the partition.
    accepted_at timestamptz NOT NULL,
    subscription_id uuid NOT NULL,
    message_id uuid NOT NULL,
    event_type text,
    -- NULL until the delivery's own record has been seen: an outcome may be read first.
    content_type text,
    payload bytea,
    state text NOT NULL,
    reason text,
    -- The release and the attempt that `state` speaks of; both 0 before the first outcome.
    release int NOT NULL,
    state_attempt int NOT NULL,
    -- The highest number of an attempt that was made.
    attempts int NOT NULL DEFAULT 0,
    last_attempt_at timestamptz,
    last_http_status int,
    last_error text,
    next_attempt_at timestamptz,
    replay_of uuid,
    -- A delivery by its id; the projector's upsert.
    PRIMARY KEY (id, accepted_at)
) PARTITION BY RANGE (accepted_at);

-- Counts and sums over a stretch of time.
CREATE INDEX deliveries_by_time ON deliveries USING brin (accepted_at);

-- The latest deliveries of one subscription.
CREATE INDEX deliveries_by_subscription ON deliveries (subscription_id, accepted_at DESC);

-- Projection: one row per call to a receiver.
CREATE TABLE delivery_attempts (
    outcome_partition int NOT NULL,
    outcome_offset bigint NOT NULL,
    -- The delivery's, not the attempt's: both tables drop the same days.
    accepted_at timestamptz NOT NULL,
    delivery_id uuid NOT NULL,
    subscription_id uuid NOT NULL,
    attempt int NOT NULL,
    succeeded boolean NOT NULL,
    -- The delivery's state after this attempt, and why if that ended it.
    state text NOT NULL,
    reason text,
    target_url text NOT NULL,
    http_status int,
    error_kind text,
    error text,
    latency_micros bigint NOT NULL,
    response_excerpt text NOT NULL,
    response_truncated boolean NOT NULL,
    attempted_at timestamptz NOT NULL,
    next_attempt_at timestamptz,
    -- No outcome record makes two rows.
    PRIMARY KEY (outcome_partition, outcome_offset, accepted_at)
) PARTITION BY RANGE (accepted_at);

-- The attempts of one delivery, in order.
CREATE INDEX delivery_attempts_by_delivery ON delivery_attempts (delivery_id, attempted_at);

-- The latest attempts of one subscription: its health.
CREATE INDEX delivery_attempts_by_subscription
    ON delivery_attempts (subscription_id, attempted_at DESC);

-- Throughput and failures over a stretch of time.
CREATE INDEX delivery_attempts_by_time ON delivery_attempts USING brin (attempted_at);

-- How far the projection has come in each Kafka partition: the offset of the next record.
-- Changes in the same transaction as the rows.
CREATE TABLE projector_offsets (
    topic text NOT NULL,
    partition int NOT NULL,
    next_offset bigint NOT NULL,
    PRIMARY KEY (topic, partition)
);

-- Records that could not become rows, with why, and their bytes as they were.
CREATE TABLE projector_rejects (
    topic text NOT NULL,
    partition int NOT NULL,
    record_offset bigint NOT NULL,
    reason text NOT NULL,
    key bytea,
    value bytea,
    rejected_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (topic, partition, record_offset)
);

-- Makes the partitions of one UTC day, of both tables, if they are not there.
--
-- A new table is attached, for that takes a lock which lets others read and write; CREATE
-- TABLE ... PARTITION OF would wait for every reader and hold up all that come after it. The
-- advisory lock keeps two callers from making one table at the same time; it ends with the
-- transaction.
CREATE FUNCTION create_delivery_partitions(day date) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    parent text;
    child text;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('create_delivery_partitions'));
    FOREACH parent IN ARRAY ARRAY['deliveries', 'delivery_attempts'] LOOP
        child := parent || to_char(day, '"_y"YYYY"m"MM"d"DD');
        IF to_regclass(child) IS NULL THEN
            EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING ALL)', child, parent);
            EXECUTE format(
                'ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
                parent, child,
                day::timestamp AT TIME ZONE 'UTC', (day + 1)::timestamp AT TIME ZONE 'UTC'
            );
        END IF;
    END LOOP;
END
$$;
