-- Makes the partitions of one UTC day, of both tables, if they are not there; and attaches those
-- that are there and were detached, as a process that died between detaching a day and dropping
-- it leaves them.
--
-- A new table is attached, for that takes a lock which lets others read and write; CREATE
-- TABLE ... PARTITION OF would wait for every reader and hold up all that come after it. The
-- advisory lock keeps two callers from making one table at the same time; it ends with the
-- transaction.
--
-- All names are those of the caller's search path: a projection that is rebuilt stands in a
-- schema of its own.
CREATE OR REPLACE FUNCTION create_delivery_partitions(day date) RETURNS void
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
        END IF;
        IF NOT EXISTS (SELECT FROM pg_inherits WHERE inhrelid = to_regclass(child)) THEN
            EXECUTE format(
                'ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
                parent, child,
                day::timestamp AT TIME ZONE 'UTC', (day + 1)::timestamp AT TIME ZONE 'UTC'
            );
        END IF;
    END LOOP;
END
$$;
