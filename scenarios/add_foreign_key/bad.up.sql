ALTER TABLE events ADD CONSTRAINT events_customer_id_fkey FOREIGN KEY (customer_id) REFERENCES customers;
CREATE INDEX events_customer_id_kind_idx ON events (customer_id, kind);
