-- A column without a default is an entry in the catalog, and a default that comes afterwards is for new rows only.
ALTER TABLE orders ADD COLUMN tracking_token uuid;
ALTER TABLE orders ALTER COLUMN tracking_token SET DEFAULT gen_random_uuid();
-- Each batch finds its rows by this index, which shrinks to nothing.
CREATE INDEX CONCURRENTLY orders_without_token ON orders (id) WHERE tracking_token IS NULL;
-- rehearse:repeat pause=10ms
UPDATE orders SET tracking_token = gen_random_uuid()
WHERE id IN (SELECT id FROM orders WHERE tracking_token IS NULL ORDER BY id LIMIT 5000);
DROP INDEX CONCURRENTLY orders_without_token;
