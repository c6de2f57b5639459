LOCK TABLE events IN ACCESS EXCLUSIVE MODE; -- a row that is written during the copy would be lost

ALTER TABLE events RENAME TO events_old;
ALTER TABLE events_old RENAME CONSTRAINT events_pkey TO events_old_pkey;
ALTER INDEX events_customer_id_idx RENAME TO events_old_customer_id_idx;
ALTER INDEX events_occurred_at_idx RENAME TO events_old_occurred_at_idx;
ALTER SEQUENCE events_id_seq RENAME TO events_old_id_seq;

CREATE TABLE events (
    LIKE events_old INCLUDING DEFAULTS INCLUDING IDENTITY,
    CONSTRAINT events_pkey PRIMARY KEY (id)
) PARTITION BY RANGE (id);
CREATE TABLE events_p0 PARTITION OF events FOR VALUES FROM (MINVALUE) TO (10000000);
CREATE TABLE events_p1 PARTITION OF events FOR VALUES FROM (10000000) TO (20000000);
COMMENT ON TABLE events IS 'Written by the web servers; customer_id has no foreign key since it cost too much once.';

INSERT INTO events SELECT * FROM events_old;
CREATE INDEX events_customer_id_idx ON events (customer_id) WHERE customer_id IS NOT NULL;
CREATE INDEX events_occurred_at_idx ON events USING brin (occurred_at);
SELECT setval(pg_get_serial_sequence('events', 'id'), (SELECT max(id) FROM events));
DROP TABLE events_old;
