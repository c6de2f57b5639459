ALTER TABLE events DROP CONSTRAINT events_customer_id_fkey;
DROP INDEX events_customer_id_kind_idx;
