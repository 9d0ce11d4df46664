-- What hooklog's own API keeps of a subscription beside the older services' fields. `json` and
-- not `jsonb` where a text is read back as it was written.
ALTER TABLE subscriptions
    ADD COLUMN description text,
    ADD COLUMN labels jsonb NOT NULL DEFAULT '{}',
    -- The record's `options`: filter, headers, limits, retries.
    ADD COLUMN options json NOT NULL DEFAULT '{}',
    -- How a request to its ingest URL is verified, and how its deliveries are signed. NULL: by
    -- `secret`. Both hold secrets.
    ADD COLUMN verification json,
    ADD COLUMN signing json,
    -- Why no calls are made; NULL while they are.
    ADD COLUMN paused text;
