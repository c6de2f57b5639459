ALTER TABLE customers ALTER COLUMN newsletter DROP NOT NULL;
ALTER TABLE customers ALTER COLUMN newsletter DROP DEFAULT;

-- Who has subscribed since keeps the answer; a no could only be the backfill's, since the shop offers no other.
-- rehearse:repeat pause=5ms
WITH batch AS (
    DELETE FROM customers_never_asked
    WHERE customer_id IN (SELECT customer_id FROM customers_never_asked ORDER BY customer_id LIMIT 5000)
    RETURNING customer_id
)
UPDATE customers SET newsletter = CASE WHEN newsletter THEN true END FROM batch WHERE id = batch.customer_id;

DROP TABLE customers_never_asked;
