LOCK TABLE events IN ACCESS EXCLUSIVE MODE;

ALTER TABLE events RENAME TO events_parts;
ALTER TABLE events_parts RENAME CONSTRAINT events_pkey TO events_parts_pkey;
ALTER INDEX events_customer_id_idx RENAME TO events_parts_customer_id_idx;
ALTER INDEX events_occurred_at_idx RENAME TO events_parts_occurred_at_idx;
ALTER SEQUENCE events_id_seq RENAME TO events_parts_id_seq;

CREATE TABLE events (
    LIKE events_parts INCLUDING DEFAULTS INCLUDING IDENTITY,
    CONSTRAINT events_pkey PRIMARY KEY (id)
);
COMMENT ON TABLE events IS 'Written by the web servers; customer_id has no foreign key since it cost too much once.';

INSERT INTO events SELECT * FROM events_parts;
CREATE INDEX events_customer_id_idx ON events (customer_id) WHERE customer_id IS NOT NULL;
CREATE INDEX events_occurred_at_idx ON events USING brin (occurred_at);
SELECT setval(pg_get_serial_sequence('events', 'id'), (SELECT max(id) FROM events));
DROP TABLE events_parts;
