-- The latest attempts of all subscriptions, newest first, page by page: the gateway's
-- `GET /logs/` (`ORDER BY attempted_at DESC ... OFFSET ... LIMIT`). The brin index of the same
-- column gives no order.
CREATE INDEX delivery_attempts_latest ON delivery_attempts (attempted_at DESC);
