-- Deliveries made anew: by hand, or as a replay of many.

-- What a delivery made anew has to carry beside its payload: the CloudEvents attributes that go
-- out as `ce-` headers, an object of texts. Known with the delivery's own record; NULL without any.
ALTER TABLE deliveries ADD COLUMN attributes jsonb;

-- Requests to deliver a range of deliveries again, and how far each has come.
CREATE TABLE replays (
    id uuid PRIMARY KEY,
    -- What is replayed: what was accepted at or after the one and before the other, and stands in
    -- one of these states when the replay comes by.
    accepted_from timestamptz NOT NULL,
    accepted_to timestamptz NOT NULL,
    states text[] NOT NULL,
    -- NULL: of all subscriptions, of any type.
    subscription_id uuid,
    event_type text,
    -- NULL: each to the subscription that it was for.
    to_subscription_id uuid,
    description text,
    state text NOT NULL,
    -- Why it failed.
    error text,
    -- How many there were to begin with; NULL if that took too long to count.
    total bigint,
    published bigint NOT NULL DEFAULT 0,
    skipped bigint NOT NULL DEFAULT 0,
    finished bigint NOT NULL DEFAULT 0,
    delivered bigint NOT NULL DEFAULT 0,
    dead_lettered bigint NOT NULL DEFAULT 0,
    -- The place behind which nothing was planned yet; NULL before the first one.
    planned_to_at timestamptz,
    planned_to_id uuid,
    planned_all boolean NOT NULL DEFAULT false,
    -- The gateway that works on it, until then.
    worker uuid,
    leased_until timestamptz,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    ended_at timestamptz
);

-- The list of replays, newest first, page by page.
CREATE INDEX replays_latest ON replays (created_at DESC, id DESC);

-- Replays that a gateway may work on.
CREATE INDEX replays_running ON replays (created_at) WHERE state = 'running';

-- What a replay has planned and not seen the end of: a bounded number for each. A row is there
-- before its record is written, so that whoever takes over knows what may have been written.
CREATE TABLE replay_deliveries (
    replay_id uuid NOT NULL REFERENCES replays ON DELETE CASCADE,
    delivery_id uuid NOT NULL,
    -- The new delivery's, the same however often its record is written.
    accepted_at timestamptz NOT NULL,
    original_id uuid NOT NULL,
    original_accepted_at timestamptz NOT NULL,
    -- Whether the broker has it.
    published boolean NOT NULL DEFAULT false,
    PRIMARY KEY (replay_id, delivery_id)
);
