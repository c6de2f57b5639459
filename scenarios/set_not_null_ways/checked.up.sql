-- New rows are right from here on, so the backfill has an end.
ALTER TABLE customers ALTER COLUMN newsletter SET DEFAULT false;

-- The rows are locked as they are read, so an answer that is given meanwhile is not overwritten.
-- rehearse:repeat pause=5ms
WITH batch AS (
    SELECT id FROM customers WHERE newsletter IS NULL ORDER BY id LIMIT 5000 FOR UPDATE
)
UPDATE customers SET newsletter = false FROM batch WHERE customers.id = batch.id;

-- The proof under a lock that stops nobody, and then the rule, which believes the proof.
ALTER TABLE customers ADD CONSTRAINT customers_newsletter_known CHECK (newsletter IS NOT NULL) NOT VALID;
ALTER TABLE customers VALIDATE CONSTRAINT customers_newsletter_known;
ALTER TABLE customers ALTER COLUMN newsletter SET NOT NULL;
ALTER TABLE customers DROP CONSTRAINT customers_newsletter_known;
