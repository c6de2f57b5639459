-- A column without a default is an entry in the catalog: no row is touched.
ALTER TABLE orders ADD COLUMN tracking_token uuid;
-- A default that comes afterwards is for new rows only, so this too is over at once.
ALTER TABLE orders ALTER COLUMN tracking_token SET DEFAULT gen_random_uuid();

-- Finds the rows that are left without reading those that are done, and shrinks to nothing.
CREATE INDEX CONCURRENTLY orders_without_token_idx ON orders (id) WHERE tracking_token IS NULL;

-- rehearse:repeat pause=5ms
UPDATE orders SET tracking_token = gen_random_uuid()
WHERE id IN (SELECT id FROM orders WHERE tracking_token IS NULL ORDER BY id LIMIT 5000);

DROP INDEX CONCURRENTLY orders_without_token_idx;
