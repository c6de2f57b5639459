-- Without it, every deletion of a customer would read all events.
CREATE INDEX CONCURRENTLY events_customer_id_kind_idx ON events (customer_id, kind);
-- Locks both tables against writers, for a moment: no old row is looked at.
ALTER TABLE events ADD CONSTRAINT events_customer_id_fkey FOREIGN KEY (customer_id) REFERENCES customers NOT VALID;
-- Looks at them all, in a transaction of its own, while everyone works.
ALTER TABLE events VALIDATE CONSTRAINT events_customer_id_fkey;
