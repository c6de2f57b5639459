ALTER TABLE events DROP CONSTRAINT events_customer_id_fkey;
DROP INDEX CONCURRENTLY events_customer_id_kind_idx;
